//! Where the blocks of one node come from, and which of them still give out addresses. Pure.
//!
//! ```text
//!                 ZonePools alone                    RoutingConfig spec.podCIDRs
//!  a new block    carved out of the zone's pools     each podCIDR the own Node lists
//!  gives out      unless it or its pool's CIDR       while the own Node lists it
//!                 drains
//!  what is left   node-pod-cidrs: drains             any other pool: drains
//!  of the other
//! ```
//!
//! So either way on and off keeps what pods hold: the other kind of block only empties itself.

use crate::cluster::Cluster;
use crate::config::PodCidrs;
use crate::objects::Node;
use crate::plan::zone_pools;
use gingham_ipam::{NodeBlock, NodeBlockState, Unknown};
use gingham_model::{Block, BlockState, CidrState, Family, NodeName, Pool, PoolName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds an address rests where no pool says otherwise.
const COOLDOWN: u32 = 120;

/// What a node goes by.
#[derive(Clone, Debug)]
pub struct Pools<'a> {
    accepted: BTreeMap<&'a PoolName, &'a Pool>,
    mirrored: Option<Mirrored<'a>>,
}

/// podCIDR mode, as one node sees it.
#[derive(Clone, Debug)]
pub struct Mirrored<'a> {
    /// Its settings.
    pub settings: &'a PodCidrs,
    /// The own Node, where it is known.
    node: Option<&'a Node>,
}

impl<'a> Pools<'a> {
    /// As node `me` knows them.
    pub fn of(cluster: &'a Cluster, me: &NodeName) -> Self {
        let mirrored = cluster.pod_cidrs().map(|settings| Mirrored {
            settings,
            node: cluster.node(me),
        });
        Pools {
            accepted: cluster.pools(),
            mirrored,
        }
    }

    /// podCIDR mode, where it is on.
    pub fn mirrored(&self) -> Option<&Mirrored<'a>> {
        self.mirrored.as_ref()
    }

    /// The pools blocks for nodes of `zone` are carved out of.
    pub fn carved(&self, zone: &Zone) -> Vec<&'a Pool> {
        match self.mirrored {
            Some(_) => Vec::new(),
            None => zone_pools(&self.accepted, zone),
        }
    }

    /// All addresses that pods can have by the settings.
    pub fn cidrs(&self) -> impl Iterator<Item = Prefix> {
        let pools = self.accepted.values();
        let pools = pools.flat_map(|pool| pool.spec.cidrs.iter().map(|cidr| cidr.cidr));
        let mirrored = self.mirrored.iter();
        pools.chain(mirrored.flat_map(|mirrored| mirrored.settings.cluster_cidrs.iter().copied()))
    }

    /// Whether a block of this node gives out addresses.
    pub fn state(&self, block: &Block) -> NodeBlockState {
        match (block.state, self.drains(block)) {
            (BlockState::Draining, _) | (_, Some(_)) => NodeBlockState::Draining,
            (BlockState::Active | BlockState::Orphaned, None) => NodeBlockState::Active,
        }
    }

    /// Why a block of this node gives out nothing, whatever it says itself. A pool that is not known
    /// drains nothing.
    pub fn drains(&self, block: &Block) -> Option<&'static str> {
        match &self.mirrored {
            Some(mirrored) if mirrored.lists(block.cidr) => None,
            Some(_) if block.pool.is_node_pod_cidrs() => Some("its Node does not list it"),
            Some(_) => Some("blocks are podCIDRs now"),
            None if block.pool.is_node_pod_cidrs() => Some("blocks come from ZonePools now"),
            None => {
                let pool = self.accepted.get(&block.pool)?;
                let draining = pool.state_of(block.cidr) == Some(CidrState::Draining);
                draining.then_some("its pool's CIDR drains")
            }
        }
    }

    /// Whether what leaves the cluster from a block takes its node's address: so it is unless
    /// switched off where that is known.
    pub fn nat_outgoing(&self, block: &Block) -> bool {
        let pool = self.accepted.get(&block.pool);
        let pool = pool.map(|pool| pool.spec.nat_outgoing);
        let mirrored = || Some(self.governs(block)?.nat_outgoing);
        pool.or_else(mirrored).unwrap_or(true)
    }

    /// The settings of podCIDR mode that a block goes by: its own kind, and one whose pool gave way.
    fn governs(&self, block: &Block) -> Option<&'a PodCidrs> {
        let settings = self.mirrored.as_ref()?.settings;
        let goes = block.pool.is_node_pod_cidrs() || settings.covers(block.cidr);
        goes.then_some(settings)
    }

    /// The longest rest asked for by what gives blocks to `zone`, or gave one of these.
    pub fn cooldown(&self, zone: &Zone, own: &[&Block]) -> u32 {
        let near = self.carved(zone).into_iter();
        let of_blocks = own
            .iter()
            .filter_map(|block| self.accepted.get(&block.pool));
        let pools = near.chain(of_blocks.copied());
        let pools = pools.map(|pool| pool.spec.cooldown_seconds);
        let mirrored = self.mirrored.iter();
        let mirrored = mirrored.map(|mirrored| mirrored.settings.cooldown_seconds);
        pools.chain(mirrored).max().unwrap_or(COOLDOWN)
    }

    /// The families a pod of `node` gets an address of: those it has an InternalIP of, and there are
    /// addresses of. Where podCIDRs are listed these alone say which: what is left of pools gives
    /// out nothing.
    pub fn families(&self, node: &Node, zone: &Zone, own: &[&Block]) -> BTreeSet<Family> {
        let listed = self.mirrored.as_ref().map(Mirrored::listed);
        let listed = listed.unwrap_or_default();
        let all: Vec<Prefix> = match listed.is_empty() {
            false => listed,
            true => {
                let pools = self.carved(zone).into_iter();
                let cidrs = pools.flat_map(|pool| pool.spec.cidrs.iter().map(|c| c.cidr));
                cidrs.chain(own.iter().map(|block| block.cidr)).collect()
            }
        };
        let held: BTreeSet<Family> = all.into_iter().map(Prefix::family).collect();
        node.families().intersection(&held).copied().collect()
    }

    /// Why there is no family a pod of `node` could get an address of.
    pub fn lack(&self, node: &Node, zone: &Zone) -> String {
        let name = &node.name;
        match self.mirrored {
            Some(_) => format!(
                "Node {name} has no spec.podCIDRs inside spec.podCIDRs.clusterCIDRs of \
                 RoutingConfig default and of a family it has an InternalIP of"
            ),
            None => {
                format!("zone {zone} has no pool of a family Node {name} has an InternalIP of")
            }
        }
    }

    /// A block of this node as the plugin knows it.
    pub fn node_block(&self, block: &Block) -> NodeBlock {
        NodeBlock {
            cidr: block.cidr,
            pool: block.pool.clone(),
            state: self.state(block),
            unknown: Unknown::new(),
        }
    }
}

impl Mirrored<'_> {
    /// What the own Node lists, as far as it can be taken, in its order.
    pub fn listed(&self) -> Vec<Prefix> {
        let listed = self.node.iter().flat_map(|node| &node.pod_cidrs);
        let listed = listed.filter_map(|cidr| cidr.as_ref().ok().copied());
        listed.filter(|cidr| self.settings.covers(*cidr)).collect()
    }

    /// Whether the own Node lists this block.
    pub fn lists(&self, cidr: Prefix) -> bool {
        self.listed().contains(&cidr)
    }

    /// What the own Node lists and cannot be taken, in words.
    pub fn refused(&self) -> Vec<String> {
        let all = self.settings.cluster_cidrs.iter();
        let all: Vec<String> = all.map(Prefix::to_string).collect();
        let Some(node) = self.node else {
            return Vec::new();
        };
        let cidrs = node.pod_cidrs.iter().enumerate();
        let refused = cidrs.filter_map(|(index, cidr)| {
            let field = format!("Node {}: spec.podCIDRs[{index}]", node.name);
            match cidr {
                Ok(cidr) if self.settings.covers(*cidr) => None,
                Ok(cidr) => Some(format!(
                    "{field}: {cidr} lies outside of spec.podCIDRs.clusterCIDRs of RoutingConfig \
                     default: {}",
                    all.join(", ")
                )),
                Err(text) => {
                    let why = text.parse::<Prefix>().err();
                    Some(format!(
                        "{field}: {}",
                        why.map_or(String::new(), |why| why.to_string())
                    ))
                }
            }
        });
        refused.collect()
    }
}
