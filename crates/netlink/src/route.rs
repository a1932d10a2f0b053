//! Routes: written as changes, read back as the same type.

use crate::error::Error;
use crate::socket::{Request, Socket};
use gingham_model::{
    Change, Family, NextHop, Prefix, Route, RouteKey, RouteProtocol, TABLE_MAIN, Target,
};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Makes or replaces a route: no moment without one (`NLM_F_CREATE | NLM_F_REPLACE`).
///
/// The kernel looks for what to replace by table, prefix, type of service and metric, not by
/// protocol: the caller makes sure that no foreign route stands at this key.
pub fn replace(route: &Route) -> Request {
    request(
        RouteNetlinkMessage::NewRoute,
        "replace",
        route,
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Makes a route where there must be none (`NLM_F_CREATE | NLM_F_EXCL`).
pub fn add(route: &Route) -> Request {
    request(
        RouteNetlinkMessage::NewRoute,
        "add",
        route,
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// A default route of a pod through `gateway`, which needs no connected prefix
/// (`RTNH_F_ONLINK`): the gateway is a permanent neighbour and no address of a subnet.
pub fn add_default_onlink(dev: u32, gateway: IpAddr) -> Request {
    let any: IpAddr = match gateway {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut message = RouteMessage::default();
    message.header.address_family = address_family(Family::of(gateway));
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = netlink_packet_route::route::RouteProtocol::Boot;
    message.header.kind = RouteType::Unicast;
    message.header.flags = RouteFlags::Onlink;
    message
        .attributes
        .push(RouteAttribute::Gateway(gateway.into()));
    message.attributes.push(RouteAttribute::Oif(dev));
    let what = format!("add route {any}/0 via {gateway} on interface {dev}");
    Request::new(
        what,
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Removes a route, provided it is its protocol's: the kernel answers `ESRCH` for another's.
pub fn remove(route: &Route) -> Request {
    let mut message = header(route);
    // Any type and, for IPv4, any scope: key and protocol say enough.
    message.header.kind = RouteType::Unspec;
    message.header.scope = RouteScope::NoWhere;
    let what = format!("remove {}", name(route));
    Request::new(what, RouteNetlinkMessage::DelRoute(message), 0)
}

fn request(
    kind: impl FnOnce(RouteMessage) -> RouteNetlinkMessage,
    verb: &str,
    route: &Route,
    flags: u16,
) -> Request {
    let mut message = header(route);
    message.header.kind = RouteType::Unicast;
    match &route.target {
        Target::Via(hops) if hops.len() == 1 => {
            for hop in hops {
                message
                    .attributes
                    .push(RouteAttribute::Gateway(hop.via.into()));
                message.attributes.push(RouteAttribute::Oif(hop.dev));
            }
        }
        Target::Via(hops) => {
            let hops = hops.iter().map(multipath_hop).collect();
            message.attributes.push(RouteAttribute::MultiPath(hops));
        }
        Target::Link(dev) => {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(*dev));
        }
        Target::Unreachable | Target::Foreign => message.header.kind = RouteType::Unreachable,
    }
    Request::new(format!("{verb} {}", name(route)), kind(message), flags)
}

fn multipath_hop(hop: &NextHop) -> RouteNextHop {
    let mut next_hop = RouteNextHop::default();
    next_hop.interface_index = hop.dev;
    next_hop
        .attributes
        .push(RouteAttribute::Gateway(hop.via.into()));
    next_hop
}

fn header(route: &Route) -> RouteMessage {
    let RouteKey {
        table,
        prefix,
        metric,
    } = route.key;
    let mut message = RouteMessage::default();
    message.header.address_family = address_family(prefix.family());
    message.header.destination_prefix_length = prefix.length();
    message.header.protocol = route.protocol.0.into();
    match u8::try_from(table) {
        Ok(small) => message.header.table = small,
        Err(_) => message.attributes.push(RouteAttribute::Table(table)),
    }
    message
        .attributes
        .push(RouteAttribute::Destination(prefix.address().into()));
    message.attributes.push(RouteAttribute::Priority(metric));
    message
}

fn name(route: &Route) -> String {
    let RouteKey {
        table,
        prefix,
        metric,
    } = route.key;
    match table {
        TABLE_MAIN => format!("route {prefix} metric {metric}"),
        table => format!("route {prefix} metric {metric} table {table}"),
    }
}

fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

impl Socket {
    /// Carries out one change. Removing what is not there, or is another's, is done already.
    ///
    /// # Errors
    /// What the kernel says, with the route named.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::Add(route) => self.run(&[add(route)]),
            Change::Replace(route) => self.run(&[replace(route)]),
            Change::Remove(route) => match self.run(&[remove(route)]) {
                Err(error) if error.errno() == Some(Errno::ESRCH) => Ok(()),
                outcome => outcome,
            },
        }
    }

    /// Every route of a table, of both families and all protocols. Left out are those which our
    /// key cannot tell apart: of a type of service, and the cache's clones.
    ///
    /// # Errors
    /// As every dump.
    pub fn routes(&mut self, table: u32) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for family in Family::ALL {
            let mut message = RouteMessage::default();
            message.header.address_family = address_family(family);
            message.attributes.push(RouteAttribute::Table(table));
            let what = format!("list {family} routes of table {table}");
            let request = Request::new(what, RouteNetlinkMessage::GetRoute(message), 0);
            match self.dump(&request) {
                Ok(messages) => routes.extend(messages.into_iter().filter_map(parse)),
                // A table exists from its first route on.
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routes)
    }
}

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

fn parse(message: RouteNetlinkMessage) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(RouteMessage {
        header, attributes, ..
    }) = message
    else {
        return None;
    };
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
    if let Some(hops) = parts.hops {
        let hops: Option<BTreeSet<NextHop>> = hops.iter().map(next_hop).collect();
        return hops
            .filter(|hops| !hops.is_empty())
            .map_or(Target::Foreign, Target::Via);
    }
    match (parts.gateway, parts.dev) {
        (Some(via), Some(dev)) => Target::Via(BTreeSet::from([NextHop { via, dev }])),
        (None, Some(dev)) => Target::Link(dev),
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

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
