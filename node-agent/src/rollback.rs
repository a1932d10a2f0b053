//! Whether the store may have been set back to an older state. Pure: time is an argument.
//!
//! A block that is given back drains first, and one that is freed was orphaned before. So one that
//! was Active and is gone tells that a snapshot was restored, that a hand deleted it, or that its
//! owner has moved to another zone. Its owner may create it again as soon as it hears of this, which
//! is not when we do. So nobody carves what is gone for as long as a block stays its owner's, and
//! for a moment nobody carves at all: others may miss blocks that we have never seen.

use crate::cluster::Cluster;
use gingham_model::{Block, BlockState, NodeName, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long nobody carves, and by how much at most longer.
const AT_LEAST: Duration = Duration::from_secs(10);
const JITTER: Duration = Duration::from_secs(20);

/// What was noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
    /// The cluster when all of it was known last. While it is not, its parts may be of different
    /// times: what is compared must not be.
    whole: Option<Arc<Cluster>>,
    until: Option<Instant>,
    /// What is gone, and until when it is its owner's.
    gone: BTreeMap<Prefix, Instant>,
}

impl Rollback {
    /// By an agent that remembers this much of the one before.
    pub fn after(remembered: Arc<Cluster>) -> Self {
        Rollback {
            whole: Some(remembered),
            ..Rollback::default()
        }
    }

    /// The cluster is so now. `random` is any number: with it the nodes of a cluster drift apart.
    /// Says whether something was noticed now.
    pub fn observe(
        &mut self,
        cluster: &Arc<Cluster>,
        me: &NodeName,
        (now, random): (Instant, u64),
    ) -> bool {
        self.gone.retain(|_, until| now < *until);
        if cluster.complete(me).is_err() {
            return false;
        }
        let before = self.whole.replace(Arc::clone(cluster));
        if before
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, cluster))
        {
            return false;
        }
        let there: BTreeSet<Prefix> = cluster.blocks().map(|block| block.cidr).collect();
        self.gone.retain(|cidr, _| !there.contains(cidr));
        let lost = before.map_or_else(Vec::new, |before| lost(&before, cluster, &there, me));
        let stays = now + cluster.config().block_release_delay;
        self.gone.extend(lost.iter().map(|cidr| (*cidr, stays)));
        let noticed = !lost.is_empty() && !self.holds(now);
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

    /// What may not be carved, since its owner may create it again.
    pub fn gone(&self) -> impl Iterator<Item = Prefix> {
        self.gone.keys().copied()
    }

    /// When something may be again.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }
}

/// The Active blocks of this node's zone that are gone. What was known in another zone tells nothing:
/// it may not be told of any more.
fn lost(before: &Cluster, after: &Cluster, there: &BTreeSet<Prefix>, me: &NodeName) -> Vec<Prefix> {
    let zone = |cluster: &Cluster| cluster.identity(me).map(|(_, zone)| zone).ok();
    let Some(here) = zone(after).filter(|here| zone(before).as_ref() == Some(here)) else {
        return Vec::new();
    };
    let unread = after.unread_blocks();
    let is_lost = |block: &&Block| {
        block.zone == here
            && block.state == BlockState::Active
            && !there.contains(&block.cidr)
            && !unread.contains(&block.cidr)
    };
    let lost = before.blocks().filter(is_lost);
    lost.map(|block| block.cidr).collect()
}
