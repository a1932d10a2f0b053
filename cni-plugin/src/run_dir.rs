//! What the plugin reads and writes in the run directory.

use crate::failure;
use gingham_cni::{Code, Conf, Error};
use gingham_ipam::{BootId, LeaseStore, NodeState};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How long another plugin process may hold the lease store's lock before we give up. It is held
/// for a fraction of a millisecond, so this outlasts thousands of them.
pub(crate) const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// This boot of this node, as the plugin sees it.
pub(crate) struct RunDir {
    pub(crate) boot: BootId,
    pub(crate) leases: LeaseStore,
}

impl RunDir {
    pub(crate) fn of(conf: &Conf) -> Result<Self, Error> {
        let boot = BootId::of_this_boot().map_err(failure::file(Code::Io))?;
        Ok(RunDir {
            boot,
            leases: LeaseStore::new(&conf.run_dir),
        })
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

/// Seconds since boot (`CLOCK_BOOTTIME`): runs on through suspend and knows no clock changes.
pub(crate) fn now() -> Result<u64, Error> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|errno| Error::new(Code::Internal, format!("clock_gettime: {errno}")))?;
    Ok(u64::try_from(time.tv_sec()).unwrap_or_default())
}
