//! The cluster objects the agent reads, as values: what is left of a Kubernetes object once it has
//! been checked.

pub(crate) mod node;
mod peer;

pub use node::{Condition, Node};
pub use peer::{At, BgpPeer, Nodes, RouteFilter};

use crate::config::{self, RoutingConfig};
use gingham_model::{Block, Pool, Prefix};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of objects the agent reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// core/v1 Node: of all nodes the own one, reflectors and ingress nodes.
    Node,
    /// The pools blocks are carved out of.
    ZonePool,
    /// Who holds which addresses.
    Block,
    /// The cluster's settings: of all objects only the one called `default`.
    RoutingConfig,
    /// With whom BGP is spoken beside the zone's own nodes.
    #[serde(rename = "BGPPeer")]
    BgpPeer,
    /// Rules a BGPPeer can name.
    RouteFilter,
}

impl Kind {
    /// Every kind, in the order of every listing.
    pub const ALL: [Kind; 6] = [
        Kind::Node,
        Kind::ZonePool,
        Kind::Block,
        Kind::RoutingConfig,
        Kind::BgpPeer,
        Kind::RouteFilter,
    ];

    /// The plural in lower case: the resource of the API, the folder of the directory store.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Node => "nodes",
            Kind::ZonePool => "zonepools",
            Kind::Block => "blocks",
            Kind::RoutingConfig => "routingconfigs",
            Kind::BgpPeer => "bgppeers",
            Kind::RouteFilter => "routefilters",
        }
    }

    /// Whether BGP alone hangs on its objects: direct routes, `node.json` and claims do not wait
    /// for them.
    pub fn is_of_bgp(self) -> bool {
        matches!(self, Kind::BgpPeer | Kind::RouteFilter)
    }

    /// Whether more than BGP hangs on its objects.
    pub fn is_of_cluster(self) -> bool {
        !self.is_of_bgp()
    }

    /// Whether it is what an operator wants, not what is: of settings that cannot be read the last
    /// valid version counts however old it is, of facts only one that has been seen in this run.
    pub fn is_setting(self) -> bool {
        self == Kind::RoutingConfig || self.is_of_bgp()
    }

    /// The `apiVersion` its objects carry.
    pub fn api_version(self) -> &'static str {
        match self {
            Kind::Node => "v1",
            _ => "gingham.dev/v1alpha1",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Node => "Node",
            Kind::ZonePool => "ZonePool",
            Kind::Block => "Block",
            Kind::RoutingConfig => "RoutingConfig",
            Kind::BgpPeer => "BGPPeer",
            Kind::RouteFilter => "RouteFilter",
        })
    }
}

/// The addresses a Block object of that name speaks of: the inverse of [`Block::object_name`].
/// `None` for what can be no Block's name.
pub fn block_prefix(name: &str) -> Option<Prefix> {
    let (address, length) = name.rsplit_once('-')?;
    let text = match address.split('-').count() {
        4 => address.replace('-', "."),
        _ => address.replace('-', ":"),
    };
    let prefix: Prefix = format!("{text}/{length}").parse().ok()?;
    (Block::object_name(prefix) == name).then_some(prefix)
}

/// A checked object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Node.
    Node(Node),
    /// A ZonePool.
    Pool(Pool),
    /// A Block.
    Block(Block),
    /// A RoutingConfig.
    Config(RoutingConfig),
    /// A BGPPeer.
    Peer(BgpPeer),
    /// A RouteFilter.
    Filter(RouteFilter),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Node(_) => Kind::Node,
            Object::Pool(_) => Kind::ZonePool,
            Object::Block(_) => Kind::Block,
            Object::Config(_) => Kind::RoutingConfig,
            Object::Peer(_) => Kind::BgpPeer,
            Object::Filter(_) => Kind::RouteFilter,
        }
    }

    /// Its `metadata.name`.
    pub fn name(&self) -> String {
        match self {
            Object::Node(node) => node.name.to_string(),
            Object::Pool(pool) => pool.name.to_string(),
            Object::Block(block) => Block::object_name(block.cidr),
            Object::Config(_) => config::NAME.to_owned(),
            Object::Peer(peer) => peer.name.to_string(),
            Object::Filter(filter) => filter.name.to_string(),
        }
    }
}

/// An object that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its kind.
    pub kind: Kind,
    /// The name it is or would be known by.
    pub name: String,
    /// Where it was read: a file of the directory store, or an API path.
    pub origin: String,
    /// Field, value and rule.
    pub error: String,
}
