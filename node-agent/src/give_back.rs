//! Which blocks this node should give back. Pure; the store carries it out.
//!
//! ```text
//!   Active ──one too many, empty──► Draining ──empty, and the plugin told──► gone from the store
//!             its pool's CIDR drains ──┘
//! ```
//!
//! A block that goes may belong to another node at once. That is safe because, one after another:
//!
//! 1. `node.json` has said Draining for [`TOLD`]. A plugin that read it before has reserved by now,
//!    or given up: it waits at most 10 s for the lock of the leases. So leases of the block only
//!    end from here on.
//! 2. None is left and no address of one rests, for as long as the configuration asks, and once
//!    more under that lock, where a plugin that was stopped in the middle would show. What has
//!    rested was free to be given again anyway.
//! 3. The Block object is deleted, if it is still ours and Draining. Until the next plan
//!    `node.json` keeps an entry that gives nothing out, and the sink answers what still comes.
//! 4. The next plan drops both; other nodes drop their routes, or turn them to the next owner.
//!
//! A block that gives nothing out is given back even where the node has no other one. An Active one
//! is drained only while at least half of what remains is free. [`crate::claim`] wants a quarter, so
//! a node whose pods stay the same never claims again what it gave back.

use crate::cluster::{Cluster, Complete};
use crate::pools::Pools;
use gingham_ipam::{NodeBlock, NodeBlockState, NodeState, Usage, capacity};
use gingham_model::{Block, BlockState, Family, NodeName, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the plugin must have been told that a block gives nothing out any more.
pub const TOLD: Duration = Duration::from_secs(30);

/// How long the list may lag behind what was asked of the store.
const UNLISTED: Duration = Duration::from_secs(10);

/// One thing to ask of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GiveBack {
    /// Rewrite a block of this node: it is Draining from now on.
    Drain(Block),
    /// Delete the object of this Draining block.
    Release(Block),
}

impl GiveBack {
    /// The block, as it is to be or as it was last.
    pub fn block(&self) -> &Block {
        match self {
            GiveBack::Drain(block) | GiveBack::Release(block) => block,
        }
    }

    /// Why, for the log. `cluster` is the one it was decided by.
    pub fn cause(&self, cluster: &Cluster) -> &'static str {
        match self {
            GiveBack::Drain(block) => Pools::of(cluster, &block.node)
                .drains(block)
                .unwrap_or("it is empty and the others suffice"),
            GiveBack::Release(_) => "it drains and is empty",
        }
    }
}

/// What is known of this node's blocks beyond the cluster's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What `node.json` says.
    pub told: NodeState,
    /// How full the Active blocks are.
    pub usage: BTreeMap<Family, Usage>,
    /// The blocks in which an address is a pod's, or rests.
    pub in_use: BTreeSet<Prefix>,
}

/// Since when blocks have been what giving them back waits for.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    empty: BTreeMap<Prefix, Instant>,
    draining: BTreeMap<Prefix, Instant>,
    asked: BTreeMap<Family, (GiveBack, Instant)>,
}

impl Waiting {
    /// Takes note of how things stand. Where that is not known all waiting starts over.
    pub fn observe(&mut self, holding: Option<&Holding>, now: Instant) {
        let blocks = || holding.into_iter().flat_map(|holding| &holding.told.blocks);
        let used = |block: &NodeBlock| holding.is_some_and(|h| h.in_use.contains(&block.cidr));
        let empty = blocks().filter(|block| !used(block));
        keep(&mut self.empty, empty, now);
        let draining = blocks().filter(|block| block.state == NodeBlockState::Draining);
        keep(&mut self.draining, draining, now);
    }

    /// Notes what the store was asked for.
    pub fn asked(&mut self, step: GiveBack, now: Instant) {
        let family = step.block().cidr.family();
        self.asked.insert(family, (step, now + UNLISTED));
    }

    /// Whether something of `family` was asked for that the list does not show yet.
    fn is_asked(&self, family: Family, cluster: &Cluster, now: Instant) -> bool {
        let Some((step, until)) = self.asked.get(&family) else {
            return false;
        };
        let outstanding = |listed: &Block| match step {
            GiveBack::Drain(block) => {
                listed.cidr == block.cidr && listed.state != BlockState::Draining
            }
            GiveBack::Release(block) => listed == block,
        };
        now < *until && cluster.blocks().any(outstanding)
    }

    fn is_empty_for(&self, cidr: Prefix, least: Duration, now: Instant) -> bool {
        has_lasted(&self.empty, cidr, least, now)
    }

    fn is_told(&self, cidr: Prefix, now: Instant) -> bool {
        has_lasted(&self.draining, cidr, TOLD, now)
    }
}

/// Keeps the times of those present, and starts those of new ones.
fn keep<'a>(
    since: &mut BTreeMap<Prefix, Instant>,
    present: impl Iterator<Item = &'a NodeBlock>,
    now: Instant,
) {
    let before = std::mem::take(since);
    let time = |cidr| before.get(&cidr).copied().unwrap_or(now);
    since.extend(present.map(|block| (block.cidr, time(block.cidr))));
}

fn has_lasted(
    since: &BTreeMap<Prefix, Instant>,
    cidr: Prefix,
    least: Duration,
    now: Instant,
) -> bool {
    let start = since.get(&cidr);
    start.is_some_and(|start| now.saturating_duration_since(*start) >= least)
}

/// All a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// This node.
    pub me: &'a NodeName,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// Proof that all of it is known, the settings too.
    pub complete: Complete,
    /// How this node's blocks stand.
    pub holding: &'a Holding,
    /// Since when.
    pub waiting: &'a Waiting,
    /// The present.
    pub now: Instant,
}

/// Decides: at most one thing for each family at a time, and nothing while all removal is paused.
pub fn give_back(situation: &Situation<'_>) -> Vec<GiveBack> {
    let Situation {
        me,
        cluster,
        waiting,
        now,
        ..
    } = *situation;
    if cluster.config().paused {
        return Vec::new();
    }
    // With `complete` at hand the identity is known.
    let Ok((node, _)) = cluster.identity(me) else {
        return Vec::new();
    };
    // Until a block taken over carries our uid, it is not confirmed to be ours.
    let own = |block: &&Block| block.node == *me && block.node_uid == node.uid;
    let own: BTreeMap<Prefix, &Block> = cluster
        .blocks()
        .filter(own)
        .map(|block| (block.cidr, block))
        .collect();
    let settled = |family: &Family| !waiting.is_asked(*family, cluster, now);
    let steps = Family::ALL
        .into_iter()
        .filter(settled)
        .filter_map(|family| {
            let of_family = own.iter().filter(|(cidr, _)| cidr.family() == family);
            let own: Vec<&Block> = of_family.map(|(_, block)| *block).collect();
            drained(situation, &own).or_else(|| extra(situation, &own).map(GiveBack::Drain))
        });
    steps.collect()
}

/// The next step with the first block that has emptied itself. One that drains by its pool's CIDR,
/// or because nothing lists it any more, is rewritten as Draining first: until then the operator
/// can take the drain back.
fn drained(situation: &Situation<'_>, own: &[&Block]) -> Option<GiveBack> {
    let pools = Pools::of(situation.cluster, situation.me);
    let drains = |block: &&Block| pools.state(block) == NodeBlockState::Draining;
    let ready = |block: &&Block| situation.waiting.is_told(block.cidr, situation.now);
    let mut blocks = own.iter().copied().filter(drains).filter(ready);
    let block = blocks.find(|block| is_empty(situation, block))?;
    Some(match block.state {
        BlockState::Draining => GiveBack::Release(block.clone()),
        BlockState::Active | BlockState::Orphaned => GiveBack::Drain(draining(block)),
    })
}

/// An Active block the node can do without. Blocks are used up in the order of their prefixes, so
/// of several the last one is taken, which would be needed last. A podCIDR is the node's for as long
/// as its Node lists it.
fn extra(situation: &Situation<'_>, own: &[&Block]) -> Option<Block> {
    if situation.cluster.pod_cidrs().is_some() {
        return None;
    }
    let told = &situation.holding.told;
    let gives = |block: &&Block| {
        let mut told = told.blocks.iter();
        let told = told.find(|told| told.cidr == block.cidr);
        told.is_some_and(|told| told.state == NodeBlockState::Active)
            && block.state == BlockState::Active
    };
    let active: Vec<&Block> = own.iter().copied().filter(gives).collect();
    let usage = situation
        .holding
        .usage
        .get(&active.first()?.cidr.family())?;
    let taken = usage.held.saturating_add(usage.resting);
    let half_is_free = |block: &Block| {
        let others = active.iter().filter(|other| other.cidr != block.cidr);
        let rest = others
            .map(|other| capacity(other.cidr))
            .fold(0, u64::saturating_add);
        rest > 0 && taken <= rest / 2
    };
    let mut extra = active.iter().rev().filter(|block| half_is_free(block));
    extra
        .find(|block| is_empty(situation, block))
        .map(|block| draining(block))
}

fn is_empty(situation: &Situation<'_>, block: &Block) -> bool {
    let Situation { waiting, now, .. } = *situation;
    let least = situation.cluster.config().empty_block;
    !situation.holding.in_use.contains(&block.cidr) && waiting.is_empty_for(block.cidr, least, now)
}

fn draining(block: &Block) -> Block {
    Block {
        state: BlockState::Draining,
        ..block.clone()
    }
}
