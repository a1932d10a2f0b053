//! A world of the bench's own: mounts that cover what daemons write to, and a network in which thousands
//! of addresses are local.

use crate::size::RANGE;
use anyhow::{Context, Result};
use gingham_integration::bench::{ip, own_mounts};
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// Where the settings of all daemons are, and their sockets.
pub(crate) const RUN: &str = "/run/bgp-bench";
/// The home of OpenBGPD's user, to which its processes confine themselves.
const OPENBGPD: &str = "/run/openbgpd";

/// Mounts and a network for this process and all it starts. Both sides of each session need a file
/// descriptor, though not in one process.
pub(crate) fn enter() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("RLIMIT_NOFILE")?;
    own_mounts()?;
    let (tmpfs, none) = (Some("tmpfs"), None::<&str>);
    mount(tmpfs, "/run", tmpfs, MsFlags::empty(), none).context("mounting tmpfs on /run")?;
    for folder in [RUN, OPENBGPD] {
        fs::create_dir(folder).with_context(|| format!("creating {folder}"))?;
    }
    Ok(())
}

/// Makes all addresses of the bench local in the calling thread's network.
pub(crate) fn populate() -> Result<()> {
    ip("link set lo up")?;
    ip(&format!("route add local {RANGE} dev lo"))
}
