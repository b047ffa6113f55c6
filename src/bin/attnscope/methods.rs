//! `attnscope methods`.

use crate::Failure;
use attnscope::methods::REGISTRY;
use std::io::{self, Write};

#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON array instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::json!(attnscope::methods::listing()))?;
        return Ok(());
    }
    for row in REGISTRY {
        let paper = row.paper.map_or_else(String::new, |id| format!(" (arXiv {id})"));
        writeln!(out, "{:<16} {}{paper}\n{:16} {}", row.name, row.title, "", row.summary)?;
        for p in row.params {
            writeln!(out, "{:16}   {} = {}  {}; {}", "", p.name, p.default(), p.help, p.allowed())?;
        }
        writeln!(out)?;
    }
    Ok(())
}
