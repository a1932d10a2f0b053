//! Interface addresses.

use crate::error::Error;
use crate::socket::{Request, Socket};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::IpAddr;

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Index of the interface.
    pub dev: u32,
    /// The address itself.
    pub address: IpAddr,
    /// Length of the connected prefix it stands for.
    pub length: u8,
    /// Set while duplicate address detection runs or after it failed: the address cannot be used.
    pub tentative: bool,
}

/// Gives an interface an address that can be used at once: without duplicate address detection
/// (`IFA_F_NODAD`), which would take IPv6 about a second.
pub fn add(dev: u32, address: IpAddr, length: u8) -> Request {
    let mut message = AddressMessage::default();
    message.header.index = dev;
    message.header.prefix_len = length;
    if address.is_ipv6() {
        message.header.family = AddressFamily::Inet6;
        message.header.flags = AddressHeaderFlags::Nodad;
    } else {
        message.header.family = AddressFamily::Inet;
        message.attributes.push(AddressAttribute::Local(address));
    }
    message.attributes.push(AddressAttribute::Address(address));
    let what = format!("add address {address}/{length} to interface {dev}");
    Request::new(
        what,
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

impl Socket {
    /// Every address of every interface, in the order of interface and address.
    ///
    /// # Errors
    /// As every dump.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let request = Request::new("list addresses".into(), message, 0);
        let mut addresses: Vec<Address> =
            self.dump(&request)?.into_iter().filter_map(parse).collect();
        addresses.sort();
        Ok(addresses)
    }
}

fn parse(message: RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let mut local = None;
    let mut remote = None;
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in message.attributes {
        match attribute {
            // On a point-to-point link IFA_ADDRESS is the peer and IFA_LOCAL is us.
            AddressAttribute::Local(address) => local = Some(address),
            AddressAttribute::Address(address) => remote = Some(address),
            AddressAttribute::Flags(all) => flags = all,
            _ => {}
        }
    }
    Some(Address {
        dev: message.header.index,
        address: local.or(remote)?,
        length: message.header.prefix_len,
        tentative: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed),
    })
}
