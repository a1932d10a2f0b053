//! One event, decoded. The family is looked at first, so that what is left out costs nothing.

use super::{Notice, Object, Op};
use crate::{address, link, neighbour, route};
use netlink_packet_core::{
    DecodeError, ErrorContext, NetlinkBuffer, NlasIterator, Parseable, parse_u32,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;

/// `RTM_*` of `linux/rtnetlink.h`. Each object has four numbers: new, del, get and set.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;
const RTM_NEWNEXTHOP: u16 = 104;

/// Families, of `linux/socket.h`: what every body begins with.
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `struct nhmsg` and `NHA_ID` of `linux/nexthop.h`.
const NEXT_HOP_HEADER: usize = 8;
const NHA_ID: u16 = 1;

/// What happened; `None` when it is nothing we look at.
///
/// The group of links also carries what a family knows of a link: IPv6 its settings, a bridge its
/// ports, where `RTM_DELLINK` says that a port has left the bridge. Only a message of no family is
/// about the link. A bridge's neighbours come with those of IP, and are left out likewise.
pub(super) fn notice(message: &NetlinkBuffer<&[u8]>) -> Result<Option<Notice>, DecodeError> {
    let kind = message.message_type();
    let object =
        object(kind & !1, message.payload()).with_context(|| format!("event of type {kind}"))?;
    Ok(object.map(|object| Notice {
        op: match kind & 1 {
            0 => Op::New,
            _ => Op::Gone,
        },
        object,
        port: message.port_number(),
    }))
}

fn object(kind: u16, body: &[u8]) -> Result<Option<Object>, DecodeError> {
    let family = *body.first().ok_or("no body".to_owned())?;
    Ok(match (kind, family) {
        (RTM_NEWLINK, AF_UNSPEC) => link::read(LinkMessage::parse(body)?).map(Object::Link),
        (RTM_NEWADDR, AF_INET | AF_INET6) => {
            address::read(AddressMessage::parse(body)?).map(Object::Address)
        }
        (RTM_NEWNEIGH, AF_INET | AF_INET6) => {
            neighbour::read(NeighbourMessage::parse(body)?).map(Object::Neighbour)
        }
        (RTM_NEWROUTE, AF_INET | AF_INET6) => {
            route::read(RouteMessage::parse(body)?).map(Object::Route)
        }
        (RTM_NEWNEXTHOP, _) => Some(Object::NextHop(next_hop(body)?)),
        _ => None,
    })
}

/// The library has no message for next-hop objects.
fn next_hop(body: &[u8]) -> Result<u32, DecodeError> {
    let attributes = body.get(NEXT_HOP_HEADER..).unwrap_or_default();
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        if attribute.kind() == NHA_ID {
            return parse_u32(attribute.value());
        }
    }
    Err("a next hop without an id".to_owned().into())
}
