//! The cluster objects the agent reads, as values: what is left of a Kubernetes object once it has
//! been checked.

use crate::config::RoutingConfig;
use gingham_model::{Block, Family, NodeName, Pool, Prefix, Zone};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// The kinds of objects the agent reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// core/v1 Node: of all nodes only the own one.
    Node,
    /// The pools blocks are carved out of.
    ZonePool,
    /// Who holds which addresses.
    Block,
    /// The cluster's settings: of all objects only the one called `default`.
    RoutingConfig,
}

impl Kind {
    /// Every kind, in the order of every listing.
    pub const ALL: [Kind; 4] = [Kind::Node, Kind::ZonePool, Kind::Block, Kind::RoutingConfig];

    /// The plural in lower case: the resource of the API, the folder of the directory store.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Node => "nodes",
            Kind::ZonePool => "zonepools",
            Kind::Block => "blocks",
            Kind::RoutingConfig => "routingconfigs",
        }
    }

    /// The `apiVersion` its objects carry.
    pub fn api_version(self) -> &'static str {
        match self {
            Kind::Node => "v1",
            Kind::ZonePool | Kind::Block | Kind::RoutingConfig => "gingham.dev/v1alpha1",
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
        })
    }
}

/// What the agent needs of a Node object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: NodeName,
    /// `metadata.uid`: another one under the same name is another node.
    pub uid: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `status.addresses` of type InternalIP, in their order: the first of a family is its next
    /// hop.
    pub internal_ips: Vec<IpAddr>,
}

impl Node {
    /// The zone the node stands in by its label `key`.
    ///
    /// # Errors
    /// A sentence naming the label, when it is absent or no zone name.
    pub fn zone(&self, key: &str) -> Result<Zone, String> {
        let value = self
            .labels
            .get(key)
            .ok_or_else(|| format!("Node {} has no label {key}", self.name))?;
        let zone = value.parse();
        zone.map_err(|error| format!("Node {}: label {key}: {error}", self.name))
    }

    /// The families it has an InternalIP of.
    pub fn families(&self) -> BTreeSet<Family> {
        self.internal_ips.iter().copied().map(Family::of).collect()
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
