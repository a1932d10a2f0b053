//! The agent's own routes, from what is wanted to what the kernel says.
//!
//! ```text
//!   kernel ──dump──► Table ──┐
//!   Plan ────────────────────┼──► work ──► Add, Replace, Remove ──► kernel ──► read back
//!   Removals, Guard, Fights ─┘      └────► conflicts, held, contested     └──► Standing
//! ```
//!
//! Own are the routes of protocols direct, learned and sink, in the main table. Everything else is
//! foreign to this module, the plugin's routes too: it is looked at and never touched, unless the
//! operator has named its protocol for taking over.

pub mod fights;
pub mod guard;
pub mod reconcile;
pub mod removals;
pub mod standing;
mod step;
pub mod table;
pub mod work;
