//! What both back ends refuse, in the same words.

use crate::{Error, Result, ops::Kv};

/// The larger of two numbers of groups; the smaller must divide it.
pub(super) fn common_groups(op: &'static str, a: usize, b: usize) -> Result<usize> {
    let most = a.max(b);
    if a.min(b) == 0 || !most.is_multiple_of(a.min(b)) {
        let (want, got) = ("groups of which one number divides the other".to_owned(), format!("{a} and {b}"));
        return Err(Error::Shape { op, want, got });
    }
    Ok(most)
}

/// One list or one row of scores for all KV heads needs heads of one length.
pub(super) fn unlike_heads(op: &'static str) -> Error {
    let (want, got) = ("KV heads that keep the same rows".to_owned(), "KV heads of different lengths".to_owned());
    Error::Shape { op, want, got }
}

/// Fails unless scores are of layer `kv` and have a group a KV head.
pub(super) fn check_by_kv(op: &'static str, kv: Kv, heads: usize, (own, groups): (Kv, usize)) -> Result<()> {
    if own == kv && groups == heads {
        return Ok(());
    }
    let want = format!("scores of layer {} by KV head ({heads})", kv.0);
    Err(Error::Shape { op, want, got: format!("scores of layer {}, {groups} groups", own.0) })
}
