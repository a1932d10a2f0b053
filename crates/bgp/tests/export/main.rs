//! What peers are told, and in which bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod given;
mod memory;
mod model;
mod oracle;
mod outgoing;
mod packing;
mod replay;
