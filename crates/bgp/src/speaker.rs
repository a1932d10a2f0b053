//! The rim: sockets, clock, and the core between them.
