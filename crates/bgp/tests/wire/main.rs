//! Messages there and back, packed and malformed. As other decoders read them: integration's bgp_codecs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod malformed;
mod notification;
mod packing;
mod robust;
mod round_trip;
mod strategies;
