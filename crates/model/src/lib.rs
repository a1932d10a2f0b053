//! The vocabulary of Gingham: what a prefix, a zone, a block and a route are, and how two sets of
//! routes differ.
//!
//! ```text
//!            Pool ──carve──► Block ──give──► Lease        (crate gingham-ipam)
//!              │                │
//!             Zone           NodeName
//!                               │
//!   want: RouteSet ──diff──► [Change] ──apply──► kernel   (crate gingham-netlink)
//!   have: RouteSet ──┘
//! ```
//!
//! Everything here is a value. This crate must never do I/O, ask for the time, or know of an async
//! runtime; whoever parses outside text does it with the types here, so that a value which exists
//! is a value which is valid.

mod cluster;
mod diff;
mod family;
mod mac;
mod name;
mod pod;
mod prefix;
mod route;

pub use cluster::{
    Aggregate, Block, BlockSize, BlockState, CidrState, Pool, PoolCidr, PoolError, PoolSpec,
};
pub use diff::{Change, diff};
pub use family::Family;
pub use mac::{MacAddress, MacAddressError};
pub use name::{NameError, NodeName, PeerName, PoolName, RouteFilterName, SecretName, Zone};
pub use pod::{HOST_MAC, POD_LINK_GROUP, POD_LINK_PREFIX, gateway};
pub use prefix::{Prefix, PrefixError};
pub use route::{
    NextHop, NextHops, Owner, Route, RouteKey, RouteProtocol, RouteSet, TABLE_MAIN, Target,
};
