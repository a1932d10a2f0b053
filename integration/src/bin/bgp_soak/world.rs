//! A world of the soak's own: mounts, and a network in which hundreds of addresses are local.

use crate::layout::RANGE;
use crate::speaker::Files;
use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where the speaker's files are, in a file system that goes with the process.
const FOLDER: &str = "/run/bgp-soak";

/// Moves this process and all it starts from now on into mounts and a network of their own.
pub(crate) fn enter() -> Result<Files> {
    // Each session needs a descriptor.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("RLIMIT_NOFILE")?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let tmpfs = Some("tmpfs");
    mount(tmpfs, "/run", tmpfs, MsFlags::empty(), none).context("mounting tmpfs on /run")?;
    fs::create_dir(FOLDER).with_context(|| format!("creating {FOLDER}"))?;
    ip("link set lo up")?;
    ip(&format!("route add local {RANGE} dev lo"))?;
    Ok(Files::in_folder(Path::new(FOLDER)))
}

fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip").args(line.split(' ')).output();
    let output = output.context("starting ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {line}: {}", said.trim());
    Ok(())
}
