//! Real BGP speakers on one Ethernet segment, each in a box of its own.
//!
//! ```text
//!  Speaker ──Peer::start──► a daemon in a Host     tables, sessions ──► Table, Session
//!  (value)                  BIRD, FRR, OpenBGPD,                        (values, alike for all)
//!                           GoBGP or ours
//! ```
//!
//! One neutral description says what a speaker is; each daemon's module turns it into that daemon's
//! configuration, and its answers back into neutral values. So a scenario is written once and runs
//! against every peer.

mod bird;
pub mod endpoint;
pub mod frame;
mod frr;
mod gobgp;
mod openbgpd;
mod ours;
mod peer;
mod plan;
pub mod raw;
mod table;
mod world;

pub use peer::{Kind, Peer, Session};
pub use plan::{AddPath, AsnWidth, Dial, Neighbour, Origin, Range, Restart, Role, Speaker, Ttl};
pub use table::{Community, Path, Table};
pub use world::{Host, World};
