//! The RIB and its decision: against the naive one, and case by case.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod changes;
mod given;
mod med;
mod model;
mod multipath;
mod reasons;
mod streams;
