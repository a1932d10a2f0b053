//! The session machine, seen from outside: events in, actions out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bench;
mod chaos;
mod collision;
mod life;
mod negotiation;
mod network;
mod open;
mod pair;
mod recording;
mod retention;
mod timers;
