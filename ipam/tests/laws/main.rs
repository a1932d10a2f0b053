//! The laws of carving, leasing and remembering, held against naive models and hostile files.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod builders;
mod carve;
mod interleavings;
mod lease_rules;
mod lines;
mod naive;
mod node_state;
mod recovery;
mod rescue;
mod store;
