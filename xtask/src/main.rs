//! The project's tasks: `cargo xtask --help`.
fn main() {}
