//! From best paths to messages: once for all peers that would get the same bytes.
//!
//! ```text
//!              Profile ── equal ones are one ──► Group { what members were told, log }
//!  Selection ──► outgoing(profile, path) ──► packed frames ──► Segment ──► Segment ──► ...
//!                                                                 ▲           ▲
//!                                                              Cursor      Cursor    (one per peer)
//! ```
//!
//! The [`Group`] belongs to whoever owns the RIB. A [`Cursor`] belongs to whoever writes to the peer and
//! may live in another task: segments never change once written, and the cursor's place in them is
//! under a lock that either side holds for the time of one slice.

mod cursor;
mod group;
mod log;
mod outgoing;
mod pack;
mod segment;
mod table;

pub use cursor::{Borders, Cursor};
pub use group::Group;
pub use outgoing::outgoing;

use crate::policy::Filter;
use crate::wire::Codec;
use crate::{Asn, PeerId, RouterId};
use gingham_model::Family;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything about a peer that changes the bytes it is sent. Peers with equal profiles share a group;
/// what is not in here cannot differ between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The family; each has groups of its own.
    pub family: Family,
    /// What the peer is to us.
    pub audience: Audience,
    /// How messages are written.
    pub codec: Codec,
    /// The most paths per prefix; more than one only with Add-Path.
    pub paths: u8,
    /// The address that stands for us as a next hop, where one of the family is known.
    pub own_next_hop: Option<IpAddr>,
    /// What becomes of next hops.
    pub next_hop: crate::config::NextHopMode,
    /// Whether the peer understands long-lived stale routes (RFC 9494 section 4.3).
    pub long_lived: bool,
    /// The filter on the way out; `None` passes everything, and nothing to external peers (RFC 8212).
    pub filter: Option<Arc<Filter>>,
}

/// What a peer is to us on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// A client of our reflection.
    Client {
        /// Our cluster.
        cluster: RouterId,
    },
    /// An internal peer that is not a client.
    Internal {
        /// Our cluster, put into reflected paths.
        cluster: RouterId,
    },
    /// A peer in another AS.
    External {
        /// Our AS, put in front of paths.
        local_asn: Asn,
        /// The peer's.
        peer_asn: Asn,
    },
}

/// Whose a frame is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Readers {
    /// Every member's.
    All,
    /// Every member's but this one: the paths are its own.
    AllBut(PeerId),
    /// This one's alone: what it was told gave way to its own.
    Only(PeerId),
}
