//! The lab: a small world of network namespaces in which everything else is tested.
//!
//! ```text
//!  Topology ──Lab::up──► boxes + links ──► Node ──add_pod──► Pod ──► ping, Traffic
//!   (value)                (kernel)          └─start_agent
//! ```
//!
//! A box is a network, mount, PID and UTS namespace around one process 1; it ends with it, and of a
//! [`Lifetime::Scoped`] lab every box ends with the process that made it, even by `kill -9`. The
//! machine around the boxes sees nothing of them: no link, no named namespace, no mount, no file.
//!
//! Pods are made as a container runtime makes them, by the plugin's own executable. This crate must
//! never mock the kernel; what it tests it runs as executables.
//!
//! Programs of Debian do the rest here, and only here: `ip`, `nsenter`, `ping`, `tcpdump`, and as
//! routers FRR and BIRD.

pub mod bench;
pub mod bgp;
mod binaries;
mod check;
pub mod cluster;
mod cni;
pub mod e2e;
pub mod echo;
mod endpoint;
mod eventually;
mod exec;
pub mod fleet;
pub mod images;
pub mod init;
pub mod kubernetes;
mod lab;
mod lab_box;
mod node;
mod ping;
mod pod;
pub mod preflight;
pub mod probe;
mod process;
mod procs;
mod progress;
mod route_monitor;
mod router;
mod state;
pub mod tables;
pub mod tools;
pub mod topology;
mod traffic;
mod wiring;

pub use binaries::{Binaries, FOLDER_VARIABLE, Gingham};
pub use check::{Check, Report};
pub use cni::{Attachment, CniCall, CniOutcome};
pub use endpoint::Endpoint;
pub use eventually::eventually;
pub use exec::{Exec, Output};
pub use fleet::{Fleet, FleetPlan};
pub use lab::{Lab, Lifetime, Plan, Store};
pub use lab_box::LabBox;
pub use node::{CNI_BIN_DIR, CONFLIST, Node};
pub use ping::PingResult;
pub use pod::Pod;
pub use process::Process;
pub use procs::{Member, ProcessId};
pub use progress::Progress;
pub use route_monitor::RouteMonitor;
pub use router::Router;
pub use state::{STATE_DIR, StateDir};
pub use tools::TOOLS_VARIABLE;
pub use topology::Topology;
pub use traffic::{Count, Flow, Traffic};
