//! BGPPeer and RouteFilter: with whom BGP is spoken beside the zone's own nodes and reflectors, and
//! what is let through.

use crate::selector::LabelSelector;
use gingham_bgp::config::{Connect, MaxPrefixes, NextHopMode, Ttl};
use gingham_bgp::policy::Rule;
use gingham_model::{Family, NodeName, PeerName, RouteFilterName, SecretName, Zone};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Sessions that some nodes have with one kind of peer, such as the core switches of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpPeer {
    /// `metadata.name`.
    pub name: PeerName,
    /// Only nodes of this zone have it; those of every zone without.
    pub zone: Option<Zone>,
    /// Which nodes have it.
    pub nodes: Nodes,
    /// Who the peer is.
    pub at: At,
    /// The peer's AS; the zone's own without. A peer that is a node has that of its zone.
    pub as_number: Option<u32>,
    /// The port it listens on.
    pub port: u16,
    /// Who dials.
    pub connect: Connect,
    /// The hold time offered; that of the RoutingConfig without.
    pub hold_seconds: Option<u16>,
    /// The Secret that holds the key of its sessions (RFC 2385).
    pub password_secret: Option<SecretName>,
    /// How far away it may be.
    pub ttl: Ttl,
    /// The most prefixes of a family it may announce.
    pub max_prefixes: Option<MaxPrefixes>,
    /// The next hop it is told.
    pub next_hop: NextHopMode,
    /// How often our own AS may stand in its paths.
    pub allow_own_as: u8,
    /// The families exchanged on each session; that of its addresses when empty.
    pub families: BTreeSet<Family>,
    /// The RouteFilters asked beside the built-in rules, in this order.
    pub filters: Vec<RouteFilterName>,
}

/// Which nodes have a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Nodes {
    /// The reflectors of the zone.
    #[default]
    Reflectors,
    /// This one (`spec.node`).
    Named(NodeName),
    /// Those with such labels (`spec.nodeSelector`).
    Selected(LabelSelector),
}

/// Where a peer is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// At this address (`spec.peerIP`).
    Address(IpAddr),
    /// At the InternalIPs of the nodes with such labels, of those the agent knows
    /// (`spec.peerSelector`).
    Selected(LabelSelector),
    /// Where the node's default routes of these families lead; never empty
    /// (`spec.defaultGateway`).
    DefaultGateway(BTreeSet<Family>),
}

/// Rules a BGPPeer can name. The first rule that matches a path decides; what none matches is left
/// to who comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFilter {
    /// `metadata.name`.
    pub name: RouteFilterName,
    /// For what the peer says.
    pub import: Vec<Rule>,
    /// For what the peer is told.
    pub export: Vec<Rule>,
}
