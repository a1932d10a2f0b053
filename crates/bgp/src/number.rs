//! The small numbers of BGP, each a type of its own.

use gingham_model::Prefix;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// An autonomous system number of four octets (RFC 6793).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

impl Asn {
    /// What stands in a two-octet field for a number that does not fit (RFC 6793 section 9).
    pub const TRANS: Asn = Asn(23456);

    /// The number as a two-octet peer sees it.
    pub fn two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A BGP identifier: of a router (RFC 6286), of a route's originator, or of a cluster (RFC 4456).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouterId(pub Ipv4Addr);

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a path is for: a prefix, and the number that tells paths of one peer to one prefix apart
/// (RFC 7911). Without Add-Path the number is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nlri {
    /// The destination.
    pub prefix: Prefix,
    /// The path identifier.
    pub path_id: u32,
}

impl Nlri {
    /// A prefix without Add-Path.
    pub fn plain(prefix: Prefix) -> Self {
        Nlri { prefix, path_id: 0 }
    }
}

/// Where a path came from inside this speaker: one number per neighbour, never given twice while the
/// speaker runs, and [`PeerId::LOCAL`] for what it originates itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u32);

impl PeerId {
    /// The speaker itself.
    pub const LOCAL: PeerId = PeerId(0);
}
