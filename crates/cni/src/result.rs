//! What ADD has made: our answer, and what the plugins before us have answered (`prevResult`).
//!
//! In memory it has the shape of the newest version. What an older one lacks is left out when it is
//! written ([`AddResult::to_json`]) and absent when it is read ([`AddResult::parse`]).

mod read;
mod write;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use gingham_model::{MacAddress, Prefix};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// The result of an ADD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddResult {
    /// The interfaces, on the host and in the container.
    pub interfaces: Vec<Interface>,
    /// The addresses.
    pub ips: Vec<IpConfig>,
    /// The routes in the container.
    pub routes: Vec<RouteConfig>,
    /// `dns`, as another plugin has given it; ours says nothing of it.
    pub dns: Option<Value>,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name where it stands.
    pub name: String,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<MacAddress>,
    /// Its MTU in bytes; since 1.1.0.
    pub mtu: Option<u32>,
    /// `CNI_NETNS` as it was given, for an interface in the container; `None` on the host, where
    /// chained plugins such as `portmap` look for it.
    pub sandbox: Option<String>,
    /// What else another plugin says of it: `socketPath`, `pciID`, a `mac` that is longer.
    pub others: Map<String, Value>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// The address and its prefix length in bits; `10.64.3.5/32` in the document.
    pub address: (IpAddr, u8),
    /// The default gateway for it.
    pub gateway: Option<IpAddr>,
    /// Position of its interface in [`AddResult::interfaces`].
    pub interface: Option<usize>,
}

/// A route in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// The destination.
    pub dst: Prefix,
    /// The next hop; the address's gateway without one.
    pub gw: Option<IpAddr>,
    /// The path MTU in bytes; since 1.1.0, like all that follow.
    pub mtu: Option<u32>,
    /// The greatest TCP segment to announce, in bytes.
    pub advmss: Option<u32>,
    /// The metric: the lower wins.
    pub priority: Option<u32>,
    /// The routing table.
    pub table: Option<u32>,
    /// The scope: 0 global, 253 link, 254 host.
    pub scope: Option<u32>,
}

impl RouteConfig {
    /// A route without the attributes of 1.1.0.
    pub fn new(dst: Prefix, gw: Option<IpAddr>) -> Self {
        RouteConfig {
            dst,
            gw,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
        }
    }
}

impl AddResult {
    /// This result behind that of the plugins before: nothing of theirs is lost but an
    /// `interface` that names none: it would come to name one of the other result.
    #[must_use]
    pub fn chained_after(self, prev: AddResult) -> AddResult {
        let before = prev.interfaces.len();
        let theirs = prev.ips_moved_by(0);
        let ours = self.ips_moved_by(before);
        AddResult {
            ips: [theirs, ours].concat(),
            interfaces: [prev.interfaces, self.interfaces].concat(),
            routes: [prev.routes, self.routes].concat(),
            dns: prev.dns.or(self.dns),
        }
    }

    /// The addresses, with `places` more interfaces before theirs.
    fn ips_moved_by(&self, places: usize) -> Vec<IpConfig> {
        let moved = |ip: &IpConfig| IpConfig {
            interface: ip
                .interface
                .filter(|at| *at < self.interfaces.len())
                .map(|at| at + places),
            ..ip.clone()
        };
        self.ips.iter().map(moved).collect()
    }
}
