//! What a speaker is told: itself, its neighbours, its filters, and what it originates.
//!
//! Every type reads from text in camelCase and refuses unknown fields. [`Config::check`] refuses what
//! each field alone cannot see, by name.

mod check;
mod error;
mod peer;
mod settings;
mod territory;
#[cfg(test)]
mod tests;

pub use check::check_rules;
pub use error::{ConfigError, ConfigFault};
pub use peer::{Connect, Neighbour, Range, Settings};
pub use settings::{
    AddPath, AddPathReceive, AsnWidth, Excess, FamilySettings, MaxPrefixes, MessageSize,
    NextHopMode, Password, Role, Ttl,
};
pub use territory::{Holder, Scope, Territory};

use crate::attributes::{Community, LargeCommunity};
use crate::policy::{Filter, FilterName};
use crate::{Asn, RouterId};
use gingham_model::{NodeName, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One speaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Its autonomous system.
    pub asn: Asn,
    /// Its BGP identifier.
    pub router_id: RouterId,
    /// Its cluster as a reflector; its identifier unless told otherwise.
    #[serde(default)]
    pub cluster_id: Option<RouterId>,
    /// Where it accepts connections; nowhere when empty.
    #[serde(default)]
    pub listen: Vec<SocketAddr>,
    /// How it restarts, and what it grants peers that do.
    #[serde(default)]
    pub graceful_restart: GracefulRestart,
    /// The most paths that share the load of one prefix.
    #[serde(default = "default_multipath")]
    pub multipath: usize,
    /// Peers known by address.
    #[serde(default)]
    pub neighbours: Vec<Neighbour>,
    /// Peers known by where they dial from.
    #[serde(default)]
    pub ranges: Vec<Range>,
    /// Filters by name.
    #[serde(default)]
    pub filters: BTreeMap<FilterName, Filter>,
    /// What it originates.
    #[serde(default)]
    pub announce: Vec<Announcement>,
    /// Which prefixes of the zone are whose: of a large zone a large part, so every copy shares it.
    #[serde(default, with = "territory::shared")]
    pub territory: Arc<Territory>,
}

/// Graceful restart (RFC 4724, RFC 8538) and long-lived stale routes (RFC 9494), both roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GracefulRestart {
    /// How long peers are asked to keep our routes, at most 4095; 0 turns graceful restart off.
    pub restart_seconds: u16,
    /// How long routes of a restarting peer are kept after it is back, without its End-of-RIB.
    pub stale_path_seconds: u32,
    /// How long routes are kept beyond the restart time, at most 16777215; 0 turns that off.
    pub long_lived_stale_seconds: u32,
    /// After a start, how long nothing is announced while peers have yet to send their End-of-RIB.
    pub deferral_seconds: u32,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        GracefulRestart {
            restart_seconds: 120,
            stale_path_seconds: 360,
            long_lived_stale_seconds: 0,
            deferral_seconds: 10,
        }
    }
}

/// A prefix this speaker originates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Announcement {
    /// The prefix.
    pub prefix: Prefix,
    /// The next hop; our address on each session unless told.
    #[serde(default)]
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    #[serde(default)]
    pub med: Option<u32>,
    /// LOCAL_PREF for internal peers; 100 unless told.
    #[serde(default)]
    pub local_pref: Option<u32>,
    /// Communities.
    #[serde(default)]
    pub communities: Vec<Community>,
    /// Large communities.
    #[serde(default)]
    pub large_communities: Vec<LargeCommunity>,
    /// The node whose prefix it is: what filters call the origin node.
    #[serde(default)]
    pub node: Option<NodeName>,
    /// When it is originated.
    #[serde(default)]
    pub when: When,
}

/// When a prefix is originated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// As long as it is configured.
    #[default]
    Always,
    /// Only while a prefix inside it is held from a node of the zone: it is an aggregate.
    Contributed,
}

impl Config {
    /// The range a peer that dials from this address is of: the longest around it. `None` where there
    /// is none, or where a neighbour has the address.
    pub fn range_of(&self, address: IpAddr) -> Option<&Range> {
        let mut neighbours = self.neighbours.iter();
        if neighbours.any(|neighbour| neighbour.address == address) {
            return None;
        }
        let ranges = self.ranges.iter();
        let around = ranges.filter(|range| range.prefix.contains(address));
        around.max_by_key(|range| range.prefix.length())
    }
}

fn default_multipath() -> usize {
    16
}
