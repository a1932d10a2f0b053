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
    let mut message = message(dev, address, length);
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    let what = format!("add address {address}/{length} to interface {dev}");
    Request::new(
        what,
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Takes an address from an interface; the kernel answers `EADDRNOTAVAIL` when it has it not.
pub fn remove(dev: u32, address: IpAddr, length: u8) -> Request {
    let what = format!("remove address {address}/{length} from interface {dev}");
    let message = message(dev, address, length);
    Request::new(what, RouteNetlinkMessage::DelAddress(message), 0)
}

fn message(dev: u32, address: IpAddr, length: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = dev;
    message.header.prefix_len = length;
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    if address.is_ipv4() {
        message.attributes.push(AddressAttribute::Local(address));
    }
    message.attributes.push(AddressAttribute::Address(address));
    message
}

impl Socket {
    /// Every address of every interface, in the order of interface and address.
    ///
    /// # Errors
    /// As every dump.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        self.list_addresses("list addresses".into(), AddressMessage::default())
    }

    /// Every address of one interface, in their order: the kernel leaves the others out
    /// (`ifa_index` of a strictly checked dump).
    ///
    /// # Errors
    /// As every dump; `ENODEV` when there is no such interface.
    pub fn addresses_of(&mut self, dev: u32) -> Result<Vec<Address>, Error> {
        let mut message = AddressMessage::default();
        message.header.index = dev;
        self.list_addresses(format!("list addresses of interface {dev}"), message)
    }

    fn list_addresses(
        &mut self,
        what: String,
        message: AddressMessage,
    ) -> Result<Vec<Address>, Error> {
        let request = Request::new(what, RouteNetlinkMessage::GetAddress(message), 0);
        let mut addresses: Vec<Address> =
            self.dump(&request)?.into_iter().filter_map(parse).collect();
        addresses.sort();
        Ok(addresses)
    }
}

fn parse(message: RouteNetlinkMessage) -> Option<Address> {
    match message {
        RouteNetlinkMessage::NewAddress(message) => read(message),
        _ => None,
    }
}

/// What an address message says; `None` when it names no address.
pub(crate) fn read(message: AddressMessage) -> Option<Address> {
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
