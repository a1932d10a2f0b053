//! A world of a run's own: a network for the one under test, one for those it learns from, a cable
//! between them, and folders that cover what daemons write to.

use crate::case::{self, Case, NODE, SUBNET};
use crate::feeder::Feeder;
use crate::floor::UPLINK;
use anyhow::{Context, Result};
use gingham_integration::bench::ip;
use gingham_netlink::Netns;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::fd::{AsFd, AsRawFd};

/// Where the settings of daemons are.
pub(crate) const RUN: &str = "/run/learn-bench";

/// What daemons write to, empty; dropped, it is again what it was before.
pub(crate) struct Folders;

const FOLDERS: [&str; 3] = ["/run", "/var/lib", "/var/tmp"];

impl Folders {
    pub(crate) fn cover() -> Result<Self> {
        let folders = Folders;
        for folder in FOLDERS {
            let (tmpfs, none) = (Some("tmpfs"), None::<&str>);
            mount(tmpfs, folder, tmpfs, MsFlags::empty(), none)
                .with_context(|| format!("mounting tmpfs on {folder}"))?;
        }
        std::fs::create_dir(RUN).with_context(|| format!("creating {RUN}"))?;
        Ok(folders)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in FOLDERS {
            // The mounts are the bench's own, and gone with it.
            let _ = umount2(folder, MntFlags::MNT_DETACH);
        }
    }
}

/// Cables the calling thread's network to `far`, and gives both their addresses.
pub(crate) fn cable(far: &Netns, case: Case) -> Result<()> {
    let length = SUBNET.split_once('/').context("no length")?.1;
    // A thread has no `/proc/self/fd` for its children.
    let far_end = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        far.as_fd().as_raw_fd()
    );
    ip("link set lo up")?;
    ip(&format!(
        "link add {UPLINK} type veth peer name {UPLINK} netns {far_end}"
    ))?;
    ip(&format!("address add {NODE}/{length} dev {UPLINK}"))?;
    ip(&format!("link set {UPLINK} up"))?;
    far.visit(|| {
        for feeder in (0..case.feeders).map(case::feeder) {
            ip(&format!("address add {feeder}/{length} dev {UPLINK}"))?;
        }
        ip(&format!("link set {UPLINK} up"))
    })?
}

/// The feeders, in the network `far`.
pub(crate) fn feeders(far: &Netns, case: Case) -> Result<Vec<Feeder>> {
    let listen = |number| Feeder::listen(number, case);
    far.visit(|| (0..case.feeders).map(listen).collect())?
}
