//! The pods' datapath on the host: what the plugin made for each pod, and whether it stands.
//!
//! ```text
//!   kernel ──links, addresses, neighbours, routes──► Datapath ──┬─► repairs ──► mend ──► kernel
//!                                                               │     at once
//!   leases.json, read after the kernel ────────────► Leases ────┴─► Audit ──► Settlement ──► both
//!                                                                     seen twice
//! ```
//!
//! The plugin changes both sides without asking: ADD writes its intent, makes the link, and then
//! makes the lease Held; DEL removes the link, and then releases the lease. So whoever looks reads
//! the kernel first, links before all else, and the leases after it. In this order a link without a
//! lease is none that an ADD is just making, and a repair never meets the next link of that name.
//! What remains to be mistaken is an end whose DEL came between, and a lease just confirmed: a
//! repair of the one finds no device, of the other everything in place, and [`Audit`] looks twice.
//!
//! Everything here is a function of values, but for `mend` and `Settlement`, which do as they are
//! told.

mod apply;
mod audit;
mod repair;
mod witness;

pub use apply::{SettleError, Settled, Settlement, mend};
pub use audit::{Audit, Finding, SPACING};
pub use repair::{Repair, Step, repairs};
pub use witness::Kernel;

use crate::links::is_link_local;
use gingham_model::{
    Family, MacAddress, Owner, POD_LINK_GROUP, POD_LINK_PREFIX, Prefix, Route, RouteKey, Target,
    gateway,
};
use gingham_netlink::{Address, Link, Neighbour};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// Length of the connected prefix of the gateway's IPv6 address on a host end.
const GATEWAY_LENGTH: u8 = 64;

/// At which hardware address a neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Set for good, as the plugin does.
    Permanent(MacAddress),
    /// Learned by asking: it expires.
    Learned(MacAddress),
}

impl At {
    /// The hardware address, either way.
    pub fn mac(self) -> MacAddress {
        match self {
            At::Permanent(mac) | At::Learned(mac) => mac,
        }
    }
}

/// The host's end of a pod's veth pair, with what lies on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEnd {
    /// Its index.
    pub dev: u32,
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Its alias: `namespace/pod ifname` where the runtime told the pod.
    pub alias: Option<String>,
    /// Whether the pods' IPv6 gateway `fe80::1/64` is on it.
    pub gateway: bool,
    /// What addresses are known to be behind it; link-local and multicast ones are left out.
    pub neighbours: BTreeMap<IpAddr, At>,
    /// Addresses with the plugin's own host route onto it: protocol 200, metric 10.
    pub routes: BTreeSet<IpAddr>,
}

impl HostEnd {
    /// The pod's address of this family, as far as the kernel tells: by its host route, or by its
    /// permanent neighbour when a foreign hand took the route away.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        let routed = || self.routes.iter().filter(|a| Family::of(**a) == family);
        let permanent = || {
            let of = self
                .neighbours
                .iter()
                .filter(move |(a, _)| Family::of(**a) == family);
            of.filter_map(|(address, at)| matches!(at, At::Permanent(_)).then_some(address))
        };
        let both = routed().find(|routed| permanent().any(|other| other == *routed));
        let either = both.or_else(|| routed().next());
        either.or_else(|| permanent().next()).copied()
    }

    /// The hardware address at which one of these addresses is known to be.
    fn mac_of(&self, addresses: &[IpAddr]) -> Option<MacAddress> {
        let known = addresses.iter().find_map(|a| self.neighbours.get(a));
        known.map(|at| at.mac())
    }
}

/// Everything of the pods that the kernel has on the host's side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datapath {
    /// Host ends by name.
    pub ends: BTreeMap<String, HostEnd>,
    /// The plugin's routes, and all others that stand at the key of such a route, in the kernel's
    /// order: of several at one key the first is used.
    pub routes: BTreeMap<RouteKey, Vec<Route>>,
}

impl Datapath {
    /// From dumps of the kernel, made in this order. `routes` are all of the main table: a foreign
    /// route that stands before a pod's own shows nowhere else.
    pub fn new(
        links: &[Link],
        addresses: &[Address],
        neighbours: &[Neighbour],
        routes: &[Route],
    ) -> Self {
        let mut ends: BTreeMap<u32, HostEnd> = links
            .iter()
            .filter(|link| link.group == POD_LINK_GROUP && link.name.starts_with(POD_LINK_PREFIX))
            .map(|link| (link.index, host_end(link)))
            .collect();
        for address in addresses {
            if let Some(end) = ends.get_mut(&address.dev) {
                let (wanted, length) = (gateway(Family::V6), GATEWAY_LENGTH);
                end.gateway |= address.address == wanted && address.length == length;
            }
        }
        for neighbour in neighbours {
            if let (Some(end), Some(at)) = (ends.get_mut(&neighbour.dev), at(neighbour)) {
                end.neighbours.insert(neighbour.address, at);
            }
        }
        let mut pods: BTreeMap<RouteKey, Vec<Route>> = BTreeMap::new();
        for route in routes.iter().filter(|route| concerns_pods(route)) {
            if let Some((address, dev)) = onto(route)
                && let Some(end) = ends.get_mut(&dev)
            {
                end.routes.insert(address);
            }
            pods.entry(route.key).or_default().push(route.clone());
        }
        Datapath {
            ends: ends.into_values().map(|e| (e.name.clone(), e)).collect(),
            routes: pods,
        }
    }
}

fn host_end(link: &Link) -> HostEnd {
    HostEnd {
        dev: link.index,
        name: link.name.clone(),
        up: link.up,
        alias: link.alias.clone(),
        gateway: false,
        neighbours: BTreeMap::new(),
        routes: BTreeSet::new(),
    }
}

/// Where a neighbour is that can be a pod: not the kernel's own mapping of a multicast address, nor
/// the other end of the link itself.
fn at(neighbour: &Neighbour) -> Option<At> {
    let mac = neighbour.mac?;
    if neighbour.address.is_multicast() || is_link_local(neighbour.address) {
        return None;
    }
    Some(match neighbour.permanent {
        true => At::Permanent(mac),
        false => At::Learned(mac),
    })
}

/// Whether a route is the plugin's, or could be in the way of one.
fn concerns_pods(route: &Route) -> bool {
    let prefix = route.key.prefix;
    let is_host = prefix.length() == prefix.family().bits();
    route.protocol == Owner::Pod.protocol() || (is_host && route.key == Owner::Pod.key(prefix))
}

/// The address and the interface of a route that is just as the plugin makes them.
fn onto(route: &Route) -> Option<(IpAddr, u32)> {
    let Target::Link(dev) = route.target else {
        return None;
    };
    let address = route.key.prefix.address();
    (*route == pod_route(address, dev)).then_some((address, dev))
}

/// The plugin's route to a pod's address.
fn pod_route(address: IpAddr, dev: u32) -> Route {
    Route::of(Owner::Pod, Prefix::host(address), Target::Link(dev))
}

/// A host end and its pod, where it is known, in a message.
struct Whose<'a> {
    host_if: &'a str,
    pod: &'a str,
}

impl fmt::Display for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose { host_if, pod: "" } => f.write_str(host_if),
            Whose { host_if, pod } => write!(f, "{host_if} of pod {pod}"),
        }
    }
}
