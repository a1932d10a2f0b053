//! What the agent says of itself: the documents of the debug endpoint, for its clients too.

mod bgp;

pub use bgp::{BgpStatus, Paths, Peers, Rib, RibLine, Sessions};
pub(crate) use bgp::{STATES, state_word, used};

use crate::objects::{Kind, Refusal};
use crate::screen::Skipped;
use crate::sysctls;
use gingham_ipam::{NodeBlock, Usage};
use gingham_model::{Family, NodeName, Prefix, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Version of all documents.
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
    /// What an operator ought to know although it keeps nobody from working.
    #[serde(default)]
    pub notices: Vec<String>,
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
    /// Addresses that several nodes call theirs, and who is believed.
    pub disputes: Vec<String>,
    /// Kernel settings that could not be made.
    pub sysctls: Vec<sysctls::Failure>,
    /// BGP on this node.
    #[serde(default)]
    pub bgp: BgpStatus,
    /// The last round.
    pub round: RoundStatus,
}

/// How a source stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// What it holds.
    pub kind: Kind,
    /// `Pending`, `Synced`, `Failed`, or `Lost` where what was said counts on though it cannot be
    /// read any more.
    pub state: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// How many objects are in force.
    pub objects: usize,
    /// Why it cannot be read.
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
    /// `direct`, `learned` or `sink`.
    pub kind: String,
    /// The destination.
    pub prefix: Prefix,
    /// The next hops; empty for a sink.
    pub via: Vec<IpAddr>,
    /// The interfaces, in the order of the next hops.
    pub dev: Vec<String>,
    /// Whose block it leads to, where that is known.
    pub node: Option<NodeName>,
    /// `ok`, `missing`, `superfluous`, `failed`, `conflict`, `contested` or `held`.
    pub state: String,
    /// The kernel's reason, whose route is in the way, who breaks it, or why it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `GET /v1/diff` and the answer to `POST /v1/plan`: what a round would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// [`VERSION`].
    pub version: u32,
    /// Routes that would be added, replaced or removed, in that order.
    pub changes: Vec<ChangeStatus>,
    /// Routes that would stay as they are against the plan, and why.
    pub left: Vec<RouteStatus>,
    /// Blocks of the zone without a route.
    pub skipped: Vec<Skipped>,
    /// What would become of the nftables table, where that can be said.
    pub firewall: FirewallStatus,
    /// What would become of what the plugin knows, as `field: before -> after`; empty when it
    /// would stay.
    pub node_state: Vec<String>,
    /// Why it would stay although something is wanted.
    pub unpublished: Vec<String>,
}

impl Rehearsal {
    /// Whether a round would change nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.node_state.is_empty()
            && self.firewall == FirewallStatus::Unchanged
    }
}

/// A change of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeStatus {
    /// `add`, `replace` or `remove`.
    pub op: String,
    /// `direct`, `learned` or `sink`; empty for a foreign route that would be taken over.
    pub kind: String,
    /// The destination.
    pub prefix: Prefix,
    /// The next hops.
    pub via: Vec<IpAddr>,
    /// The interfaces, in the order of the next hops.
    pub dev: Vec<String>,
    /// Whose block it leads to, where that is known.
    pub node: Option<NodeName>,
}

/// The answer to `POST /v1/confirm-removals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// [`VERSION`].
    pub version: u32,
    /// How many routes were held and will go now.
    pub confirmed: usize,
}

/// What would become of the nftables table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FirewallStatus {
    /// It says what is wanted.
    #[default]
    Unchanged,
    /// It would be replaced.
    Differs,
    /// For this reason nobody knows.
    Unknown(String),
}
