//! What should be so on this node: the routes, and what the plugin is to know. Pure.
//!
//! ```text
//!   Cluster ──┬─ blocks of my zone, other nodes ──► Owner::Direct via nodeIPs, if on link
//!   Links ────┼─ my blocks ───────────────────────► Owner::Sink, and node.json
//!   BGP ──────┼─ aggregates announced ────────────► Owner::Sink
//!             └─ learned prefixes ────────────────► Owner::Learned via next hops on link
//! ```

mod learned;

pub use learned::Unresolved;

use crate::bgp::learned::Learned;
use crate::cluster::Cluster;
use crate::links::{Links, OffLink};
use crate::pools::Pools;
use crate::retained::Retained;
use crate::routes::removals::Removals;
use crate::screen::{Dispute, Nets, Screened, Skipped};
use gingham_ipam::{BootId, NodeBlock, NodeBlockState, NodeState, Unknown, Version1};
use gingham_model::{
    Block, Family, NextHop, NodeName, Owner, Pool, PoolName, Prefix, Route, RouteKey,
    RouteProtocol, RouteSet, TABLE_MAIN, Target, Zone,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// This node.
    pub me: &'a NodeName,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// Blocks of this node that the cluster does not show as its own.
    pub retained: &'a Retained,
    /// This node's interfaces as just read.
    pub links: &'a Links,
    /// This boot.
    pub boot: &'a BootId,
    /// What BGP has learned.
    pub learned: &'a Learned,
    /// What this node announces as aggregates.
    pub aggregates: &'a BTreeSet<Prefix>,
}

/// What should be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The routes of protocols direct, learned and sink, all of them.
    pub routes: RouteSet,
    /// Whose block each leads to, of those that lead to one.
    pub owners: BTreeMap<RouteKey, NodeName>,
    /// Which others of these protocols may go.
    pub removals: Removals,
    /// Routes left out only because their next hop is on no link of this node, and that in words.
    pub off_link: BTreeMap<RouteKey, String>,
    /// Learned prefixes without a route.
    pub unresolved: BTreeMap<Prefix, Unresolved>,
    /// Protocols whose routes may be taken over.
    pub take_over: BTreeSet<RouteProtocol>,
    /// How long a mass removal is held.
    pub mass_removal_hold: Duration,
    /// Blocks without a route.
    pub skipped: Vec<Skipped>,
    /// Next hops that several nodes name.
    pub disputes: Vec<Dispute>,
    /// What the plugin is to know, or every reason why it cannot be said yet: what it was told
    /// before then stays.
    pub node_state: Result<NodeState, Vec<String>>,
}

/// Plans.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let Inputs {
        me,
        cluster,
        links,
        learned,
        ..
    } = *inputs;
    let zone = cluster.identity(me).map(|(_, zone)| zone).ok();
    let near = |block: &&Block| block.node == *me || Some(&block.zone) == zone.as_ref();
    let config = cluster.config();
    let nets = Nets {
        links,
        config: &config,
    };
    let all = cluster.blocks().filter(near);
    let all = all.chain(&inputs.retained.missing);
    let mut screened = Screened::new(me, all, &nets);

    let mut plan = Plan {
        routes: RouteSet::new(),
        owners: BTreeMap::new(),
        removals: Removals::new(cluster, me, learned),
        off_link: BTreeMap::new(),
        unresolved: BTreeMap::new(),
        take_over: config.take_over.clone(),
        mass_removal_hold: config.mass_removal_hold,
        skipped: Vec::new(),
        disputes: std::mem::take(&mut screened.disputes),
        node_state: node_state(inputs, &screened.own),
    };
    for block in &screened.own {
        plan.add(
            block,
            Route::of(Owner::Sink, block.cidr, Target::Unreachable),
        );
    }
    for block in std::mem::take(&mut screened.others) {
        match direct(block, links) {
            Ok(route) => plan.add(block, route),
            Err(no_route) => {
                if let NoRoute::Link(OffLink::Elsewhere(_)) = no_route {
                    let key = Owner::Direct.key(block.cidr);
                    plan.off_link.insert(key, no_route.to_string());
                }
                screened.skip(block, no_route.to_string());
            }
        }
    }
    plan.skipped = screened.skipped;
    plan.skipped.sort_by_key(|skipped| skipped.block);
    // Nobody's blocks, for these: so nothing announces them.
    for sunk in inputs.aggregates.iter().chain(inputs.retained.lost.keys()) {
        let sink = Route::of(Owner::Sink, *sunk, Target::Unreachable);
        plan.routes.entry(sink.key).or_insert(sink);
    }
    plan.learn(learned, links);
    plan
}

impl Plan {
    /// Whether a route to this prefix is wanted. Asked for every route any program makes.
    pub fn leads_to(&self, prefix: Prefix) -> bool {
        let at = |metric| RouteKey {
            table: TABLE_MAIN,
            prefix,
            metric,
        };
        let mut keys = self.routes.range(at(0)..=at(u32::MAX));
        keys.next().is_some()
    }

    /// The routes left out because no next hop of theirs is on a link now.
    pub fn off_link(&self) -> BTreeSet<RouteKey> {
        let learned = self.unresolved.keys();
        let learned = learned.map(|prefix| Owner::Learned.key(*prefix));
        self.off_link.keys().copied().chain(learned).collect()
    }

    /// Why the route at `key` is left out, where that is because no next hop of it is on a link now.
    pub fn why_off_link(&self, key: &RouteKey) -> Option<String> {
        let is_learned = *key == Owner::Learned.key(key.prefix);
        let unresolved = self.unresolved.get(&key.prefix).filter(|_| is_learned);
        let unresolved = unresolved.map(Unresolved::to_string);
        unresolved.or_else(|| self.off_link.get(key).cloned())
    }

    fn add(&mut self, block: &Block, route: Route) {
        self.owners.insert(route.key, block.node.clone());
        self.routes.insert(route.key, route);
    }
}

/// Why no route leads to another node's block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NoRoute {
    #[error("spec.nodeIPs has no {0} address")]
    NoAddress(Family),
    #[error(transparent)]
    Link(#[from] OffLink),
}

/// The route to another node's block. Its label says the same zone; the link has the last word.
fn direct(block: &Block, links: &Links) -> Result<Route, NoRoute> {
    let via = block
        .next_hop()
        .ok_or(NoRoute::NoAddress(block.cidr.family()))?;
    let dev = links.towards(via)?;
    let hop = NextHop { via, dev };
    Ok(Route::of(
        Owner::Direct,
        block.cidr,
        Target::Via(hop.into()),
    ))
}

/// The pools blocks for nodes of `zone` come from.
pub(crate) fn zone_pools<'a>(
    pools: &BTreeMap<&'a PoolName, &'a Pool>,
    zone: &Zone,
) -> Vec<&'a Pool> {
    let of_zone = |pool: &&Pool| pool.spec.zone == *zone;
    pools.values().copied().filter(of_zone).collect()
}

fn node_state(inputs: &Inputs<'_>, own: &[&Block]) -> Result<NodeState, Vec<String>> {
    let (node, zone) = inputs.cluster.synced(inputs.me)?;
    let pools = Pools::of(inputs.cluster, inputs.me);
    // Until a block taken over carries our uid, it is not confirmed to be ours.
    let confirmed = own
        .iter()
        .copied()
        .filter(|block| block.node_uid == node.uid);
    let blocks: Vec<&Block> = confirmed.collect();
    let lost = inputs.retained.lost.values().map(|(told, _)| told);
    let families = pools.families(node, &zone, &blocks);
    let mtu = inputs.links.mtu(&node.internal_ips);
    let reasons = match families.is_empty() {
        true => vec![pools.lack(node, &zone)],
        false => lacking(&families, &blocks, lost),
    };
    let Some(mtu) = mtu.filter(|_| reasons.is_empty()) else {
        let absent = || {
            format!(
                "no interface that is up has an InternalIP of Node {}",
                node.name
            )
        };
        return Err(reasons
            .into_iter()
            .chain(mtu.is_none().then(absent))
            .collect());
    };
    Ok(NodeState {
        version: Version1,
        boot_id: inputs.boot.clone(),
        node: node.name.clone(),
        mtu,
        families: families.into_iter().collect(),
        cooldown_seconds: pools.cooldown(&zone, &blocks),
        blocks: node_blocks(&blocks, &pools, inputs.retained),
        zone,
        unknown: Unknown::new(),
    })
}

/// The blocks as the plugin is to know them. Of what is another node's by now it gives nothing out;
/// pods that have addresses of it keep them.
fn node_blocks(own: &[&Block], pools: &Pools<'_>, retained: &Retained) -> Vec<NodeBlock> {
    let own = own.iter().map(|block| pools.node_block(block));
    let mut blocks: Vec<NodeBlock> = own.collect();
    for (lost, _) in retained.lost.values() {
        // The plugin takes disjoint blocks only.
        if !blocks.iter().any(|block| block.cidr.overlaps(lost.cidr)) {
            blocks.push(NodeBlock {
                state: NodeBlockState::Draining,
                ..lost.clone()
            });
        }
    }
    blocks
}

/// Families there is no block of, not even a lost one.
fn lacking<'a>(
    families: &BTreeSet<Family>,
    blocks: &[&Block],
    lost: impl Iterator<Item = &'a NodeBlock>,
) -> Vec<String> {
    let own = blocks.iter().map(|block| block.cidr);
    let held: BTreeSet<Family> = own
        .chain(lost.map(|lost| lost.cidr))
        .map(Prefix::family)
        .collect();
    let lacking = families.difference(&held);
    lacking
        .map(|family| format!("this node has no {family} block yet"))
        .collect()
}
