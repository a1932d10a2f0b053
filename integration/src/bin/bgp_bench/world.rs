//! A world of the bench's own: mounts that cover what daemons write to, a network in which thousands
//! of addresses are local, and a processor of its own for the injector.

use crate::size::RANGE;
use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use std::fs;
use std::process::Command;

/// Where the settings of all daemons are, and their sockets.
pub(crate) const RUN: &str = "/run/bgp-bench";
/// The home of OpenBGPD's user, to which its processes confine themselves.
const OPENBGPD: &str = "/run/openbgpd";
/// The processor the injector stays on, if there is one beside it.
const INJECTOR: usize = 1;

/// Mounts and a network for this process and all it starts. Both sides of each session need a file
/// descriptor, though not in one process.
pub(crate) fn enter() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("RLIMIT_NOFILE")?;
    let children = "/proc/thread-self/children";
    fs::read(children).with_context(|| format!("{children}: needs CONFIG_PROC_CHILDREN"))?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let tmpfs = Some("tmpfs");
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

fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip").args(line.split(' ')).output();
    let output = output.context("starting ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {line}: {}", said.trim());
    Ok(())
}

/// Where the calling thread and what it starts may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Daemons may use all processors; the injector stays on one, so that two threads that are busy
    /// do not chase each other, and a rival with many threads has as many processors as there are.
    Pinned,
    /// As the kernel sees fit.
    Free,
}

impl Placement {
    /// Starts something that may run everywhere; the thread itself goes back to its place.
    pub(crate) fn start<T>(self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        let Placement::Pinned = self else {
            return start();
        };
        let own = Pid::from_raw(0);
        let all = sched_getaffinity(Pid::from_raw(std::process::id().try_into()?))?;
        sched_setaffinity(own, &all)?;
        let started = start()?;
        if all.is_set(INJECTOR)? {
            let mut one = CpuSet::new();
            one.set(INJECTOR)?;
            sched_setaffinity(own, &one)?;
        }
        Ok(started)
    }
}
