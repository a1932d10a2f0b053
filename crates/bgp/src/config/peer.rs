//! Peers, by address and by where they dial from.
//!
//! As text, a peer's settings stand beside its own fields. `serde(flatten)` reads that too, but through
//! a buffer: an error would not know its place, and a password of digits would be no text. So the fields
//! of [`Settings`] are listed once, in a macro, and read in either kind of peer as if they were its own.

use super::{AsnWidth, FamilySettings, MessageSize, NextHopMode, Password, Role, Scope, Ttl};
use crate::Asn;
use crate::policy::FilterName;
use gingham_model::{Family, NodeName, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A peer at a known address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "NeighbourText")]
pub struct Neighbour {
    /// Its name in logs, metrics and commands; unique among neighbours and ranges.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
    /// The port it listens on; 179 unless told.
    pub port: u16,
    /// Who dials.
    pub connect: Connect,
    /// Everything a range has too.
    #[serde(flatten)]
    pub settings: Settings,
}

/// Peers that dial us from somewhere in a prefix: dynamic neighbours. The key of a password covers the
/// whole prefix. Of nested ranges the longest that holds a peer counts, and a neighbour's own settings
/// come before any range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "RangeText")]
pub struct Range {
    /// Its name; a peer of it is called `NAME/ADDRESS`.
    pub name: String,
    /// Where its peers dial from.
    pub prefix: Prefix,
    /// The most peers at a time; 10000 unless told.
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

macro_rules! settings {
    ($($(#[$about:meta])* $field:ident: $type:ty,)*) => {
        /// What a session with one peer is to be.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Settings {
            $($(#[$about])* pub $field: $type,)*
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct NeighbourText {
            name: String,
            address: IpAddr,
            #[serde(default = "default_port")]
            port: u16,
            #[serde(default)]
            connect: Connect,
            $($(#[$about])* $field: $type,)*
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct RangeText {
            name: String,
            prefix: Prefix,
            #[serde(default = "default_limit")]
            limit: usize,
            $($(#[$about])* $field: $type,)*
        }

        impl From<NeighbourText> for Neighbour {
            fn from(text: NeighbourText) -> Self {
                Neighbour {
                    name: text.name,
                    address: text.address,
                    port: text.port,
                    connect: text.connect,
                    settings: Settings { $($field: text.$field,)* },
                }
            }
        }

        impl From<RangeText> for Range {
            fn from(text: RangeText) -> Self {
                Range {
                    name: text.name,
                    prefix: text.prefix,
                    limit: text.limit,
                    settings: Settings { $($field: text.$field,)* },
                }
            }
        }
    };
}

settings! {
    /// The peer's autonomous system; our own makes it an internal peer.
    asn: Asn,
    /// Our address on the session; chosen by the kernel unless told.
    #[serde(default)]
    local_address: Option<IpAddr>,
    /// Whether an internal peer is a client of our reflection.
    #[serde(default)]
    role: Role,
    /// The families to exchange; the family of the transport when empty.
    #[serde(default)]
    families: BTreeMap<Family, FamilySettings>,
    /// The hold time we offer: 0, or 3 and more; 90 unless told.
    #[serde(default = "default_hold")]
    hold_seconds: u16,
    /// The key of TCP's MD5 signatures (RFC 2385), 1 to 80 octets.
    #[serde(default)]
    password: Option<Password>,
    /// How far away the peer may be.
    #[serde(default)]
    ttl: Ttl,
    /// What the peer may say, whatever filters allow.
    #[serde(default)]
    scope: Scope,
    /// The filter on what the peer says. An external peer without one is not believed (RFC 8212).
    #[serde(default)]
    import: Option<FilterName>,
    /// The filter on what the peer is told. An external peer without one is told nothing (RFC 8212).
    #[serde(default)]
    export: Option<FilterName>,
    /// The next hop the peer is told.
    #[serde(default)]
    next_hop: NextHopMode,
    /// How often our own AS may stand in paths we take from the peer.
    #[serde(default)]
    allow_own_asn: u8,
    /// The node the peer is, where it is one: what filters call the origin node. Of peers that may speak
    /// as nodes the territory knows it.
    #[serde(default)]
    node: Option<NodeName>,
    /// Whether the peer is told 4-octet numbers; off to speak as RFC 4271 did.
    #[serde(default)]
    asn_width: AsnWidth,
    /// Whether messages up to 65535 octets are offered (RFC 8654).
    #[serde(default)]
    messages: MessageSize,
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
