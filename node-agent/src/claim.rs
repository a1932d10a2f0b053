//! Which blocks this node should claim or rewrite. Pure; the store carries it out.
//!
//! Where blocks come from ZonePools, one is carved whenever addresses run low; in podCIDR mode a
//! block is wanted for each podCIDR (`mirrored`), however full it is.

mod mirrored;

use crate::cluster::{Cluster, Complete};
use crate::objects::Node;
use crate::pools::{Mirrored, Pools};
use gingham_ipam::{NodeBlockState, Usage, carve};
use gingham_model::{Block, BlockState, Family, NodeName, PoolName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long an answer of the store counts while the list does not show it yet.
const UNLISTED: Duration = Duration::from_secs(10);

/// One thing to ask of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Rewrite a block of this node.
    Update(Block),
    /// Create this block.
    Claim(Block),
}

/// Blocks the store has told us of in answers, which its list does not show yet: so that one
/// shortage claims one block, and none is carved twice.
#[derive(Clone, Debug, Default)]
pub struct Unlisted(BTreeMap<Prefix, (Block, Instant)>);

impl Unlisted {
    /// Notes an answer.
    pub fn note(&mut self, block: Block, now: Instant) {
        self.0.insert(block.cidr, (block, now + UNLISTED));
    }

    /// Forgets what `cluster` shows by now, and what it should have shown.
    pub fn prune(&mut self, cluster: &Cluster, now: Instant) {
        let listed: BTreeSet<Prefix> = cluster.blocks().map(|block| block.cidr).collect();
        self.0
            .retain(|cidr, (_, until)| !listed.contains(cidr) && now < *until);
    }

    /// Whether there was an answer about this block that the list does not show yet.
    pub fn holds(&self, cidr: Prefix) -> bool {
        self.0.contains_key(&cidr)
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.0.values().map(|(block, _)| block)
    }
}

/// All a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// This node.
    pub me: &'a NodeName,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// Proof that all of it is known: a carve must not miss a block.
    pub complete: Complete,
    /// Answers not listed yet.
    pub unlisted: &'a Unlisted,
    /// What looks free and may be somebody's: it is not carved.
    pub reserved: &'a BTreeSet<Prefix>,
    /// How full this node's blocks are; empty where that is not known.
    pub usage: &'a BTreeMap<Family, Usage>,
}

/// What to ask of the store, and what ought to be asked but cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// To be carried out in this order.
    pub steps: Vec<Step>,
    /// What keeps the node from a block it needs, and no claim can end.
    pub obstacles: Vec<String>,
}

/// Decides.
pub fn wanted(situation: &Situation<'_>) -> Wanted {
    let Situation { me, cluster, .. } = *situation;
    // With `complete` at hand the identity is known.
    let Ok((node, zone)) = cluster.identity(me) else {
        return Wanted::default();
    };
    let own: Vec<&Block> = cluster.blocks().filter(|block| block.node == *me).collect();
    let pools = Pools::of(cluster, me);
    let updates = own
        .iter()
        .filter_map(|block| rewritten(block, (node, &zone), pools.mirrored()));
    let mut wanted = Wanted {
        steps: updates.map(Step::Update).collect(),
        obstacles: Vec::new(),
    };
    if let Some(mirrored) = pools.mirrored() {
        mirrored::want(situation, (node, &zone), mirrored, &mut wanted);
        return wanted;
    }
    for family in pools.families(node, &zone, &[]) {
        if !is_short(situation, &own, &pools, family) {
            continue;
        }
        match claim(situation, node, &zone, family) {
            Some(block) => wanted.steps.push(Step::Claim(block)),
            None => {
                let text = format!("no pool of zone {zone} has a free {family} block");
                wanted.obstacles.push(text);
            }
        }
    }
    wanted
}

/// The block as its present owner should have written it; `None` when it is so. Whatever uid it
/// carries: a Node that returns under its name takes its blocks back. One the Node lists as a podCIDR
/// mirrors that, wherever it came from: it is given out for as long as it is listed.
fn rewritten(
    block: &Block,
    (node, zone): (&Node, &Zone),
    mirrored: Option<&Mirrored<'_>>,
) -> Option<Block> {
    let mut wanted = block.clone();
    wanted.zone = zone.clone();
    wanted.node_uid.clone_from(&node.uid);
    // A kubelet that starts may have no addresses for a moment.
    if !node.internal_ips.is_empty() {
        wanted.node_ips.clone_from(&node.internal_ips);
    }
    if wanted.state == BlockState::Orphaned {
        wanted.state = BlockState::Active;
    }
    if mirrored.is_some_and(|mirrored| mirrored.lists(block.cidr)) {
        wanted.pool = PoolName::node_pod_cidrs();
        wanted.state = BlockState::Active;
    }
    (wanted != *block).then_some(wanted)
}

/// Whether the node needs another block of `family`: it has none that is Active, or at most a
/// quarter of the addresses of those it has is free. A claim that is on its way ends a shortage.
fn is_short(situation: &Situation<'_>, own: &[&Block], pools: &Pools<'_>, family: Family) -> bool {
    let mut coming = situation.unlisted.blocks();
    if coming.any(|block| block.node == *situation.me && block.cidr.family() == family) {
        return false;
    }
    let mut own = own.iter().filter(|block| block.cidr.family() == family);
    if !own.any(|block| pools.state(block) == NodeBlockState::Active) {
        return true;
    }
    let usage = situation.usage.get(&family);
    usage.is_some_and(|usage| usage.free <= usage.capacity / 4)
}

/// A free block of the zone's pools, tried in the order of names.
fn claim(situation: &Situation<'_>, node: &Node, zone: &Zone, family: Family) -> Option<Block> {
    let listed = situation.cluster.blocks();
    let known = listed
        .chain(situation.unlisted.blocks())
        .map(|block| block.cidr);
    let known = known.chain(situation.reserved.iter().copied());
    let taken: BTreeSet<Prefix> = known.chain(situation.cluster.unread_blocks()).collect();
    let pools = Pools::of(situation.cluster, situation.me).carved(zone);
    let carved = pools.into_iter().find_map(|pool| {
        let cidr = carve(pool, family, &taken, &node.name)?;
        Some((pool, cidr))
    });
    carved.map(|(pool, cidr)| new((cidr, &pool.name), node, zone))
}

/// A block as its owner creates it.
pub(crate) fn new((cidr, pool): (Prefix, &PoolName), node: &Node, zone: &Zone) -> Block {
    Block {
        cidr,
        pool: pool.clone(),
        zone: zone.clone(),
        node: node.name.clone(),
        node_uid: node.uid.clone(),
        node_ips: node.internal_ips.clone(),
        state: BlockState::Active,
    }
}
