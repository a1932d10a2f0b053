//! The monitor: what happens to links, addresses, neighbours, routes and next hops, as it happens.
//!
//! ```text
//!   kernel ──► filter: ports to ignore ──► buffer ──► hear() ──► Notice { op, object, port }
//!                                             └ full ─────────► Overrun: read everything back
//! ```
//!
//! An event is a hint to look, not the truth: some changes have none. IPv4 routes go without one
//! when their link goes down, when their address or their next-hop object is removed.

mod decode;
mod filter;

use crate::error::Error;
use crate::listener::{self, EVENT_BUFFER, Listener, Messages};
use crate::{Address, Link, Neighbour};
use gingham_model::Route;
use netlink_packet_core::DecodeError;
use netlink_sys::protocols::NETLINK_ROUTE;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// `enum rtnetlink_groups` of `linux/rtnetlink.h`: link, neigh, IPv4 ifaddr and route, IPv6 ifaddr
/// and route, nexthop.
const GROUPS: [u32; 7] = [1, 3, 5, 7, 9, 11, 32];

/// Whether it is there now or has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It is new, or is changed and now as given.
    New,
    /// It has gone; given is what it was.
    Gone,
}

/// What something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// An interface.
    Link(Link),
    /// An address of an interface.
    Address(Address),
    /// A neighbour.
    Neighbour(Neighbour),
    /// A route, of any table. When [`Op::New`] replaced another, nothing tells what that was.
    Route(Route),
    /// The next-hop object of this id (`NHA_ID`).
    NextHop(u32),
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it came or went.
    pub op: Op,
    /// What did.
    pub object: Object,
    /// The netlink port of whoever asked for it ([`crate::Socket::port`]); 0 is the kernel itself.
    pub port: u32,
}

/// What one look at the socket gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What happened, in order. Empty when it was nothing of interest.
    Notices(Vec<Notice>),
    /// Nothing waits to be read.
    Nothing,
    /// Events were lost (`ENOBUFS`): nothing is known any more, read everything back. Changes made
    /// from now on are heard again.
    Overrun,
    /// An event that should say something cannot be read, and this is why. It may have been
    /// anything, so that what to do is the same as after an overrun; but a larger buffer would not
    /// have helped.
    Unreadable(String),
}

/// Listens to the namespace of the thread that opened it, and stays there wherever it is carried.
/// Reading never blocks: wait for the file descriptor to become readable, then hear until
/// [`Heard::Nothing`].
pub struct Monitor {
    listener: Listener,
    ignored: BTreeSet<u32>,
}

impl Monitor {
    /// Opens a monitor with a buffer of 16 MiB, which the kernel counts as 32: some 40,000 events.
    /// Without `CAP_NET_ADMIN` it is as large as `net.core.rmem_max` allows.
    ///
    /// # Errors
    /// Only what the operating system says to `socket`, `bind` and `setsockopt`.
    pub fn open() -> Result<Self, Error> {
        Self::open_with(EVENT_BUFFER)
    }

    /// As [`Monitor::open`], with another size in bytes.
    ///
    /// # Errors
    /// As [`Monitor::open`].
    pub fn open_with(buffer_bytes: usize) -> Result<Self, Error> {
        let listener = Listener::open(NETLINK_ROUTE, &GROUPS, buffer_bytes)
            .map_err(|error| Error::socket("open netlink monitor", error))?;
        let ignored = BTreeSet::new();
        Ok(Monitor { listener, ignored })
    }

    /// The size of the buffer, as the kernel reports it.
    pub fn buffer_bytes(&self) -> usize {
        self.listener.buffer_bytes()
    }

    /// From now on leaves out what the socket of this port asks for. The kernel drops it before it
    /// takes room in the buffer or wakes anybody; what waits there already is dropped unread.
    ///
    /// A port is free again as soon as its socket is closed, and the kernel may give it to anybody:
    /// ignore only sockets that live as long as the monitor.
    pub fn ignore(&mut self, port: u32) {
        self.ignored.insert(port);
        filter::attach(&self.listener, &self.ignored);
    }

    /// Reads one datagram.
    ///
    /// # Errors
    /// When the socket itself is broken.
    pub fn hear(&mut self) -> Result<Heard, Error> {
        let heard = self.listener.hear();
        match heard.map_err(|error| Error::socket("read netlink monitor", error))? {
            listener::Heard::Nothing => Ok(Heard::Nothing),
            listener::Heard::Overrun => Ok(Heard::Overrun),
            listener::Heard::Datagram(datagram) => Ok(notices(datagram, &self.ignored)
                .map_or_else(|error| Heard::Unreadable(error.to_string()), Heard::Notices)),
        }
    }
}

fn notices(datagram: &[u8], ignored: &BTreeSet<u32>) -> Result<Vec<Notice>, DecodeError> {
    let mut notices = Vec::new();
    for message in Messages(datagram) {
        let message = message?;
        if !ignored.contains(&message.port_number()) {
            notices.extend(decode::notice(&message)?);
        }
    }
    Ok(notices)
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_LINK: u16 = 16;
    const NEW_ROUTE: u16 = 24;
    const NEW_NEIGHBOUR: u16 = 28;

    /// A message of port 7.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 6]);
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn heard(datagram: &[u8]) -> Result<usize, DecodeError> {
        notices(datagram, &BTreeSet::from([8])).map(|notices| notices.len())
    }

    /// Any body of this family, with an attribute far too long.
    fn broken(family: u8) -> Vec<u8> {
        let mut body = vec![family];
        body.resize(32, 0xff);
        body
    }

    #[test]
    fn what_is_not_of_interest_is_not_even_read() {
        let (v6, bridge) = (broken(10), broken(7));
        let datagram = [
            message(NEW_LINK, &v6),
            message(NEW_LINK + 1, &bridge),
            message(NEW_NEIGHBOUR, &bridge),
            message(NEW_ROUTE, &broken(5)),
            message(80, &v6),
        ];
        assert_eq!(heard(&datagram.concat()).unwrap(), 0);
        let broken = message(NEW_ROUTE, &v6);
        assert!(notices(&broken, &BTreeSet::from([7])).unwrap().is_empty());
    }

    #[test]
    fn what_should_be_readable_and_is_not_is_told() {
        for (kind, family) in [(NEW_LINK, 0), (20, 2), (NEW_ROUTE, 10), (NEW_NEIGHBOUR, 2)] {
            let error = heard(&message(kind, &broken(family))).unwrap_err();
            let event = format!("event of type {kind}");
            assert!(error.to_string().contains(&event), "{error}");
        }
        assert!(heard(&message(104, &[2, 0, 0, 0, 0, 0, 0, 0])).is_err());
        assert!(heard(&message(NEW_ROUTE, &[])).is_err());
        let whole = message(NEW_LINK, &broken(10));
        assert!(heard(&whole[..whole.len() - 4]).is_err());
        assert!(heard(&whole[..8]).is_err());
    }

    /// As wireless drivers send it: no MTU, no group.
    #[test]
    fn a_part_of_a_link_is_not_taken_for_the_link() {
        let mut body = vec![0; 16];
        body.extend([8, 0, 3, 0]);
        body.extend(b"wl0\0");
        assert_eq!(heard(&message(NEW_LINK, &body)).unwrap(), 0);
    }
}
