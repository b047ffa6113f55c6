//! `cargo xtask demo`: builds everything and serves the page with the model beside it.

use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{net::TcpStream, thread};

use anyhow::{Context, Result, bail};

use crate::{build, model, sh};

/// Where to serve.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask demo --open\n  cargo xtask demo --port 8080")]
pub struct Args {
    /// Port on localhost
    #[arg(long, default_value_t = 4173)]
    port: u16,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

/// Serves until it is stopped.
pub fn run(args: &Args) -> Result<()> {
    let model = model::ensure()?;
    build::run(&build::Args::default())?;
    let page = sh::root().join("www/dist");
    let mut server = sh::node()
        .arg(sh::root().join("xtask/serve.mjs"))
        .arg(args.port.to_string())
        .arg(format!("/={}", page.display()))
        .arg(format!("/models/{}={}", model::NAME, model.display()))
        .stdin(Stdio::null())
        .spawn()
        .context("starting the server")?;
    if args.open {
        open(args.port);
    }
    let status = server.wait()?;
    if !status.success() {
        bail!("the server stopped ({status})");
    }
    Ok(())
}

/// Opens the page once the server answers. Not being able to is no error: the address is on the screen.
fn open(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("localhost", port)).is_err() && start.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(50));
    }
    let url = format!("http://localhost:{port}/");
    let opened = if cfg!(target_os = "macos") {
        sh::succeeds(sh::in_root("open").arg(&url))
    } else if cfg!(windows) {
        sh::succeeds(sh::in_root("cmd").args(["/c", "start", &url]))
    } else {
        sh::succeeds(sh::in_root("xdg-open").arg(&url))
    };
    if !opened {
        eprintln!("    Could not open a browser; the address is {url}");
    }
}
