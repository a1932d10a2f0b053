//! The only thing an event can do: mark the agent dirty, with a cause for the log.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Why the agent looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It has just started.
    Start,
    /// The cluster's objects changed.
    Cluster,
    /// Addresses were given out or given back.
    Leases,
    /// Something else changed in the run directory.
    RunDir,
    /// Time for a look at everything.
    Timer,
    /// Something failed before.
    Retry,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Cause::Start => "start",
            Cause::Cluster => "cluster",
            Cause::Leases => "leases",
            Cause::RunDir => "run-dir",
            Cause::Timer => "timer",
            Cause::Retry => "retry",
        })
    }
}

/// A mark that any number of event sources can set and the loop takes away.
#[derive(Clone, Debug, Default)]
pub struct Dirty {
    shared: Arc<(Mutex<BTreeSet<Cause>>, Notify)>,
}

impl Dirty {
    /// Sets the mark.
    pub fn mark(&self, cause: Cause) {
        self.causes().insert(cause);
        self.shared.1.notify_one();
    }

    /// Waits for a mark that is newer than the last wait.
    pub async fn marked(&self) {
        self.shared.1.notified().await;
    }

    /// Takes the mark away.
    pub fn take(&self) -> BTreeSet<Cause> {
        std::mem::take(&mut *self.causes())
    }

    fn causes(&self) -> std::sync::MutexGuard<'_, BTreeSet<Cause>> {
        // A set has no broken state a panic could leave behind.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
