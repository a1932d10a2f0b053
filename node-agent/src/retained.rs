//! Blocks this node gives addresses out of although the cluster does not say that they are its own:
//! what an older snapshot of the store leaves behind, or a hand that deletes too much. Pure.
//!
//! ```text
//!   node.json, leases ──┐             no object at all ──► missing: created again, kept meanwhile
//!   Blocks, all known ──┴─ not ours ──┤
//!                                     another node's ────► lost: gives out nothing any more
//! ```
//!
//! A block this node gave back is none of these: the plugin was told that it drains, and no address
//! of it is in use.

use crate::claim;
use crate::cluster::Cluster;
use crate::objects::Node;
use crate::pools::Pools;
use gingham_ipam::{NodeBlock, NodeBlockState, NodeState};
use gingham_model::{Block, BlockState, NodeName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// What the cluster does not say, and holds all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Own blocks that no object speaks of, as they are to be created again.
    pub missing: Vec<Block>,
    /// What the plugin was told of blocks that are another node's by their object, and whose.
    pub lost: BTreeMap<Prefix, (NodeBlock, NodeName)>,
}

/// All it depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// This node.
    pub me: &'a NodeName,
    /// The cluster; it must have said all it holds.
    pub cluster: &'a Cluster,
    /// What `node.json` says in this boot.
    pub told: &'a NodeState,
    /// Of its blocks those in which an address is a pod's, or rests.
    pub in_use: &'a BTreeSet<Prefix>,
    /// Blocks that a claim has shown to be another node's, before the list does.
    pub taken: &'a BTreeMap<Prefix, Block>,
}

impl Retained {
    /// Finds them.
    pub fn of(inputs: &Inputs<'_>) -> Self {
        let mut retained = Retained::default();
        let Ok((node, zone)) = inputs.cluster.synced(inputs.me) else {
            return retained;
        };
        let pools = Pools::of(inputs.cluster, inputs.me);
        let holds = |told: &&NodeBlock| {
            told.state == NodeBlockState::Active || inputs.in_use.contains(&told.cidr)
        };
        for told in suspects(inputs.cluster, inputs.me, inputs.told).filter(holds) {
            let mut listed = inputs.cluster.blocks();
            let listed = listed.find(|block| block.cidr == told.cidr);
            match listed.or_else(|| inputs.taken.get(&told.cidr)) {
                Some(theirs) => {
                    let lost = (told.clone(), theirs.node.clone());
                    retained.lost.insert(told.cidr, lost);
                }
                None if may_be_created(told, &pools) => {
                    retained.missing.push(again(told, node, &zone));
                }
                None => {}
            }
        }
        retained
    }

    /// Whether there is nothing of the kind.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.lost.is_empty()
    }

    /// What an operator ought to know: nothing the agent does can end it.
    pub fn notices(&self) -> impl Iterator<Item = String> {
        self.lost.iter().map(|(cidr, (_, node))| {
            format!(
                "block {cidr} is in the hands of node {node}, while addresses of it are in use on \
                 this node: its pods go on, and are not reached from elsewhere until they are \
                 deleted"
            )
        })
    }
}

/// Blocks of `node.json` that by the cluster are not this node's. An object that cannot be read may
/// say that it is.
pub fn suspects<'a>(
    cluster: &'a Cluster,
    me: &'a NodeName,
    told: &'a NodeState,
) -> impl Iterator<Item = &'a NodeBlock> {
    let cidrs: BTreeSet<Prefix> = told.blocks.iter().map(|block| block.cidr).collect();
    let own = cluster.blocks().filter(move |block| block.node == *me);
    let own = own
        .map(|block| block.cidr)
        .filter(|cidr| cidrs.contains(cidr));
    let known: BTreeSet<Prefix> = own.chain(cluster.unread_blocks()).collect();
    told.blocks
        .iter()
        .filter(move |block| !known.contains(&block.cidr))
}

/// A podCIDR that the own Node does not list may have been given to another one.
fn may_be_created(told: &NodeBlock, pools: &Pools<'_>) -> bool {
    let listed = || {
        pools
            .mirrored()
            .is_some_and(|mirrored| mirrored.lists(told.cidr))
    };
    !told.pool.is_node_pod_cidrs() || listed()
}

fn again(told: &NodeBlock, node: &Node, zone: &Zone) -> Block {
    Block {
        state: match told.state {
            NodeBlockState::Active => BlockState::Active,
            NodeBlockState::Draining => BlockState::Draining,
        },
        ..claim::new((told.cidr, &told.pool), node, zone)
    }
}
