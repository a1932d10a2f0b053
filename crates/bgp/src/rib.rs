//! Every path to every prefix, which is best, which share the load, and why the others lost.
//!
//! ```text
//! update, withdraw, stale ──► Rib { prefix: [Path] } ──► dirty prefixes ──► select ──► Selection
//! ```
//!
//! [`select`] is a pure function of the paths to one prefix.

mod decision;
mod next_hops;
mod routes;
mod table;

pub use decision::select;
pub use routes::Rib;

use crate::attributes::{Interned, Origin};
use crate::wire::PeerKind;
use crate::{PeerId, RouterId};
use gingham_model::NodeName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Who a path came from: what best path selection and reflection need to know of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its number; [`PeerId::LOCAL`] for ourselves.
    pub peer: PeerId,
    /// What it is to us.
    pub kind: SourceKind,
    /// Its identifier.
    pub router_id: RouterId,
    /// Its address; the last tie-break.
    pub address: IpAddr,
    /// The node it is, where known.
    pub node: Option<NodeName>,
}

/// Where a path is from, as far as that was proved on import.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// From ourselves.
    Own,
    /// From a node of the zone, judged as what a node says of its own blocks.
    Zone,
    /// From anywhere else.
    Outside,
}

/// What the source of a path is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Ourselves.
    Local,
    /// An internal peer we do not reflect for.
    Internal,
    /// A client of our reflection.
    Client,
    /// A peer in another AS.
    External,
}

impl SourceKind {
    /// Whether the path is from our AS.
    pub fn peer_kind(self) -> PeerKind {
        match self {
            SourceKind::External => PeerKind::External,
            _ => PeerKind::Internal,
        }
    }
}

/// One path as a peer gave it and as import left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Whose it is.
    pub source: Arc<Source>,
    /// The peer's number of it (Add-Path), 0 without.
    pub path_id: u32,
    /// What the peer said.
    pub received: Interned,
    /// What import made of it.
    pub import: Import,
    /// Where it is from.
    pub provenance: Provenance,
    /// Whether the peer still stands by it.
    pub freshness: Freshness,
}

impl Path {
    /// The attributes that count: what import made of them, else as they were received.
    pub fn attributes(&self) -> &Interned {
        self.accepted().unwrap_or(&self.received)
    }

    /// What import made of it; `None` when it was kept out.
    pub fn accepted(&self) -> Option<&Interned> {
        match &self.import {
            Import::Accepted(attributes) => Some(attributes),
            Import::Refused(_) => None,
        }
    }
}

/// What became of a path on import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// Taken, with these attributes.
    Accepted(Interned),
    /// Kept out, for this reason; never selected, never exported.
    Refused(Refusal),
}

/// Why a path was kept out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusal {
    /// Our AS is in the path (RFC 4271 section 9.1.2).
    AsLoop,
    /// The originator is ourselves (RFC 4456 section 8).
    OwnOriginator,
    /// Our cluster is in the list (RFC 4456 section 8).
    ClusterLoop,
    /// An external path that does not begin with its peer's AS.
    FirstAs,
    /// The next hop is our own address, or none a packet can be sent to.
    NextHop,
    /// The peer is a node, and the prefix lies in no block of it.
    NotItsBlock,
    /// The peer is a node, and the next hop is none of its addresses.
    NotItsNextHop,
    /// The prefix lies inside a block of another node of the zone, which alone may announce it.
    ZoneBlock,
    /// The prefix lies inside a block of ours.
    OwnBlock,
    /// No import filter for an external peer (RFC 8212).
    NoFilter,
    /// A filter said no: this rule, or none matched.
    Filter(Option<String>),
}

impl Refusal {
    /// In a word, to count by: the rule's name where a filter's rule said no.
    pub fn reason(&self) -> &str {
        match self {
            Refusal::AsLoop => "asLoop",
            Refusal::OwnOriginator => "ownOriginator",
            Refusal::ClusterLoop => "clusterLoop",
            Refusal::FirstAs => "firstAs",
            Refusal::NextHop => "nextHop",
            Refusal::NotItsBlock => "notItsBlock",
            Refusal::NotItsNextHop => "notItsNextHop",
            Refusal::ZoneBlock => "zoneBlock",
            Refusal::OwnBlock => "ownBlock",
            Refusal::NoFilter => "noFilter",
            Refusal::Filter(rule) => rule.as_deref().unwrap_or("filter"),
        }
    }
}

/// Whether a peer still stands by a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// It does.
    Fresh,
    /// It restarts (RFC 4724) or sends everything again (RFC 7313).
    Stale,
    /// It has been away for longer (RFC 9494); preferred to nothing only.
    LongLived,
}

/// What can be said of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// It can be reached at this cost.
    Cost(u32),
    /// It cannot; its paths are not used.
    Unreachable,
}

/// A path with everything the decision looks at.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The path.
    pub path: Path,
    /// How far its next hop is.
    pub reach: Reach,
}

/// The outcome for one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Every path, the best first, each with its standing.
    pub ranked: Vec<Ranked>,
}

impl Selection {
    /// The best path.
    pub fn best(&self) -> Option<&Path> {
        self.multipath().next()
    }

    /// The paths that share the load, the best first; their next hops differ.
    pub fn multipath(&self) -> impl Iterator<Item = &Path> {
        self.standing(|standing| matches!(standing, Standing::Best | Standing::Multipath(_)))
    }

    /// Every path that could be used, the best first.
    pub fn usable(&self) -> impl Iterator<Item = &Path> {
        self.standing(|standing| !matches!(standing, Standing::Unreachable | Standing::Refused(_)))
    }

    fn standing(&self, wanted: fn(&Standing) -> bool) -> impl Iterator<Item = &Path> {
        let ranked = self.ranked.iter();
        ranked
            .filter(move |ranked| wanted(&ranked.standing))
            .map(|ranked| &ranked.path)
    }
}

/// One path of a [`Selection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The path.
    pub path: Path,
    /// How it stands.
    pub standing: Standing,
}

/// How a path stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// The best.
    Best,
    /// As good as the best but for the tie-breaks: shares the load.
    Multipath(Loss),
    /// Lost to a better one at this step.
    Lost(Loss),
    /// Cannot be used.
    Unreachable,
    /// Kept out on import.
    Refused(Refusal),
}

/// The step of the decision at which a path lost (RFC 4271 section 9.1.2.2, RFC 4456 section 9, RFC 9494
/// section 4.4), in the order of the steps, with its own value and the one that won the step: the best
/// path's, and for MED the lowest among paths of the same neighbouring AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "ours is the loser's value, best the winner's")]
pub enum Loss {
    LongLivedStale,
    LocalPref { ours: u32, best: u32 },
    LocalOrigin,
    AsPathHops { ours: usize, best: usize },
    Origin { ours: Origin, best: Origin },
    Med { ours: u32, best: u32 },
    ExternalPreferred,
    Cost { ours: u32, best: u32 },
    RouterId { ours: RouterId, best: RouterId },
    ClusterListLength { ours: usize, best: usize },
    PeerAddress { ours: IpAddr, best: IpAddr },
    PathId { ours: u32, best: u32 },
}
