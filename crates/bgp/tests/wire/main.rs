//! Messages there and back, packed, malformed, and as other decoders read them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod malformed;
mod notification;
mod oracles;
mod packing;
mod robust;
mod round_trip;
mod strategies;
