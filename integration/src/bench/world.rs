//! What surrounds a bench.

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

/// Gives this process mounts and a network of its own; what follows is seen by nobody else, and gone
/// with it.
///
/// # Errors
/// Without root.
pub fn own_mounts() -> Result<()> {
    let children = "/proc/thread-self/children";
    fs::read(children).with_context(|| format!("{children}: needs CONFIG_PROC_CHILDREN"))?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    Ok(())
}

/// Runs `ip` in the calling thread's namespace, with the words of `line`.
///
/// # Errors
/// What it said.
pub fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip").args(line.split(' ')).output();
    let output = output.context("starting ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {line}: {}", said.trim());
    Ok(())
}

/// What the machine is: names and values.
///
/// # Errors
/// `/proc` cannot be read.
pub fn conditions() -> Result<Vec<(&'static str, String)>> {
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    let processors = std::thread::available_parallelism()?;
    Ok(vec![
        ("kernel", kernel.trim().to_owned()),
        ("processors", processors.to_string()),
    ])
}

/// How many threads ran or wanted to, on average of the last minute: others disturb.
///
/// # Errors
/// `/proc` cannot be read.
pub fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let first = text.split(' ').next();
    Ok(first.unwrap_or_default().to_owned())
}

/// Tells how far it is. Progress only: without stderr nobody can be told.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A duration given as seconds, for the command line.
///
/// # Errors
/// No number, or none that a duration can be.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "must be a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
