//! Which blocks may become routes: a Block object is what some node wrote, and is believed only as
//! far as it harms nobody. Pure.

use crate::config::RoutingConfig;
use crate::links::Links;
use gingham_model::{Block, NodeName, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A block no route is made for, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its addresses.
    pub block: Prefix,
    /// Its owner.
    pub node: NodeName,
    /// Why, with the values that matter.
    pub reason: String,
}

/// Where nodes live: pods of other nodes cannot.
#[derive(Clone, Copy, Debug)]
pub struct Nets<'a> {
    /// The subnets this node is connected to.
    pub links: &'a Links,
    /// The node subnets of every zone.
    pub config: &'a RoutingConfig,
}

/// Blocks, parted by what is to be done with them; each in the order of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screened<'a> {
    /// This node's own.
    pub own: Vec<&'a Block>,
    /// Those of other nodes.
    pub others: Vec<&'a Block>,
    /// Those no route is made for.
    pub skipped: Vec<Skipped>,
}

impl<'a> Screened<'a> {
    /// Parts `blocks` as node `me` sees them.
    ///
    /// Refused are blocks where no pod can live, that meet a subnet of nodes, or, if another
    /// node's, a block of this node. Of two other blocks that overlap, the wider is refused: so a
    /// block that swallows many leaves the many working.
    pub fn new(me: &NodeName, blocks: impl Iterator<Item = &'a Block>, nets: &Nets<'_>) -> Self {
        let mut screened = Screened::default();
        // By prefix, so that what a block covers comes right behind it.
        let blocks: BTreeMap<Prefix, &Block> = blocks.map(|block| (block.cidr, block)).collect();
        for block in blocks.values().copied() {
            let foreign = block.node != *me;
            match unfit(block.cidr, nets) {
                Some(reason) => screened.skip(block, reason),
                None if foreign => screened.others.push(block),
                None => screened.own.push(block),
            }
        }
        screened.skip_where(meets_own);
        screened.skip_where(covers_another);
        screened.skipped.sort_by_key(|skipped| skipped.block);
        screened
    }

    /// Notes why `block` gets no route.
    pub fn skip(&mut self, block: &Block, reason: String) {
        self.skipped.push(Skipped {
            block: block.cidr,
            node: block.node.clone(),
            reason,
        });
    }

    /// Skips those of the others for which `rule`, given the screen and a position, has a reason.
    fn skip_where(&mut self, rule: fn(&Self, usize) -> Option<String>) {
        let reasons: Vec<_> = (0..self.others.len()).map(|at| rule(self, at)).collect();
        let others = std::mem::take(&mut self.others);
        for (block, reason) in others.into_iter().zip(reasons) {
            match reason {
                Some(reason) => self.skip(block, reason),
                None => self.others.push(block),
            }
        }
    }
}

fn meets_own(screened: &Screened<'_>, at: usize) -> Option<String> {
    let block = screened.others[at];
    let mut own = screened.own.iter();
    let met = own.find(|own| own.cidr.overlaps(block.cidr))?;
    Some(format!("overlaps block {} of this node", met.cidr))
}

fn covers_another(screened: &Screened<'_>, at: usize) -> Option<String> {
    let block = screened.others[at];
    let next = screened.others.get(at + 1)?;
    let covers = block.cidr.covers(next.cidr);
    covers.then(|| format!("covers block {} of node {}", next.cidr, next.node))
}

fn unfit(cidr: Prefix, nets: &Nets<'_>) -> Option<String> {
    if let Some(reserved) = cidr.reserved() {
        return Some(format!("overlaps {reserved}, which pods cannot use"));
    }
    let mut connected = nets.links.connected().iter();
    if let Some((subnet, dev)) = connected.find(|(subnet, _)| subnet.overlaps(cidr)) {
        let dev = nets.links.name(*dev);
        return Some(format!("overlaps {subnet}, the subnet of interface {dev}"));
    }
    nets.config.zones.iter().find_map(|(zone, config)| {
        let mut subnets = config.node_cidrs.iter();
        let met = subnets.find(|subnet| subnet.overlaps(cidr))?;
        Some(format!("overlaps {met}, a node subnet of zone {zone}"))
    })
}
