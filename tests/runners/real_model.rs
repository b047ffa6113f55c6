use super::Case;
pub fn run(_: &Case) {}
