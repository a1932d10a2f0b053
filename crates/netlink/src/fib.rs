//! Where the kernel would send a packet, and by which routes it could: whoever's they are.

use crate::error::{Cause, Error};
use crate::route::{self, address_family};
use crate::socket::{Request, Socket};
use gingham_model::{Family, Prefix, RouteKey, RouteProtocol};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use std::net::IpAddr;

/// A route of anybody's as the kernel goes by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What identifies it.
    pub key: RouteKey,
    /// Whose it is.
    pub protocol: RouteProtocol,
    /// Where it leads.
    pub leads: Leads,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// To this host itself (`RTN_LOCAL`).
    Here,
    /// Out by one of these: never none.
    Out(Vec<Way>),
    /// To many at once: broadcast, multicast or anycast.
    Many,
    /// Nowhere, and whoever asks is told this: `EHOSTUNREACH`, `EACCES` of a prohibition, or `EINVAL`
    /// of a black hole (`fib_props` of net/ipv4/fib_semantics.c).
    Nowhere(Errno),
    /// On to the next table (`RTN_THROW`).
    NextTable,
}

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The router; `None` where the destination is a neighbour itself.
    pub via: Option<IpAddr>,
    /// Index of the interface.
    pub dev: u32,
}

/// What becomes of a packet of this host to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A route takes it.
    Taken {
        /// The route, with all its ways (`ip route get fibmatch`). IPv4 gives the main table for
        /// those of table local too, as long as there are no rules: then the two are one.
        route: Entry,
        /// Where it leads for this packet: of several ways one, chosen by a hash (`ip route get`).
        leads: Leads,
    },
    /// It cannot be sent, for this reason: `ENETUNREACH` where no route is, else as
    /// [`Leads::Nowhere`].
    Refused(Errno),
}

impl Socket {
    /// Asks the kernel where it would send a packet to this address.
    ///
    /// # Errors
    /// Where it does not answer, or in a way that cannot be read.
    pub fn route_to(&mut self, to: IpAddr) -> Result<Lookup, Error> {
        let (route, leads) = (
            self.ask(to, RouteFlags::FibMatch),
            self.ask(to, RouteFlags::empty()),
        );
        Ok(match (refused(route)?, refused(leads)?) {
            (Ok(route), Ok(Entry { leads, .. })) => Lookup::Taken { route, leads },
            (Err(errno), _) | (_, Err(errno)) => Lookup::Refused(errno),
        })
    }

    /// Every route of every table whose prefix holds this address, ordered by key: of several of one
    /// key the one in use comes first. Left out are routes of a type of service,
    /// and those none of whose interfaces is up.
    ///
    /// # Errors
    /// As every dump.
    pub fn routes_around(&mut self, to: IpAddr) -> Result<Vec<Entry>, Error> {
        let mut message = RouteMessage::default();
        message.header.address_family = address_family(Family::of(to));
        let what = format!("list {} routes of all tables", Family::of(to));
        let request = Request::new(what, RouteNetlinkMessage::GetRoute(message), 0);
        let messages = self.dump(&request)?.into_iter();
        let entries = messages.filter_map(|message| match message {
            RouteNetlinkMessage::NewRoute(message) => read(message),
            _ => None,
        });
        let around = entries.filter(|entry| entry.key.prefix.contains(to));
        let mut around: Vec<Entry> = around.collect();
        around.sort_by_key(|entry| entry.key);
        Ok(around)
    }

    fn ask(&mut self, to: IpAddr, flags: RouteFlags) -> Result<Entry, Error> {
        let family = Family::of(to);
        let mut message = RouteMessage::default();
        message.header.address_family = address_family(family);
        message.header.destination_prefix_length = family.bits();
        // IPv6 always tells the table, and refuses to be asked for it.
        message.header.flags = match family {
            Family::V4 => flags | RouteFlags::LookupTable,
            Family::V6 => flags,
        };
        let destination = RouteAttribute::Destination(to.into());
        message.attributes.push(destination);
        let what = format!("look up the route to {to}");
        let request = Request::new(what, RouteNetlinkMessage::GetRoute(message), 0);
        let found = self
            .get(&request)?
            .into_iter()
            .find_map(|message| match message {
                RouteNetlinkMessage::NewRoute(message) => read(message),
                _ => None,
            });
        found.ok_or_else(|| request.failed(Cause::Undecodable("an ACK without a route".into())))
    }
}

/// Tells a refusal that is an answer from one that is none.
fn refused(asked: Result<Entry, Error>) -> Result<Result<Entry, Errno>, Error> {
    match asked {
        Ok(Entry {
            leads: Leads::Nowhere(errno),
            ..
        }) => Ok(Err(errno)),
        Ok(entry) => Ok(Ok(entry)),
        Err(error) => match error.errno() {
            Some(
                errno @ (Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL),
            ) => Ok(Err(errno)),
            _ => Err(error),
        },
    }
}

/// What a route message says; `None` of one that takes no packet of ours.
fn read(message: RouteMessage) -> Option<Entry> {
    let RouteMessage {
        header, attributes, ..
    } = message;
    let family = match header.address_family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    if header.tos != 0 {
        return None;
    }
    let mut key = RouteKey {
        table: header.table.into(),
        prefix: Prefix::default_of(family),
        metric: 0,
    };
    let (mut via, mut dev, mut hops) = (None, None, None);
    for attribute in attributes {
        match attribute {
            RouteAttribute::Table(table) => key.table = table,
            RouteAttribute::Destination(address) => {
                let address = route::ip(&address)?;
                key.prefix = Prefix::containing(address, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Priority(metric) => key.metric = metric,
            RouteAttribute::Oif(index) => dev = Some(index),
            RouteAttribute::MultiPath(all) => hops = Some(all),
            other => via = via.or(gateway(&other)),
        }
    }
    let single = || dev.filter(|_| !header.flags.contains(RouteFlags::Dead));
    let leads = match header.kind {
        RouteType::Local => Leads::Here,
        RouteType::Unicast => Leads::Out(match &hops {
            Some(hops) => hops.iter().filter_map(way).collect(),
            None => single().map(|dev| Way { via, dev }).into_iter().collect(),
        }),
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => Leads::Many,
        RouteType::Unreachable => Leads::Nowhere(Errno::EHOSTUNREACH),
        RouteType::Prohibit => Leads::Nowhere(Errno::EACCES),
        RouteType::BlackHole => Leads::Nowhere(Errno::EINVAL),
        RouteType::Throw => Leads::NextTable,
        _ => return None,
    };
    let protocol = RouteProtocol(header.protocol.into());
    (leads != Leads::Out(Vec::new())).then_some(Entry {
        key,
        protocol,
        leads,
    })
}

/// A next hop of a multipath route, unless its interface is down (`RTNH_F_DEAD`).
fn way(hop: &RouteNextHop) -> Option<Way> {
    let via = hop.attributes.iter().find_map(gateway);
    let dev = hop.interface_index;
    (!hop.flags.contains(RouteNextHopFlags::Dead)).then_some(Way { via, dev })
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => route::ip(address),
        // Of the other family (RFC 8950).
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some((*address).into()),
        _ => None,
    }
}
