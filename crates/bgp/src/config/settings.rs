//! The small choices in the settings of a peer.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What is agreed for one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FamilySettings {
    /// Which directions carry several paths to a prefix (RFC 7911).
    pub add_path: AddPath,
    /// The most prefixes the peer may announce.
    pub max_prefixes: Option<MaxPrefixes>,
    /// The address of the family that stands for us as a next hop; ours on the session where it is of
    /// the family, unless told.
    pub own_next_hop: Option<IpAddr>,
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

/// A key that no log and no listing shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl Password {
    /// The longest key the kernel takes (`TCP_MD5SIG_MAXKEYLEN` of linux/tcp.h).
    pub const MOST_OCTETS: usize = 80;
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
