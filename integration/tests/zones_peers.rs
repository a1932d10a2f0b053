//! What other speakers may say, and what the objects say about them: refusals, filters, peers, keys, and
//! what the agent answers when it is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

#[path = "zones_peers/hand.rs"]
mod hand;
#[path = "zones_peers/keys.rs"]
mod keys;
#[path = "zones_peers/objects.rs"]
mod objects;
#[path = "zones_peers/questions.rs"]
mod questions;
#[path = "zones_peers/refused.rs"]
mod refused;
mod world;
