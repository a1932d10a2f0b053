//! Routes: written as changes, read back as the same type.

mod read;

pub(crate) use read::{ip, read};

use crate::error::Error;
use crate::socket::{Request, Socket};
use gingham_model::{Change, Family, NextHop, Route, RouteKey, RouteProtocol, TABLE_MAIN, Target};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `RTPROT_UNSPEC` of `linux/rtnetlink.h`: in a dump, any protocol.
const RTPROT_UNSPEC: u8 = 0;

/// `LOOPBACK_IFINDEX` of `net/flow.h`: the index of `lo` in every namespace.
const LOOPBACK_IFINDEX: u32 = 1;

/// Makes or replaces a route: no moment without one (`NLM_F_CREATE | NLM_F_REPLACE`).
///
/// The kernel looks for what to replace by table, prefix, type of service and metric, not by
/// protocol: the caller makes sure that no foreign route stands at this key.
pub fn replace(route: &Route) -> Request {
    new("replace", route, NLM_F_CREATE | NLM_F_REPLACE)
}

/// Makes a route where there must be none of its key, whoever's it be
/// (`NLM_F_CREATE | NLM_F_EXCL`): else the kernel answers `EEXIST`.
pub fn add(route: &Route) -> Request {
    new("add", route, NLM_F_CREATE | NLM_F_EXCL)
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

/// Removes exactly this route: the kernel answers `ESRCH` when it is not there, is another
/// protocol's, or leads elsewhere.
///
/// Several routes may have one key, after an `ip route append`. The kernel takes the first that fits
/// what the request says, so that the request says all it can (`fib_nh_match` of IPv4,
/// `ip6_route_del`). Limits remain. IPv4 compares only as many next hops as the route it looks at
/// has: where several are given, a route through just the first of them fits as well. IPv6 takes
/// the given next hops away one by one and leaves others, which may be another protocol's; and for
/// a route onto a link one through a router on that link fits as well.
///
/// For [`Target::Foreign`] key and protocol must do.
pub fn remove(route: &Route) -> Request {
    let mut message = header(route);
    // Any type and, for IPv4, any scope.
    message.header.kind = RouteType::Unspec;
    message.header.scope = RouteScope::NoWhere;
    match &route.target {
        Target::Foreign => {}
        // A single next hop is listed too: as RTA_GATEWAY it would match the first of many.
        Target::Via(hops) => {
            message.header.kind = RouteType::Unicast;
            message.attributes.push(multipath(hops));
        }
        target => aim(&mut message, target),
    }
    // IPv6 does not compare types, but keeps what leads nowhere on the loopback interface.
    if route.target == Target::Unreachable && route.key.prefix.family() == Family::V6 {
        message
            .attributes
            .push(RouteAttribute::Oif(LOOPBACK_IFINDEX));
    }
    let what = format!("remove {}", name(route));
    Request::new(what, RouteNetlinkMessage::DelRoute(message), 0)
}

fn new(verb: &str, route: &Route, flags: u16) -> Request {
    let mut message = header(route);
    aim(&mut message, &route.target);
    let what = format!("{verb} {}", name(route));
    Request::new(what, RouteNetlinkMessage::NewRoute(message), flags)
}

/// Says where the route leads.
fn aim(message: &mut RouteMessage, target: &Target) {
    message.header.kind = RouteType::Unicast;
    match target {
        Target::Via(hops) => match hops.first() {
            Some(hop) if hops.len() == 1 => {
                let gateway = RouteAttribute::Gateway(hop.via.into());
                message.attributes.push(gateway);
                message.attributes.push(RouteAttribute::Oif(hop.dev));
            }
            _ => message.attributes.push(multipath(hops)),
        },
        Target::Link(dev) => {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(*dev));
        }
        Target::Unreachable | Target::Foreign => message.header.kind = RouteType::Unreachable,
    }
}

fn multipath(hops: &[NextHop]) -> RouteAttribute {
    RouteAttribute::MultiPath(hops.iter().map(multipath_hop).collect())
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

pub(crate) fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

impl Socket {
    /// Carries out changes in order and says of each how it ended; one that fails does not stop the
    /// others. Removing what is not there, or is not as given, is done already. As
    /// [`Socket::run_each`].
    pub fn apply(&mut self, changes: &[Change]) -> Vec<Result<(), Error>> {
        let requests: Vec<Request> = changes.iter().map(request).collect();
        let outcomes = self.run_each(&requests).into_iter().zip(changes);
        let settled = outcomes.map(|(outcome, change)| match (change, outcome) {
            (Change::Remove(_), Err(error)) if error.errno() == Some(Errno::ESRCH) => Ok(()),
            (_, outcome) => outcome,
        });
        settled.collect()
    }

    /// As [`Socket::apply`], and reads back each route that was made or replaced, by the kernel's echo
    /// of that very change: the route as the kernel has it now. `None` for a removal.
    pub fn apply_and_read(&mut self, changes: &[Change]) -> Vec<Result<Option<Route>, Error>> {
        let requests: Vec<Request> = changes.iter().map(request).collect();
        let outcomes = self.run_each_echoed(&requests).into_iter().zip(changes);
        let read = outcomes.map(|(outcome, change)| match (change, outcome) {
            (Change::Remove(_), Err(error)) if error.errno() == Some(Errno::ESRCH) => Ok(None),
            (_, outcome) => {
                outcome.map(|messages| messages.into_iter().filter_map(parse).next_back())
            }
        });
        read.collect()
    }

    /// Every route of a table, of both families and all protocols, in the kernel's order: several
    /// of one key stand side by side, the one in use first. Left out are those which our key cannot
    /// tell apart: of a type of service, and the cache's clones.
    ///
    /// # Errors
    /// As every dump.
    pub fn routes(&mut self, table: u32) -> Result<Vec<Route>, Error> {
        self.list(table, RouteProtocol(RTPROT_UNSPEC))
    }

    /// As [`Socket::routes`], of one protocol: the kernel leaves the others out (`rtm_protocol` of
    /// a strictly checked dump), which makes it cheap however many they are.
    ///
    /// # Errors
    /// As every dump.
    pub fn routes_of(&mut self, table: u32, protocol: RouteProtocol) -> Result<Vec<Route>, Error> {
        self.list(table, protocol)
    }

    fn list(&mut self, table: u32, protocol: RouteProtocol) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for family in Family::ALL {
            let mut message = RouteMessage::default();
            message.header.address_family = address_family(family);
            message.header.protocol = protocol.0.into();
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

fn request(change: &Change) -> Request {
    match change {
        Change::Add(route) => add(route),
        Change::Replace(route) => replace(route),
        Change::Remove(route) => remove(route),
    }
}

fn parse(message: RouteNetlinkMessage) -> Option<Route> {
    match message {
        RouteNetlinkMessage::NewRoute(message) => read(message),
        _ => None,
    }
}
