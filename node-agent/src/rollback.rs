//! Whether the store may have been set back to an older state. Pure: time is an argument.
//!
//! A block that is given back drains first, and one that is freed was orphaned before. So one that
//! was Active and is gone tells that a snapshot was restored, or that a hand deleted it. Then every
//! node creates again what it holds, and nobody carves until there was time for that: what looks
//! free may be in use.

use crate::cluster::Cluster;
use gingham_model::{BlockState, NodeName, Prefix};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long nobody carves, and by how much at most longer.
const AT_LEAST: Duration = Duration::from_secs(10);
const JITTER: Duration = Duration::from_secs(20);

/// What was noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
    until: Option<Instant>,
}

impl Rollback {
    /// The cluster was so `before`, and is so `after`. `random` is any number: with it the nodes of a
    /// cluster drift apart. Says whether this was noticed now.
    pub fn compare(
        &mut self,
        (before, after): (&Cluster, &Cluster),
        me: &NodeName,
        (now, random): (Instant, u64),
    ) -> bool {
        let noticed = !self.holds(now) && has_lost(before, after, me);
        if noticed {
            let span = JITTER.as_millis() as u64;
            self.until = Some(now + AT_LEAST + Duration::from_millis(random % span));
        }
        noticed
    }

    /// Whether nothing may be carved yet.
    pub fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When something may be again.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }
}

/// Whether an Active block of this node's zone is gone. What was known in another zone tells nothing:
/// it may not be told of any more.
fn has_lost(before: &Cluster, after: &Cluster, me: &NodeName) -> bool {
    let (Ok(_), Ok((_, zone))) = (after.complete(me), after.identity(me)) else {
        return false;
    };
    if before.identity(me).map(|(_, before)| before) != Ok(zone.clone()) {
        return false;
    }
    let there: BTreeSet<Prefix> = after.blocks().map(|block| block.cidr).collect();
    let unread = after.unread_blocks();
    let mut active = before
        .blocks()
        .filter(|block| block.zone == zone && block.state == BlockState::Active);
    active.any(|block| !there.contains(&block.cidr) && !unread.contains(&block.cidr))
}
