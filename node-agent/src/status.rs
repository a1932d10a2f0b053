//! What the agent says of itself: the documents of the debug endpoint, for its clients too.

use crate::objects::{Kind, Refusal};
use crate::screen::Skipped;
use crate::sysctls;
use gingham_ipam::{NodeBlock, Usage};
use gingham_model::{Family, NodeName, Prefix, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Version of both documents.
pub const VERSION: u32 = 1;

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the program.
    pub agent: String,
    /// This node.
    pub node: NodeName,
    /// Its zone, where that is known.
    pub zone: Option<Zone>,
    /// Whether everything is as it should be, by read-back.
    pub ready: bool,
    /// Why it is not ready; empty when it is.
    pub reasons: Vec<String>,
    /// How the sources of cluster objects stand.
    pub sources: Vec<SourceStatus>,
    /// Objects that were not taken.
    pub refused: Vec<Refusal>,
    /// Fields this version does not know, as `Kind name: path`.
    pub unknown_fields: Vec<String>,
    /// The blocks of this node.
    pub blocks: Vec<NodeBlock>,
    /// How full they are.
    pub addresses: BTreeMap<Family, Addresses>,
    /// What keeps the node from another block it needs.
    pub claims: Vec<String>,
    /// Why routes, or those to one block, are not removed; empty when removals are allowed.
    pub removals_held: Vec<String>,
    /// How many routes stand how.
    pub routes: BTreeMap<String, usize>,
    /// Blocks of the zone without a route.
    pub skipped: Vec<Skipped>,
    /// Kernel settings that could not be made.
    pub sysctls: Vec<sysctls::Failure>,
    /// The last round.
    pub round: RoundStatus,
}

/// How a source stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// What it holds.
    pub kind: Kind,
    /// `Pending`, `Synced` or `Failed`.
    pub state: String,
    /// How many objects are in force.
    pub objects: usize,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How full the Active blocks of a family are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Addresses that can be given to pods at all.
    pub capacity: u64,
    /// In the hands of pods.
    pub held: u64,
    /// Given back, and not yet to be given again.
    pub resting: u64,
    /// To be given now.
    pub free: u64,
}

impl From<Usage> for Addresses {
    fn from(usage: Usage) -> Self {
        Addresses {
            capacity: usage.capacity,
            held: usage.held,
            resting: usage.resting,
            free: usage.free,
        }
    }
}

/// What the last round did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundStatus {
    /// How many there were since the start.
    pub number: u64,
    /// Why it ran.
    pub causes: Vec<String>,
    /// Changes the kernel accepted.
    pub applied: usize,
    /// Those of this round and every one before it, since the agent started.
    pub applied_since_start: usize,
    /// Changes it refused.
    pub failed: usize,
    /// How long it took.
    pub duration_ms: u64,
    /// Why the kernel could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `GET /v1/routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// [`VERSION`].
    pub version: u32,
    /// Every route of ours that is wanted or there, ordered by prefix and metric.
    pub routes: Vec<RouteStatus>,
}

/// A route of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// `direct` or `sink`.
    pub kind: String,
    /// The destination.
    pub prefix: Prefix,
    /// The next hops; empty for a sink.
    pub via: Vec<IpAddr>,
    /// The interfaces, in the order of the next hops.
    pub dev: Vec<String>,
    /// Whose block it leads to, where that is known.
    pub node: Option<NodeName>,
    /// `ok`, `missing`, `superfluous`, `failed`, `conflict` or `held`.
    pub state: String,
    /// The kernel's reason, or whose route is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
