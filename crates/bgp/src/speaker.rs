//! The rim: sockets, clock, and the core between them.
//!
//! ```text
//!  listeners ─┐                        ┌─► dial, close
//!  readers ───┼─► loop ─► core ─► effects ┼─► outbox of a connection ─► socket
//!  commands ──┘    ▲        │          └─► cursors into the logs ──────┘
//!                clock      └─► learned: prefix -> next hops
//! ```
//!
//! One task owns the core; a task per connection reads. Whoever has something to write writes it there
//! and then, and leaves a task behind only where a socket is full: a peer that does not read costs a
//! task and a cursor, and nobody waits for it.

mod aggregate;
mod answer;
mod calendar;
mod connection;
mod core;
mod deferral;
mod doors;
mod goodbye;
mod handle;
mod hearing;
mod import;
mod known;
mod learned;
pub mod md5;
mod origin;
mod outbox;
mod pace;
mod peer;
mod reconfigure;
mod record;
pub mod report;
mod restart;
mod rim;
mod scope;
mod sessions;
pub mod socket;
mod spread;
mod telling;
mod territory;

pub use handle::{CommandError, Handle, Started};
pub use learned::{Changes, Learned};
pub use peer::Beginning;
pub use record::Recorder;
pub use rim::{Options, StartError, start};
pub use sessions::{Heard, Sessions};
