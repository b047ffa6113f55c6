//! Debian packages, installed where that asks nothing.

use anyhow::Result;

use crate::sh;

/// Installs packages; where there is no apt-get, or one that would ask for a password, nothing happens.
pub fn install(what: &str, packages: &[&str]) -> Result<()> {
    let Some(apt) = apt() else { return Ok(()) };
    sh::step(&format!("Installing {what}"), || {
        sh::run_aside(sh::in_root(apt[0]).args(&apt[1..]).args(["update", "-qq"]))?;
        let install = ["install", "-y", "-qq", "--no-install-recommends"];
        let mut command = sh::in_root(apt[0]);
        command.args(&apt[1..]).args(install).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
        sh::run_aside(&mut command)
    })
}

/// How to call apt-get without being asked for a password, if at all.
fn apt() -> Option<&'static [&'static str]> {
    which::which("apt-get").ok()?;
    if sh::capture(sh::in_root("id").arg("-u")).is_ok_and(|id| id == "0") {
        return Some(&["apt-get"]);
    }
    sh::succeeds(sh::in_root("sudo").args(["-n", "true"])).then_some(&["sudo", "-n", "apt-get"])
}
