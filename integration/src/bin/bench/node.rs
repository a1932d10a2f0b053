//! A node for one rival: its network, its folder, and the pods on it.

use crate::call::{Verb, call, gc};
use crate::rival::{Families, Rival};
use anyhow::{Context, Result};
use gingham_netlink::{Netns, sysctl};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Pods of which a rival that looks for duplicate addresses waits for each.
pub(crate) const WAITING: u8 = 3;

/// How many calls run at a time where it is not measured.
const FILLERS: usize = 10;

/// Of our plugin, in its folder.
const LEASES: &str = "leases.json";

/// How many pods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// That the node has.
    pub(crate) standing: u8,
    /// That come and go.
    pub(crate) burst: u8,
}

pub(crate) struct Node {
    pub(crate) rival: Rival,
    pub(crate) program: PathBuf,
    pub(crate) conf: String,
    pub(crate) families: Families,
    host: Netns,
    /// tmpfs, as on a real node.
    folder: TempDir,
    /// The folder, locked as a running agent locks its run directory.
    _agent: File,
    pub(crate) standing: Vec<Pod>,
    pub(crate) coming: Vec<Pod>,
    /// In these the kernel looks for duplicates of IPv6 addresses, as it does everywhere by default.
    pub(crate) waiting: Vec<Pod>,
}

/// A pod to be: its network, and a number that no other of the node has.
pub(crate) struct Pod {
    pub(crate) number: u8,
    netns: Netns,
}

impl Node {
    pub(crate) fn new(
        rival: Rival,
        program: PathBuf,
        families: Families,
        numbers: Numbers,
    ) -> Result<Self> {
        let folder = tempfile::tempdir_in("/dev/shm")?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let state = families.node_state(boot.trim()).to_string();
        fs::write(folder.path().join("node.json"), state)?;
        if rival == Rival::Floor {
            fs::write(folder.path().join(LEASES), "")?;
        }
        let agent = File::open(folder.path())?;
        agent.lock()?;
        let all = numbers.standing + numbers.burst;
        let pods = |from: u8, to: u8| (from..to).map(Pod::new).collect::<Result<Vec<_>>>();
        let without_waiting = |pods: Vec<Pod>| -> Result<Vec<Pod>> {
            pods.iter().try_for_each(Pod::use_addresses_at_once)?;
            Ok(pods)
        };
        Ok(Node {
            rival,
            program,
            conf: rival.conf(families, folder.path()).to_string(),
            families,
            host: Netns::create()?,
            folder,
            _agent: agent,
            standing: without_waiting(pods(0, numbers.standing)?)?,
            coming: without_waiting(pods(numbers.standing, all)?)?,
            waiting: pods(all, all + WAITING)?,
        })
    }

    /// Attaches pods that are to stand, by the rival itself.
    pub(crate) fn fill(&self, pods: &[Pod]) -> Result<()> {
        self.burst(Verb::Add, pods, FILLERS).map(drop)
    }

    /// What the floor is told beyond a plugin's environment.
    pub(crate) fn arguments(&self, pod: &Pod) -> Vec<String> {
        match self.rival {
            Rival::Floor => vec![
                self.folder.path().display().to_string(),
                self.families.to_string(),
                pod.number.to_string(),
            ],
            _ => Vec::new(),
        }
    }

    /// Where our plugin keeps its leases, and the floor bytes of as many.
    pub(crate) fn leases(&self) -> PathBuf {
        self.folder.path().join(LEASES)
    }

    /// One call.
    pub(crate) fn one(&self, verb: Verb, pod: &Pod) -> Result<Duration> {
        self.host.visit(|| call(self, verb, pod))?
    }

    /// A GC after which only `valid` are left.
    pub(crate) fn gc(&self, valid: &[Pod]) -> Result<Duration> {
        self.host.visit(|| gc(self, valid))?
    }

    /// One call for each pod, some at a time; how long each took.
    pub(crate) fn burst(
        &self,
        verb: Verb,
        pods: &[Pod],
        at_a_time: usize,
    ) -> Result<Vec<Duration>> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<Duration>> {
            let mut walls = Vec::new();
            while let Some(pod) = pods.get(next.fetch_add(1, Ordering::Relaxed)) {
                walls.push(call(self, verb, pod)?);
            }
            Ok(walls)
        };
        let all = || {
            thread::scope(|scope| {
                let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
                let done = workers.into_iter().map(|worker| worker.join());
                done.collect::<Result<Vec<_>, _>>()
            })
        };
        let Ok(walls) = self.host.visit(all)? else {
            anyhow::bail!("a thread of the bench panicked");
        };
        Ok(walls.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }
}

impl Pod {
    fn new(number: u8) -> Result<Self> {
        let netns = Netns::create()?;
        Ok(Pod { number, netns })
    }

    /// `CNI_CONTAINERID`.
    pub(crate) fn id(&self) -> String {
        format!("c{}", self.number)
    }

    /// `CNI_NETNS`.
    pub(crate) fn path(&self) -> String {
        let fd = self.netns.as_fd().as_raw_fd();
        format!("/proc/{}/fd/{fd}", std::process::id())
    }

    fn use_addresses_at_once(&self) -> Result<()> {
        let set = || {
            let everywhere = ["all", "default"];
            let mut settings = everywhere
                .map(|of| format!("net/ipv6/conf/{of}/accept_dad"))
                .into_iter();
            settings.try_for_each(|setting| sysctl::set(&setting, "0").map(drop))
        };
        self.netns.visit(set)?.context("IPv6 settings of a pod")
    }
}
