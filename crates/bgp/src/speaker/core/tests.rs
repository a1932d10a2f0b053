//! Cores without sockets: several joined by a network that is simulated, or one with peers by hand.

mod lab;
mod listing;
mod world;

mod aggregate;
mod deferral;
mod dynamic;
mod import;
mod laws;
mod model;
mod reconfigure;
mod reflection;
mod refresh;
mod restart;
mod sessions;
mod territory;
