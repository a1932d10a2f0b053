//! A world of a run's own: a network for the one under test, one for those it learns from, a cable
//! between them, and folders that cover what daemons write to.

use crate::case::{self, DEVICE, LENGTH, Nodes};
use crate::floor::UPLINK;
use anyhow::{Context, Result};
use gingham_integration::bench::ip;
use gingham_netlink::{Netns, Socket};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Where the settings of daemons are.
pub(crate) const RUN: &str = "/run/learn-bench";
/// How long one answer of the kernel may take.
const KERNEL: Duration = Duration::from_secs(10);

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

/// Cables the calling thread's network to `far`, and gives the one under test its address, and `far`
/// those of so many feeders.
pub(crate) fn cable(far: &Netns, feeders: usize) -> Result<()> {
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
    ip(&format!("address add {DEVICE}/{LENGTH} dev {UPLINK}"))?;
    ip(&format!("link set {UPLINK} up"))?;
    far.visit(|| {
        ip("link set lo up")?;
        for feeder in (0..feeders).map(case::feeder) {
            ip(&format!("address add {feeder}/{LENGTH} dev {UPLINK}"))?;
        }
        ip(&format!("link set {UPLINK} up"))
    })?
}

/// Makes the addresses of nodes local in `far` without any interface (AnyIP), and known to the calling
/// thread's network: thousands of neighbours are more than a kernel that nobody tuned keeps by itself.
pub(crate) fn populate(far: &Netns, Nodes(nodes): Nodes) -> Result<()> {
    let addresses = || (0..nodes).map(Nodes::address);
    let local = addresses().map(|node| format!("route add local {node} dev lo\n"));
    far.visit(|| batch(local.collect()))??;
    let mac = far.visit(|| -> Result<String> {
        let mut socket = Socket::open(KERNEL)?;
        let mac = socket.link(UPLINK)?.mac.context("no hardware address")?;
        Ok(mac.to_string())
    })??;
    let known = addresses().map(|node| format!("neighbour add {node} lladdr {mac} dev {UPLINK}\n"));
    batch(known.collect())
}

/// Runs lines of `ip` in the calling thread's network.
fn batch(lines: String) -> Result<()> {
    let file = format!("{RUN}/batch");
    std::fs::write(&file, lines).with_context(|| format!("writing {file}"))?;
    ip(&format!("-batch {file}"))
}
