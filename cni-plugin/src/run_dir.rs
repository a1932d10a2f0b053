//! What the plugin reads and writes in the run directory.

use crate::failure;
use crate::log::Log;
use crate::witness::Kernel;
use gingham_cni::{Code, Conf, Error};
use gingham_ipam::{BootId, LeaseError, LeaseKey, LeaseStore, Leases, NodeState, StoreError};
use nix::time::{ClockId, clock_gettime};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long another plugin process may hold the lease store's lock before we give up. It is held
/// for a fraction of a millisecond, so this outlasts thousands of them.
pub(crate) const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// This boot of this node, as the plugin sees it.
pub(crate) struct RunDir {
    pub(crate) boot: BootId,
    pub(crate) leases: LeaseStore,
    dir: PathBuf,
}

impl RunDir {
    pub(crate) fn of(conf: &Conf) -> Result<Self, Error> {
        let boot = BootId::of_this_boot().map_err(failure::file(Code::Io))?;
        Ok(RunDir {
            boot,
            leases: LeaseStore::new(&conf.run_dir),
            dir: conf.run_dir.clone(),
        })
    }

    /// Changes the leases under their lock. Damaged ones are repaired first, which the log is told.
    pub(crate) fn update<T, E: From<StoreError>>(
        &self,
        log: &Log<'_>,
        change: impl FnOnce(&mut Leases) -> Result<T, E>,
    ) -> Result<T, E> {
        let witness = Kernel::new(log);
        (self.leases).update(&self.boot, LOCK_DEADLINE, &witness, change)
    }

    /// The Intent of `key` becomes Held.
    pub(crate) fn confirm(
        &self,
        log: &Log<'_>,
        key: &LeaseKey,
        now: u64,
    ) -> Result<(), LeaseError> {
        let witness = Kernel::new(log);
        (self.leases).confirm(&self.boot, LOCK_DEADLINE, &witness, (key, now))
    }

    /// The lease of `key`, or one recovered with its host end, goes to rest.
    pub(crate) fn release(
        &self,
        log: &Log<'_>,
        (key, host_if): (&LeaseKey, &str),
        now: u64,
    ) -> Result<(), StoreError> {
        let witness = Kernel::new(log);
        (self.leases).release(&self.boot, LOCK_DEADLINE, &witness, (key, host_if, now))
    }

    /// The leases, repaired where they are damaged, and whether an ADD was at work when they were
    /// read. `None` when there is no run directory.
    pub(crate) fn snapshot(&self, log: &Log<'_>) -> Result<Option<(Leases, Adds)>, Error> {
        match self.update(log, |_| Ok(())) {
            Ok(()) => {}
            Err(StoreError::NoRunDir(_)) => return Ok(None),
            Err(error) => return Err(failure::store(error)),
        }
        let alone = open_adds(&self.dir).filter(|lock| lock.try_lock().is_ok());
        let adds = match alone {
            Some(_) => Adds::None,
            None => Adds::Some,
        };
        let leases = self
            .leases
            .read(&self.boot)
            .map_err(failure::file(Code::Io))?;
        drop(alone);
        Ok(Some((leases, adds)))
    }

    /// `node.json`, fit for an ADD. `absent` is the code for one that is not there, or is of
    /// another boot, or gives nothing: the agent may still write it.
    pub(crate) fn node_state(&self, conf: &Conf, absent: Code) -> Result<NodeState, Error> {
        let path = conf.run_dir.join("node.json");
        let state = NodeState::read(&path).map_err(|error| {
            if error.is_missing() {
                failure::file(absent)(error).with_details("gingham-agent has not written it yet")
            } else {
                failure::file(Code::Decode)(error)
            }
        })?;
        match state.usable(&self.boot) {
            Ok(()) => Ok(state),
            Err(why) => Err(Error::new(absent, format!("{}: {why}", path.display()))),
        }
    }
}

/// Whether an ADD may be at work on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adds {
    /// None was: every Intent seen then is of one that was killed.
    None,
    /// One was, or may have been.
    Some,
}

/// An ADD at work, for as long as this lives. The kernel ends it with the process.
///
/// It is a shared lock on `adds.lock`, which only GC ever asks for alone, for the moment in which it
/// reads the leases. Without it, for whatever reason, an ADD goes on: GC then takes away its Intent at
/// worst, and it fails and is undone.
pub(crate) struct AddAtWork {
    _lock: Option<File>,
}

/// How long an ADD waits for a GC that reads the leases.
const GC_READS: Duration = Duration::from_millis(100);

impl AddAtWork {
    pub(crate) fn in_dir(run_dir: &Path) -> Self {
        let locked = |lock: File| {
            let started = Instant::now();
            while lock.try_lock_shared().is_err() {
                if started.elapsed() > GC_READS {
                    return None;
                }
                thread::sleep(Duration::from_millis(1));
            }
            Some(lock)
        };
        AddAtWork {
            _lock: open_adds(run_dir).and_then(locked),
        }
    }
}

/// A file of its own: the run directory itself is what a running agent has locked.
fn open_adds(run_dir: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(run_dir.join("adds.lock")).ok()
}

/// Seconds since boot (`CLOCK_BOOTTIME`): runs on through suspend and knows no clock changes.
pub(crate) fn now() -> Result<u64, Error> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|errno| Error::new(Code::Internal, format!("clock_gettime: {errno}")))?;
    Ok(u64::try_from(time.tv_sec()).unwrap_or_default())
}
