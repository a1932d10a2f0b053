//! The agent's own routes, from what is wanted to what the kernel says.
//!
//! ```text
//!   kernel ──dump──► Table ──┐
//!   Plan ────────────────────┼──► work ──► Add, Replace, Remove ──► kernel ──► read back
//!   Guard, Fights ───────────┘      └────► conflicts, held, contested     └──► Standing
//! ```
//!
//! Own are the routes of protocols direct and sink, in the main table. Everything else is foreign
//! to this module, the plugin's and BGP's routes too: it is looked at and never touched, unless the
//! operator has named its protocol for taking over.

pub mod fights;
pub mod guard;
pub mod reconcile;
pub mod standing;
pub mod table;
pub mod work;
