//! Whose an address is, by the cluster's objects.

use super::Inputs;
use gingham_model::{Block, BlockState, NodeName, Owner, PoolName, Prefix, Zone};
use gingham_netlink::fib::{Entry, Leads};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Who holds an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Holder {
    /// A pod of this node.
    Pod {
        /// What its host end is called: namespace, name and interface.
        pod: String,
        /// The zone this node stands in, where known.
        zone: Option<Zone>,
    },
    /// A node itself: it is one of its addresses.
    Node {
        /// Its name.
        node: NodeName,
        /// Its zone, where known.
        zone: Option<Zone>,
    },
    /// The node a Block belongs to.
    Block {
        /// The Block.
        block: Prefix,
        /// Its pool.
        pool: PoolName,
        /// The owner.
        node: NodeName,
        /// The zone the owner stands in.
        zone: Zone,
        /// Where the Block stands.
        state: BlockState,
    },
    /// Nobody: it is in a pool, and in no Block that is known here.
    Pool {
        /// The pool's prefix.
        cidr: Prefix,
        /// The pool.
        pool: PoolName,
        /// The pool's zone; that of Nodes' podCIDRs is all of them.
        zone: Option<Zone>,
    },
    /// Some host in the node subnet of a zone.
    NodeSubnet {
        /// The subnet.
        subnet: Prefix,
        /// The zone.
        zone: Zone,
    },
    /// Nobody in this cluster.
    Nobody,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Pod { pod, .. } => write!(f, "pod {pod} of this node"),
            Holder::Node { node, .. } => write!(f, "node {node} itself"),
            Holder::Block {
                block,
                pool,
                node,
                state,
                ..
            } => write!(f, "node {node}: Block {block} of pool {pool}, {state:?}"),
            Holder::Pool { cidr, pool, .. } => {
                write!(f, "nobody: {cidr} of pool {pool}, in no Block known here")
            }
            Holder::NodeSubnet { subnet, .. } => write!(f, "a host in the node subnet {subnet}"),
            Holder::Nobody => f.write_str("nobody in this cluster"),
        }
    }
}

impl Holder {
    /// The zone the address is at home in, where known.
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Holder::Pod { zone, .. } | Holder::Node { zone, .. } | Holder::Pool { zone, .. } => {
                zone.as_ref()
            }
            Holder::Block { zone, .. } | Holder::NodeSubnet { zone, .. } => Some(zone),
            Holder::Nobody => None,
        }
    }
}

/// Whose the address is.
pub(super) fn holder(inputs: &Inputs<'_>, chosen: Option<&Entry>) -> Holder {
    let Inputs {
        address, cluster, ..
    } = *inputs;
    pod(inputs, chosen)
        .or_else(|| node(inputs))
        .or_else(|| {
            let holding = cluster
                .blocks()
                .filter(|block| block.cidr.contains(address));
            holding.max_by_key(|block| block.cidr.length()).map(block)
        })
        .or_else(|| pool(inputs))
        .or_else(|| pod_cidrs(inputs))
        .or_else(|| subnet(inputs))
        .unwrap_or(Holder::Nobody)
}

/// The pod its host route leads to.
fn pod(inputs: &Inputs<'_>, chosen: Option<&Entry>) -> Option<Holder> {
    let entry = chosen.filter(|entry| entry.protocol == Owner::Pod.protocol())?;
    let Leads::Out(ways) = &entry.leads else {
        return None;
    };
    let (dev, links) = (ways.first()?.dev, &inputs.kernel.links);
    let pod = links
        .alias(dev)
        .map_or_else(|| links.name(dev), str::to_owned);
    let zone = zone_of_mine(inputs);
    Some(Holder::Pod { pod, zone })
}

/// The node that has it among its InternalIPs: by its Node where that is known, else by a Block.
fn node(inputs: &Inputs<'_>) -> Option<Holder> {
    let Inputs {
        address,
        me,
        cluster,
        ..
    } = *inputs;
    let has = |ips: &[IpAddr]| ips.contains(&address);
    if let Some(node) = cluster.nodes().find(|node| has(&node.internal_ips)) {
        let label = || node.zone(&cluster.config().zone_label).ok();
        let zone = if node.name == *me {
            zone_of_mine(inputs)
        } else {
            label()
        };
        let node = node.name.clone();
        return Some(Holder::Node { node, zone });
    }
    let block = cluster.blocks().find(|block| has(&block.node_ips))?;
    let (node, zone) = (block.node.clone(), Some(block.zone.clone()));
    Some(Holder::Node { node, zone })
}

fn zone_of_mine(inputs: &Inputs<'_>) -> Option<Zone> {
    let identity = inputs.cluster.identity(inputs.me);
    identity.ok().map(|(_, zone)| zone)
}

fn block(block: &Block) -> Holder {
    Holder::Block {
        block: block.cidr,
        pool: block.pool.clone(),
        node: block.node.clone(),
        zone: block.zone.clone(),
        state: block.state,
    }
}

fn pool(inputs: &Inputs<'_>) -> Option<Holder> {
    let pools = inputs.cluster.pools();
    pools.into_values().find_map(|pool| {
        let mut cidrs = pool.spec.cidrs.iter().map(|cidr| cidr.cidr);
        let cidr = cidrs.find(|cidr| cidr.contains(inputs.address))?;
        let (pool, zone) = (pool.name.clone(), Some(pool.spec.zone.clone()));
        Some(Holder::Pool { cidr, pool, zone })
    })
}

/// What podCIDR mode may give to some node.
fn pod_cidrs(inputs: &Inputs<'_>) -> Option<Holder> {
    let mut cidrs = inputs.cluster.pod_cidrs()?.cluster_cidrs.iter().copied();
    let cidr = cidrs.find(|cidr| cidr.contains(inputs.address))?;
    let (pool, zone) = (PoolName::node_pod_cidrs(), None);
    Some(Holder::Pool { cidr, pool, zone })
}

fn subnet(inputs: &Inputs<'_>) -> Option<Holder> {
    let zones = inputs.cluster.config().zones;
    zones.into_iter().find_map(|(zone, config)| {
        let mut subnets = config.node_cidrs.into_iter();
        let subnet = subnets.find(|subnet| subnet.contains(inputs.address))?;
        Some(Holder::NodeSubnet { subnet, zone })
    })
}
