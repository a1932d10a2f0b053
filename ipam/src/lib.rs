//! Decides which block a node takes and which address a pod gets, and remembers the latter for
//! this boot.
//!
//! ```text
//!   Pool, blocks taken ──carve──► Prefix                    the agent, then claims it
//!
//!   node.json ──► NodeState ──► Supply ──┐                  agent writes, plugin reads
//!                                        ▼
//!   leases.json ──► Leases ── reserve ► Intent ─ confirm ► Held       ADD
//!        ▲             │                  │ cancel           │ release      DEL
//!        └── rename ───┘                  └────► Cooling ◄───┘
//!     LeaseStore, under leases.lock               └─ rested ─► given again
//!
//!   a pod's interface without a lease ── adopt ► Held
//!   a lease without its interface ── forfeit ► Cooling        the agent, for what DEL and ADD missed
//!
//!   a file that is damaged or lost ── rescue ► what its lines still say, and a Witness of the kernel
//! ```
//!
//! Leases live one boot, as pods do: they lie on tmpfs, stamped with the kernel's boot id, and a
//! file of another boot counts as empty. So no lease outlives its pod, and nothing needs fsync.
//!
//! Decisions are functions of values, with the time an argument. Only [`LeaseStore`],
//! [`NodeState::read`], [`NodeState::write`] and [`BootId::of_this_boot`] touch files. This crate
//! must never ask the API server, know the kernel's links and routes, or depend on an async
//! runtime: the plugin has to work alone.

mod boot;
mod carve;
mod fault;
mod file;
mod lease;
mod leases;
mod node_state;
mod ring;
mod spread;
mod store;
mod supply;
mod version;

pub use boot::{BootId, BootIdError};
pub use carve::carve;
pub use fault::Fault;
pub use file::FileError;
pub use lease::{LONGEST_INTENT, Lease, LeaseKey, LeaseState};
pub use leases::{LeaseError, Leases, Recovered, Request, Rescue, Reservation, Wanted};
pub use node_state::{NodeBlock, NodeBlockState, NodeState, Unusable};
pub use ring::capacity;
pub use store::{LeaseStore, Repair, StoreError, Witness};
pub use supply::{Supply, Usage};
pub use version::{Version1, VersionError};

/// Fields of a file that this release does not know. They survive a rewrite, so that a newer
/// release may add some without losing them to an older one.
pub type Unknown = serde_json::Map<String, serde_json::Value>;
