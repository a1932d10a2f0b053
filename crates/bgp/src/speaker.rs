//! The rim: sockets, clock, and the core between them.

pub mod md5;
pub mod socket;
