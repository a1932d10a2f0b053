//! What a speaker is told: itself, its neighbours, its filters, and what it originates.
//!
//! Every type reads from text in camelCase and refuses unknown fields. [`Config::check`] refuses what
//! each field alone cannot see, by name.

use crate::attributes::{Community, LargeCommunity};
use crate::policy::{Filter, FilterName};
use crate::{Asn, RouterId};
use gingham_model::{Family, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

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

/// A peer at a known address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// Its name in logs, metrics and commands; unique among neighbours and ranges.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
    /// The port it listens on.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Who dials.
    #[serde(default)]
    pub connect: Connect,
    /// Everything a range has too.
    #[serde(flatten)]
    pub settings: Settings,
}

/// Peers that dial us from somewhere in a prefix: dynamic neighbours. The key of a password covers the
/// whole prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// Its name; a peer of it is called `NAME/ADDRESS`.
    pub name: String,
    /// Where its peers dial from.
    pub prefix: Prefix,
    /// The most peers at a time.
    #[serde(default = "default_limit")]
    pub limit: usize,
    /// Everything a neighbour has too.
    #[serde(flatten)]
    pub settings: Settings,
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connect {
    /// Both may; collisions are resolved (RFC 4271 section 6.8).
    #[default]
    Both,
    /// Only we dial.
    Active,
    /// Only the peer dials.
    Passive,
}

/// What a session with one peer is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The peer's autonomous system; our own makes it an internal peer.
    pub asn: Asn,
    /// Our address on the session; chosen by the kernel unless told.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
    /// Whether an internal peer is a client of our reflection.
    #[serde(default)]
    pub role: Role,
    /// The families to exchange; the family of the transport when empty.
    #[serde(default)]
    pub families: BTreeMap<Family, FamilySettings>,
    /// The hold time we offer: 0, or 3 and more.
    #[serde(default = "default_hold")]
    pub hold_seconds: u16,
    /// The key of TCP's MD5 signatures (RFC 2385), 1 to 80 octets.
    #[serde(default)]
    pub password: Option<Password>,
    /// How far away the peer may be.
    #[serde(default)]
    pub ttl: Ttl,
    /// The filter on what the peer says. An external peer without one is not believed (RFC 8212).
    #[serde(default)]
    pub import: Option<FilterName>,
    /// The filter on what the peer is told. An external peer without one is told nothing (RFC 8212).
    #[serde(default)]
    pub export: Option<FilterName>,
    /// The next hop the peer is told.
    #[serde(default)]
    pub next_hop: NextHopMode,
    /// Whether the peer may see its own number in paths: so many times in those we take from it.
    #[serde(default)]
    pub allow_own_asn: u8,
    /// Whether the peer is told 4-octet numbers; off to speak as RFC 4271 did.
    #[serde(default)]
    pub asn_width: AsnWidth,
    /// Whether messages up to 65535 octets are offered (RFC 8654).
    #[serde(default)]
    pub messages: MessageSize,
}

/// What is agreed for one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FamilySettings {
    /// Which directions carry several paths to a prefix (RFC 7911).
    pub add_path: AddPath,
    /// The most prefixes the peer may announce.
    pub max_prefixes: Option<MaxPrefixes>,
}

/// Add-Path as offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AddPath {
    /// Whether several paths are taken from the peer.
    pub receive: AddPathReceive,
    /// The most paths with distinct next hops the peer is told; 0 for the best alone.
    pub send: u8,
}

/// Whether several paths to a prefix are taken from a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddPathReceive {
    /// One.
    #[default]
    Off,
    /// Several.
    On,
}

/// How many prefixes are too many, and what then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxPrefixes {
    /// The most that are taken.
    pub count: u32,
    /// What one more does.
    #[serde(default)]
    pub then: Excess,
}

/// What the prefix beyond the limit does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excess {
    /// Ends the session with Cease/1 (RFC 4486); it comes back after five minutes.
    #[default]
    Reset,
    /// Is said in the log, and taken.
    Warn,
}

/// What an internal peer is to a reflector (RFC 4456). External peers are none of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not reflected to from other non-clients.
    #[default]
    Peer,
    /// Told everything.
    Client,
}

/// How many hops away the peer may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ttl {
    /// One hop for external peers, any for internal ones.
    #[default]
    Default,
    /// So many, for external peers behind routers.
    Multihop(u8),
    /// So many at most, refused by the kernel beyond (RFC 5082).
    Security(u8),
}

/// The next hop a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NextHopMode {
    /// External peers: our address. Internal ones: as it is; our address for what we originate.
    #[default]
    Auto,
    /// Our address.
    Own,
    /// As it is.
    Unchanged,
}

/// How wide AS numbers are offered to be (RFC 6793).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsnWidth {
    /// Four octets.
    #[default]
    Four,
    /// Two: the capability is not sent.
    Two,
}

/// How long messages may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageSize {
    /// Up to 65535 octets where the peer agrees (RFC 8654).
    #[default]
    Extended,
    /// Up to 4096.
    Standard,
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
}

/// A key that no log and no listing shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

fn default_multipath() -> usize {
    16
}
fn default_port() -> u16 {
    179
}
fn default_limit() -> usize {
    10_000
}
fn default_hold() -> u16 {
    90
}
