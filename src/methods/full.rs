//! Full attention: stores and reads everything. The yardstick of every other method.

use super::{Params, Row, Shape};
use crate::{Result, method::Method};

/// Registry row.
pub const ROW: Row = Row {
    name: "full",
    title: "Full attention",
    summary: "Stores and reads every token; the yardstick of every other method.",
    paper: None,
    roles: &[],
    whole: false,
    params: &[],
    build,
};

fn build(_: &Params, _: &Shape) -> Result<Method> {
    Ok(Method::full())
}
