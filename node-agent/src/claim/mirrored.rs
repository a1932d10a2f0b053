//! podCIDR mode: a block for each podCIDR of the own Node.
//!
//! What is in another hand is waited for, never taken: that its owner is gone, or lists it no more,
//! is for a reflector to see, which then frees it. Nor is a block claimed that overlaps another one,
//! be it an own one from before: no address may be given out twice.

use super::{Situation, Step, Wanted, new};
use crate::objects::Node;
use crate::pools::Mirrored;
use gingham_model::{Block, PoolName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Adds what is to be claimed, and what stands in the way.
pub(super) fn want(
    situation: &Situation<'_>,
    (node, zone): (&Node, &Zone),
    mirrored: &Mirrored<'_>,
    wanted: &mut Wanted,
) {
    wanted.obstacles.extend(mirrored.refused());
    let families = node.families();
    let mut ways = Ways::of(situation);
    for cidr in mirrored.listed() {
        // Without an address of its family the node has no next hop for it.
        if !families.contains(&cidr.family()) {
            continue;
        }
        match ways.to(cidr) {
            Way::InHand => {}
            Way::Barred(by) => {
                let name = &node.name;
                let text = format!("podCIDR {cidr} of Node {name} {by}");
                wanted.obstacles.push(text);
            }
            Way::Free => {
                let block = new((cidr, &PoolName::node_pod_cidrs()), node, zone);
                ways.own.insert(cidr);
                wanted.steps.push(Step::Claim(block));
            }
        }
    }
}

/// Who has what already.
struct Ways<'a> {
    own: BTreeSet<Prefix>,
    others: BTreeMap<Prefix, &'a Block>,
    unread: BTreeSet<Prefix>,
}

enum Way {
    /// This node has it, or is about to.
    InHand,
    /// What is in the way, in words.
    Barred(String),
    Free,
}

impl<'a> Ways<'a> {
    fn of(situation: &'a Situation<'_>) -> Self {
        let Situation { me, cluster, .. } = *situation;
        let known = cluster.blocks().chain(situation.unlisted.blocks());
        let (own, others): (Vec<&Block>, _) = known.partition(|block| block.node == *me);
        let others = others.into_iter().map(|block| (block.cidr, block));
        Ways {
            own: own.into_iter().map(|block| block.cidr).collect(),
            others: others.collect(),
            unread: cluster.unread_blocks(),
        }
    }

    fn to(&self, cidr: Prefix) -> Way {
        if self.own.contains(&cidr) {
            return Way::InHand;
        }
        if let Some(block) = self.others.get(&cidr) {
            let Block { node, state, .. } = block;
            return Way::Barred(format!("is in the hands of node {node} ({state:?})"));
        }
        let met = |other: &&Prefix| other.overlaps(cidr);
        if let Some(other) = self.unread.iter().find(met) {
            return Way::Barred(format!(
                "overlaps Block {other}, of which no valid version is known"
            ));
        }
        if let Some(other) = self.own.iter().find(met) {
            return Way::Barred(format!("overlaps Block {other} of this node"));
        }
        let mut others = self.others.values();
        match others.find(|other| other.cidr.overlaps(cidr)) {
            Some(Block { cidr, node, .. }) => {
                Way::Barred(format!("overlaps Block {cidr} of node {node}"))
            }
            None => Way::Free,
        }
    }
}
