//! Where those who measure run, and those who are measured.

use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The processor the measuring thread stays on, if there is one beside it.
const MEASURING: usize = 1;

/// Where the calling thread and what it starts may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Children may use all processors; the thread that measures stays on one, so that two threads
    /// that are busy do not chase each other, and a child with many threads has as many processors as
    /// there are.
    Pinned,
    /// As the kernel sees fit.
    Free,
}

impl Placement {
    /// Starts something that may run everywhere; the thread itself goes back to its place.
    ///
    /// # Errors
    /// The kernel does not let it move; whatever `start` says.
    pub fn start<T>(self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        let Placement::Pinned = self else {
            return start();
        };
        let own = Pid::from_raw(0);
        let all = sched_getaffinity(Pid::from_raw(std::process::id().try_into()?))?;
        sched_setaffinity(own, &all)?;
        let started = start()?;
        if all.is_set(MEASURING)? {
            let mut one = CpuSet::new();
            one.set(MEASURING)?;
            sched_setaffinity(own, &one)?;
        }
        Ok(started)
    }
}
