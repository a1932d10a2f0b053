//! Neighbour entries that never expire.

use crate::socket::Request;
use gingham_model::MacAddress;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::IpAddr;

/// Says that `address` is at `mac` on the interface of index `dev`, for good (`NUD_PERMANENT`): no
/// ARP and no neighbour discovery is ever sent for it.
pub fn set_permanent(dev: u32, address: IpAddr, mac: MacAddress) -> Request {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = dev;
    message.header.state = NeighbourState::Permanent;
    let destination = match address {
        IpAddr::V4(v4) => {
            message.header.family = AddressFamily::Inet;
            NeighbourAddress::Inet(v4)
        }
        IpAddr::V6(v6) => {
            message.header.family = AddressFamily::Inet6;
            NeighbourAddress::Inet6(v6)
        }
    };
    message
        .attributes
        .push(NeighbourAttribute::Destination(destination));
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
