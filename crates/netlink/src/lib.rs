//! The kernel, synchronously: makes it so, and says what it is.
//!
//! ```text
//!   link::create_veth(..)  ┐
//!   address::add(..)       │ Request: one message and what to call it in an error
//!   neighbour::set(..)     ├──────────► Socket::run, run_each ──► one ACK each
//!   route::replace(..)     ┘
//!   Change (of routes) ───────────────► Socket::apply
//!                  links, addresses, neighbours, routes ◄── Socket::dump (strict, retried)
//!   an address ───────────────────────► Socket::route_to ──► the route that takes it
//!
//!                         Notice { op, object, port } ◄── Monitor     what changes, at once
//!                                   names of tables   ◄── NftMonitor
//!
//!   Netns::visit(|| Socket::open(..))   a socket stays where it was opened
//! ```
//!
//! A request is a value made without the kernel; [`Socket`] is the only thing that asks something of
//! it. It matches sequence and port, wants an ACK for everything, keeps the kernel's own words for
//! an error, takes an interrupted dump for what it is, and waits no longer than it was told. The
//! monitors only listen, and never wait.
//!
//! This crate must not decide anything: what should be so is the caller's. It knows of no async
//! runtime; a call takes microseconds.

pub mod address;
mod error;
pub mod fib;
pub mod link;
mod listener;
pub mod monitor;
pub mod neighbour;
mod netns;
pub mod nft;
pub mod route;
mod socket;
pub mod sysctl;

pub use address::Address;
pub use error::{Cause, Error};
pub use link::Link;
pub use monitor::Monitor;
pub use neighbour::Neighbour;
pub use netns::{Netns, NetnsError, NetnsId};
pub use nft::NftMonitor;
pub use socket::{Request, Socket};
