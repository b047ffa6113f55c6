//! `attnscope gpu`: which adapter there is, and whether it computes what the CPU does.

use crate::Failure;
use attnscope::backend::gpu::Device;
use std::{
    io::{self, Write},
    rc::Rc,
};

const EXAMPLES: &str = "Examples:
  attnscope gpu
  attnscope gpu --json
  attnscope generate --model smollm2.gguf --backend gpu 'Once upon a time'";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let device = Rc::new(Device::open_now()?);
    let report = device.report();
    let tested = pollster::block_on(device.self_test());
    if args.json {
        let all = serde_json::json!({ "adapter": report, "difference": tested.as_ref().ok() });
        writeln!(out, "{all}")?;
        return tested.map(|_| ()).map_err(Failure::from);
    }
    let kind = if report.software { "software, on the CPU: right, but not fast" } else { "hardware" };
    let has = |there| if there { "yes" } else { "no" };
    writeln!(out, "adapter              {} ({})", report.name, report.api)?;
    writeln!(out, "kind                 {kind}")?;
    writeln!(out, "largest binding      {} MB", report.binding_bytes >> 20)?;
    writeln!(out, "workgroup            {} invocations, {} bytes", report.invocations, report.workgroup_bytes)?;
    writeln!(out, "16-bit arithmetic    {} (not used)", has(report.half))?;
    writeln!(out, "subgroups            {} (not used)", has(report.subgroups))?;
    let difference = 100.0 * tested?;
    writeln!(out, "self-test            passed, one layer beside the CPU: {difference:.0} % of the tolerance")?;
    Ok(())
}
