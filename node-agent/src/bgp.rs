//! BGP on this node: with whom it is spoken, what is said, and what of the answers becomes routes.
//!
//! ```text
//!   Cluster ──► part ──► derive ──► Config ──► speaker (crates/bgp) ──► Learned ──► plan
//!                 ▲        ▲  ▲                   │
//!               kept ──────┘  └── keys, peers,    └──Sessions──► hearing: may what nobody said go?
//!                                 filters
//! ```
//!
//! Pure but for `keys` (reads files), `presence` (looks for one), `keyring`, `running` and `speaker` (the rim).

pub mod connected;
pub mod derive;
pub mod filters;
pub mod hearing;
pub mod kept;
pub(crate) mod keyring;
pub mod keys;
pub mod learned;
pub mod part;
pub mod peers;
pub mod presence;
mod running;
pub(crate) mod speaker;
