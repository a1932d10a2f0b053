//! The outcome for whoever installs routes: for each prefix that changed, where to send its packets.

use crate::rib::{Path, Provenance, Selection};
use gingham_model::Prefix;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Prefixes from outside the zone whose next hops changed since they were last asked for; empty next hops
/// for one that is gone, or whose best path is not from outside. A prefix that changed often is in here
/// once, so that a slow reader costs no memory.
pub type Changes = BTreeMap<Prefix, Vec<IpAddr>>;

/// The reading end.
#[derive(Debug)]
pub struct Learned(Arc<Pending>);

/// The writing end.
#[derive(Debug)]
pub(super) struct Shared(Arc<Pending>);

#[derive(Debug, Default)]
struct Pending {
    changes: Mutex<Changes>,
    arrived: Notify,
}

/// Both ends.
pub(super) fn channel() -> (Shared, Learned) {
    let pending = Arc::new(Pending::default());
    (Shared(Arc::clone(&pending)), Learned(pending))
}

impl Learned {
    /// Takes all changes there are.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut *lock(&self.0))
    }

    /// Waits for changes and takes them all. May be dropped before it is ready; nothing is lost.
    pub async fn next(&self) -> Changes {
        loop {
            let arrived = self.0.arrived.notified();
            let changes = self.take();
            if !changes.is_empty() {
                return changes;
            }
            arrived.await;
        }
    }
}

impl Shared {
    /// These prefixes were decided anew. Nothing is learned where the best path is our own or a node's of
    /// the zone.
    pub(super) fn changed(&self, decided: &[(Prefix, Selection)]) {
        // Nobody reads along: nothing is kept.
        if decided.is_empty() || Arc::strong_count(&self.0) == 1 {
            return;
        }
        let mut changes = lock(&self.0);
        for (prefix, selection) in decided {
            let outside = |path: &&Path| path.provenance == Provenance::Outside;
            let learned = selection.best().is_some_and(|best| outside(&best));
            let paths = selection
                .multipath()
                .filter(|path| learned && outside(path));
            let next_hops = paths.map(|path| path.attributes().next_hop).collect();
            changes.insert(*prefix, next_hops);
        }
        drop(changes);
        self.0.arrived.notify_one();
    }
}

/// A writer that panicked left a map that is still whole.
fn lock(pending: &Pending) -> MutexGuard<'_, Changes> {
    pending
        .changes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
