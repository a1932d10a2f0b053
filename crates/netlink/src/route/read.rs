//! What the kernel says of a route, in our words.

use gingham_model::{NextHop, Prefix, Route, RouteKey, RouteProtocol, Target};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteScope, RouteType,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The parts of a route message that decide what we make of it.
#[derive(Default)]
struct Parts {
    table: Option<u32>,
    destination: Option<IpAddr>,
    metric: u32,
    gateway: Option<IpAddr>,
    dev: Option<u32>,
    hops: Option<Vec<RouteNextHop>>,
    foreign: bool,
}

/// What a route message says; `None` for what our key cannot tell apart, and for other families.
pub(crate) fn read(message: RouteMessage) -> Option<Route> {
    let RouteMessage {
        header, attributes, ..
    } = message;
    if header.tos != 0 || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let parts = parts(attributes);
    let any: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let address = parts.destination.unwrap_or(any);
    let prefix = Prefix::containing(address, header.destination_prefix_length).ok()?;
    let key = RouteKey {
        table: parts.table.unwrap_or_else(|| header.table.into()),
        prefix,
        metric: parts.metric,
    };
    let protocol = RouteProtocol(header.protocol.into());
    Some(Route {
        key,
        protocol,
        target: target(&header, parts),
    })
}

fn parts(attributes: Vec<RouteAttribute>) -> Parts {
    let mut parts = Parts::default();
    for attribute in attributes {
        match attribute {
            RouteAttribute::Table(table) => parts.table = Some(table),
            RouteAttribute::Destination(address) => parts.destination = ip(&address),
            RouteAttribute::Priority(metric) => parts.metric = metric,
            RouteAttribute::Gateway(address) => parts.gateway = ip(&address),
            RouteAttribute::Oif(dev) => parts.dev = Some(dev),
            RouteAttribute::MultiPath(hops) => parts.hops = Some(hops),
            // What none of our routes has. IPv6 prints metrics and preference of every route, so
            // metrics count only when there are any.
            RouteAttribute::Metrics(metrics) => parts.foreign |= !metrics.is_empty(),
            RouteAttribute::PrefSource(_)
            | RouteAttribute::Via(_)
            | RouteAttribute::Encap(_)
            | RouteAttribute::NhId(_)
            | RouteAttribute::Source(_) => parts.foreign = true,
            _ => {}
        }
    }
    parts
}

fn target(header: &RouteHeader, parts: Parts) -> Target {
    match header.kind {
        RouteType::Unreachable => return Target::Unreachable,
        RouteType::Unicast => {}
        _ => return Target::Foreign,
    }
    if parts.foreign || header.flags.contains(RouteFlags::Onlink) {
        return Target::Foreign;
    }
    let is_v6 = header.address_family == AddressFamily::Inet6;
    if let Some(hops) = parts.hops {
        let hops: Option<Vec<NextHop>> = hops.iter().map(next_hop).collect();
        // IPv4 keeps them in the order given and wants it again for a removal; ours ascend.
        let ours = hops.filter(|hops| is_v6 || hops.is_sorted_by(|one, next| one < next));
        return ours
            .filter(|hops| !hops.is_empty())
            .map_or(Target::Foreign, |hops| {
                Target::Via(hops.into_iter().collect())
            });
    }
    match (parts.gateway, parts.dev) {
        (Some(via), Some(dev)) => Target::Via(NextHop { via, dev }.into()),
        // IPv6 knows no scopes and prints 0 for all.
        (None, Some(dev)) if header.scope == RouteScope::Link || is_v6 => Target::Link(dev),
        _ => Target::Foreign,
    }
}

/// A next hop of a multipath route; `None` when it has what ours have not: a weight, `onlink`, or
/// no gateway.
fn next_hop(hop: &RouteNextHop) -> Option<NextHop> {
    if hop.hops != 0 || hop.flags.contains(RouteNextHopFlags::Onlink) {
        return None;
    }
    let via = hop
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Gateway(address) => ip(address),
            _ => None,
        })?;
    Some(NextHop {
        via,
        dev: hop.interface_index,
    })
}

pub(crate) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
