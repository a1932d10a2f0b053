//! The agent of a node: keeps the node's routes true, and tells the CNI plugin what it may give
//! out.
//!
//! ```text
//!   store (YAML files) ──Event──► cluster ──┐
//!                                           ├──► plan ──► routes ──► kernel ──► read back
//!   kernel ──links, addresses──► links ─────┘      │                               │
//!                                                  └──► node.json, once the sinks are there
//!   leases.json, host ends ──► pods ──► kernel, leases.json
//!   pools, blocks ──► firewall ──► nft
//!   leases.json ──usage──► claim, give_back ──Block──► store
//!   Blocks of nodes that are gone ──► custody ──Block──► store     on reflectors
//!   cluster, keys ──► bgp ──► speaker (crates/bgp) ──Learned──► plan
//!   cluster ──saved──► memory (cluster.json) ──remember──► cluster, after a start
//!
//!   kernel ──Notice──► ear ──interest──► Dirty ──schedule──► agent (the loop)
//!   agent ──Known──► http, metrics ◄── client ◄── `status`, `routes`, `diff`, `plan`, `explain`
//!   BGP speaker ──ask──► http, metrics ◄── client ◄── `peers`, `rib`, `explain`
//!   check ◄── host ◄── cleanup                             before an agent, and after the last one
//! ```
//!
//! Pure, functions of values: `belief`, `manifest`, `selector`, `source`, `since`, `cluster`, `screen`, `plan`,
//! `claim`, `custody`, `retained`, `rollback`, `give_back`, `links`, `interest`, `firewall`, `pods`, most of `bgp`, `routes` but for
//! `routes::reconcile`, `schedule`, `snapshot`, `table`, `sample`, `explain` but for its look at the
//! kernel. Everything that happens is a reason to look again, never an order: the same state of the
//! world gives the same routes, by whatever way it came about.
//!
//! The agent must never touch a route that is not its own, remove one while it does not know
//! everything, or be needed for a pod to start: what it has told the plugin holds without it.

pub mod agent;
pub mod ask;
pub mod belief;
pub mod bgp;
pub mod check;
pub mod claim;
mod claiming;
pub mod cleanup;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod conf;
pub mod config;
pub mod crd;
pub mod custody;
pub mod dirty;
mod ear;
pub mod explain;
pub mod firewall;
pub mod give_back;
mod giving_back;
pub mod http;
pub mod install;
pub mod interest;
mod journal;
pub mod links;
pub mod managers;
pub mod manifest;
pub mod memory;
mod metrics;
pub mod nft;
pub mod objects;
pub mod pass;
pub mod plan;
pub mod pods;
pub mod pools;
pub mod privileges;
pub mod rehearsal;
pub mod report;
pub mod retained;
pub mod rollback;
pub mod routes;
pub mod run_dir;
pub mod sample;
pub mod schedule;
pub mod screen;
pub mod selector;
pub mod since;
pub mod snapshot;
pub mod source;
pub mod status;
pub mod store;
pub mod sysctls;
pub mod table;
