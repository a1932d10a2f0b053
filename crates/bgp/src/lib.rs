//! The BGP speaker: sessions with peers, the RIB they fill, and what is told to whom.
//!
//! ```text
//!             bytes                events                 paths
//!  peer ───► wire ───► session ───► core ───► rib ───► export ───► segments ───► peers
//!             (only                (one writer)  │     (one encoded log per
//!              codec)                            │      update group, a cursor
//!                     policy: import ────────────┴──── export    per peer)
//!
//!  ───────────────── pure: values in, values out, time is an argument ─────────────────
//!  speaker: the rim. tokio sockets, listener, clock; it decides nothing.
//! ```
//!
//! * [`wire`] alone names the codec crate; the rest sees the types of this crate.
//! * [`session`] is the state machine of one neighbour, both of its connections included.
//! * [`rib`] holds every path and says which is best, which share the load, and why the others lost.
//! * [`policy`] is filters as data.
//! * [`export`] turns best paths into messages, once for all peers that would get the same bytes.
//! * [`speaker`] joins them and does the I/O.
//!
//! This crate must never touch kernel routes or a cluster's API: it exchanges prefixes with peers and
//! hands the result to whoever asked.

pub mod attributes;
pub mod config;
pub mod export;
mod moment;
mod number;
pub mod policy;
pub mod rib;
pub mod session;
pub mod speaker;
pub mod wire;

pub use moment::Moment;
pub use number::{Asn, Nlri, PeerId, RouterId};
