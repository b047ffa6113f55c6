//! `attnscope methods`.

use attnscope::{Result, methods::REGISTRY};

#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON array instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if args.json {
        println!("{}", serde_json::json!(attnscope::methods::listing()));
        return Ok(());
    }
    for row in REGISTRY {
        let paper = row.paper.map_or_else(String::new, |id| format!(" (arXiv {id})"));
        println!("{:<16} {}{paper}\n{:16} {}", row.name, row.title, "", row.summary);
        for p in row.params {
            println!("{:16}   {} = {}  {}; {}", "", p.name, p.default(), p.help, p.allowed());
        }
        println!();
    }
    Ok(())
}
