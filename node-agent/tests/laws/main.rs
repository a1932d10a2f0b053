//! Laws of the pure parts: parsing, index, plan, claims, and what a round would change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod ask;
mod bgp;
mod check;
mod claim;
mod cluster;
mod crd;
mod custody;
mod explain;
mod filters;
mod firewall;
mod give_back;
mod install;
mod interest;
mod listing;
mod make;
mod manifest;
mod peers;
mod plan;
mod pod_cidrs;
mod pods;
mod recall;
mod reconcile;
mod report;
mod retained;
mod sample;
mod screen;
mod sysctls;
