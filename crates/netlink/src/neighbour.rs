//! Neighbours: which hardware address stands behind an IP address.

use crate::error::Error;
use crate::socket::{Request, Socket};
use gingham_model::MacAddress;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::neighbour_table::{
    NeighbourTableAttribute, NeighbourTableMessage, NeighbourTableParameter,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use std::net::IpAddr;

/// A neighbour of an interface, as the kernel believes it to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Index of the interface.
    pub dev: u32,
    /// The neighbour's IP address.
    pub address: IpAddr,
    /// Its hardware address, if one of six bytes is known: none is while it is being asked for, or
    /// when nobody answered.
    pub mac: Option<MacAddress>,
    /// Whether it was set for good (`NUD_PERMANENT`) and neither learned nor confirmed by asking.
    pub permanent: bool,
}

/// Says that `address` is at `mac` on the interface of index `dev`, for good (`NUD_PERMANENT`): no
/// ARP and no neighbour discovery is ever sent for it.
pub fn set_permanent(dev: u32, address: IpAddr, mac: MacAddress) -> Request {
    let mut message = about(dev, address);
    message.header.state = NeighbourState::Permanent;
    message
        .attributes
        .push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    let what = format!("set neighbour {address} at {mac} on interface {dev}");
    Request::new(
        what,
        RouteNetlinkMessage::NewNeighbour(message),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

fn about(dev: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = dev;
    let (family, destination) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, NeighbourAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, NeighbourAddress::Inet6(v6)),
    };
    message.header.family = family;
    let destination = NeighbourAttribute::Destination(destination);
    message.attributes.push(destination);
    message
}

/// Lets an interface with proxy ARP answer at once (`proxy_delay` 0): by default the kernel waits
/// for up to 0.8 s, in case somebody else answers.
pub fn answer_proxied_at_once(dev: u32) -> Request {
    let mut message = NeighbourTableMessage::default();
    message.header.family = AddressFamily::Inet;
    message.attributes = vec![
        NeighbourTableAttribute::Name("arp_cache".into()),
        NeighbourTableAttribute::Parms(vec![
            NeighbourTableParameter::Ifindex(dev),
            NeighbourTableParameter::ProxyDelay(0),
        ]),
    ];
    let what = format!("set proxy_delay 0 on interface {dev}");
    Request::new(what, RouteNetlinkMessage::SetNeighbourTable(message), 0)
}

impl Socket {
    /// What an interface believes of one address, by a targeted request; `None` when it never heard
    /// of it.
    ///
    /// # Errors
    /// As [`Socket::run`]; `ENODEV` when there is no such interface.
    pub fn neighbour(&mut self, dev: u32, address: IpAddr) -> Result<Option<Neighbour>, Error> {
        let message = RouteNetlinkMessage::GetNeighbour(about(dev, address));
        let what = format!("look up neighbour {address} on interface {dev}");
        match self.get(&Request::new(what, message, 0)) {
            Ok(messages) => Ok(messages.into_iter().find_map(parse)),
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every neighbour of every interface, of both families, in the order of interface and address.
    /// Left out are proxies: addresses the host answers for itself.
    ///
    /// # Errors
    /// As every dump.
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>, Error> {
        let message = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let request = Request::new("list neighbours".into(), message, 0);
        let messages = self.dump(&request)?.into_iter();
        let mut neighbours: Vec<Neighbour> = messages.filter_map(parse).collect();
        neighbours.sort();
        Ok(neighbours)
    }
}

fn parse(message: RouteNetlinkMessage) -> Option<Neighbour> {
    match message {
        RouteNetlinkMessage::NewNeighbour(message) => read(message),
        _ => None,
    }
}

/// What a neighbour message says; `None` for a proxy, and for what is no neighbour of an IP address
/// (a bridge keeps its own in messages of the same kind).
pub(crate) fn read(message: NeighbourMessage) -> Option<Neighbour> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(v4.into());
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(v6.into());
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = bytes.try_into().ok().map(MacAddress);
            }
            _ => {}
        }
    }
    Some(Neighbour {
        dev: message.header.ifindex,
        address: address?,
        mac,
        permanent: message.header.state == NeighbourState::Permanent,
    })
}
