//! What is missing of the datapath of pods that hold their leases.

use super::{At, Datapath, GATEWAY_LENGTH, HostEnd, Whose, pod_route};
use gingham_ipam::{Lease, LeaseState, Leases};
use gingham_model::{Change, Family, MacAddress, Owner, Route, gateway};
use gingham_netlink::{Request, address, link, neighbour, route};
use std::fmt;
use std::net::IpAddr;

/// One thing to be made good on a host end, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The name of the host end.
    pub host_if: String,
    /// Its index.
    pub dev: u32,
    /// `namespace/name` of the pod, where the lease knows it.
    pub pod: String,
    /// What is to be done.
    pub step: Step,
}

/// What is to be done on a host end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Switch it on; with its fall the kernel took everything else off it.
    Up,
    /// Put the pods' IPv6 gateway `fe80::1/64` on it.
    Gateway,
    /// Say for good at which hardware address the pod's address is.
    Neighbour(IpAddr, MacAddress),
    /// Lead the pod's address to it: [`Change::Add`] where no route of ours stands, which a foreign
    /// one in the way lets fail with `EEXIST`; [`Change::Replace`] where only routes of ours stand
    /// and all lead elsewhere; [`Change::Remove`] of one of ours that stands before the right one,
    /// which a replacement would collide with.
    Route(Change),
}

impl Step {
    /// The part of the datapath concerned, in one word.
    pub fn part(&self) -> &'static str {
        match self {
            Step::Up => "link",
            Step::Gateway => "gateway",
            Step::Neighbour(..) => "neighbour",
            Step::Route(_) => "route",
        }
    }
}

impl Repair {
    /// The step as a request to the kernel.
    pub fn request(&self) -> Request {
        let dev = self.dev;
        match &self.step {
            Step::Up => link::set_up(dev),
            Step::Gateway => address::add(dev, gateway(Family::V6), GATEWAY_LENGTH),
            Step::Neighbour(address, mac) => neighbour::set_permanent(dev, *address, *mac),
            Step::Route(Change::Add(route)) => route::add(route),
            Step::Route(Change::Replace(route)) => route::replace(route),
            Step::Route(Change::Remove(route)) => route::remove(route),
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host_if, pod) = (self.host_if.as_str(), self.pod.as_str());
        write!(f, "{}: ", Whose { host_if, pod })?;
        match &self.step {
            Step::Up => f.write_str("switch on"),
            Step::Gateway => write!(f, "add address {}", gateway(Family::V6)),
            Step::Neighbour(address, mac) => write!(f, "set neighbour {address} at {mac}"),
            Step::Route(Change::Add(route)) => write!(f, "add route {}", route.key.prefix),
            Step::Route(Change::Replace(route)) => write!(f, "replace route {}", route.key.prefix),
            Step::Route(Change::Remove(route)) => {
                write!(f, "remove a second route {}", route.key.prefix)
            }
        }
    }
}

/// What is missing of the datapath of every pod whose lease is Held and whose link is there, in
/// the order in which it can be done. An Intent is never touched: its ADD is at work.
pub fn repairs(leases: &Leases, datapath: &Datapath) -> Vec<Repair> {
    let held = leases.live().iter();
    let held = held.filter(|lease| lease.state == LeaseState::Held);
    let with_link = held.filter_map(|lease| Some((lease, datapath.ends.get(&lease.host_if)?)));
    let repairs = with_link.flat_map(|(lease, end)| {
        let steps = steps(lease, end, datapath).into_iter();
        steps.map(|step| Repair {
            host_if: end.name.clone(),
            dev: end.dev,
            pod: lease.pod.clone(),
            step,
        })
    });
    repairs.collect()
}

fn steps(lease: &Lease, end: &HostEnd, datapath: &Datapath) -> Vec<Step> {
    let mut steps = Vec::new();
    if !end.up {
        steps.push(Step::Up);
    }
    if lease.v6.is_some() && !end.gateway {
        steps.push(Step::Gateway);
    }
    for address in lease.addresses() {
        let known = lease.mac != MacAddress::UNKNOWN;
        if known && end.neighbours.get(&address) != Some(&At::Permanent(lease.mac)) {
            steps.push(Step::Neighbour(address, lease.mac));
        }
        let want = pod_route(address, end.dev);
        let standing = datapath
            .routes
            .get(&want.key)
            .map_or(&[][..], Vec::as_slice);
        steps.extend(changes(want, standing).into_iter().map(Step::Route));
    }
    steps
}

/// What makes `want` the route that is used at its key, where those `standing` are.
pub(super) fn changes(want: Route, standing: &[Route]) -> Vec<Change> {
    let foreign = |route: &Route| route.protocol != Owner::Pod.protocol();
    match standing.iter().position(|route| *route == want) {
        Some(0) => Vec::new(),
        _ if standing.is_empty() || standing.iter().any(foreign) => vec![Change::Add(want)],
        Some(before) => standing
            .iter()
            .take(before)
            .cloned()
            .map(Change::Remove)
            .collect(),
        None => vec![Change::Replace(want)],
    }
}
