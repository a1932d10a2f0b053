//! Which blocks may become routes: a Block object is what some node wrote, and is believed only as
//! far as it harms nobody. Pure.

use crate::config::RoutingConfig;
use crate::links::Links;
use gingham_model::{Block, BlockState, NodeName, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

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

/// An address that several other nodes call theirs. Which of them has it cannot be told from here,
/// but every node of the zone believes the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// The next hop.
    pub address: IpAddr,
    /// Whose blocks are reached by it.
    pub winner: NodeName,
    /// Whose are not.
    pub losers: BTreeSet<NodeName>,
}

impl fmt::Display for Dispute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.losers.iter().map(NodeName::as_str).collect();
        names.push(self.winner.as_str());
        names.sort_unstable();
        let last = names.pop().unwrap_or_default();
        let Dispute {
            address, winner, ..
        } = self;
        let names = names.join(", ");
        write!(
            f,
            "address {address} is claimed by nodes {names} and {last}; {winner} is believed"
        )
    }
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
    /// Addresses of several nodes, in their order.
    pub disputes: Vec<Dispute>,
}

impl<'a> Screened<'a> {
    /// Parts `blocks` as node `me` sees them.
    ///
    /// Refused are blocks where no pod can live, that meet a subnet of nodes, or, if another
    /// node's, a block of this node. Of two other blocks that overlap, the wider is refused: so a
    /// block that swallows many leaves the many working. Of several nodes that name the same next
    /// hop one is believed: one that has not been orphaned, then the smallest uid.
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
        screened.disputes = disputes(&screened.others, nets.links);
        screened.skip_where(loses_its_next_hop);
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

/// What is skipped for another reason disputes nothing, nor does a next hop nobody can use.
fn disputes(others: &[&Block], links: &Links) -> Vec<Dispute> {
    let mut claims: BTreeMap<IpAddr, BTreeSet<_>> = BTreeMap::new();
    for block in others {
        let via = block.next_hop();
        if let Some(via) = via.filter(|via| links.towards(*via).is_ok()) {
            let orphaned = block.state == BlockState::Orphaned;
            let rank = (orphaned, &block.node_uid, &block.node);
            claims.entry(via).or_default().insert(rank);
        }
    }
    let disputes = claims.into_iter().filter_map(|(address, ranks)| {
        let (_, _, winner) = ranks.first().copied()?;
        let nodes = ranks.iter().map(|(_, _, node)| *node);
        let losers: BTreeSet<NodeName> = nodes.filter(|node| *node != winner).cloned().collect();
        (!losers.is_empty()).then(|| Dispute {
            address,
            winner: winner.clone(),
            losers,
        })
    });
    disputes.collect()
}

fn loses_its_next_hop(screened: &Screened<'_>, at: usize) -> Option<String> {
    let block = screened.others[at];
    let via = block.next_hop()?;
    let found = screened.disputes.binary_search_by_key(&via, |d| d.address);
    let winner = &screened.disputes[found.ok()?].winner;
    (block.node != *winner)
        .then(|| format!("next hop {via} is claimed by node {winner} too, which is believed"))
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
