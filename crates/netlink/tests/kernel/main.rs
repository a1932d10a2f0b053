//! Every verb against the real kernel, in namespaces that live as long as a file descriptor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fib;
mod links;
mod monitor;
mod namespaces;
mod neighbours;
mod nft;
mod overrun;
mod removal;
mod routes;
mod socket;
mod support;
