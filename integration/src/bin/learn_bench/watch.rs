//! Routes as the kernel tells of them: each change at once, or all when asked. It reads no more of a
//! message than it must, so that watching costs the watched little.

use crate::case::Feed;
use crate::told::Hops;
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `RTMGRP_IPV4_ROUTE` of `linux/rtnetlink.h`.
const GROUP: u32 = 0x40;
/// Room for some hundred thousand events.
const ROOM: usize = 512 << 20;
/// The kernel packs a dump into datagrams of up to so many octets.
const DATAGRAM: usize = 32 << 10;
/// Message types of `linux/netlink.h` and `linux/rtnetlink.h`.
const DONE: u16 = 3;
const ERROR: u16 = 2;
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// `AF_INET`, and `RT_TABLE_MAIN`.
const INET: u8 = 2;
const MAIN: u8 = 254;
/// Length of `struct nlmsghdr`, `rtmsg` and `rtnexthop`.
const HEADER: usize = 16;
const RTMSG: usize = 12;
const NEXT_HOP: usize = 8;
/// Attributes of routes.
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;

/// What a prefix of the bench leads to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) prefix: usize,
    /// None: the route is gone.
    pub(crate) hops: Hops,
}

/// Watches the IPv4 routes of one namespace.
pub(crate) struct Watch {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Watch {
    /// Watches the namespace of the calling thread, from now on.
    pub(crate) fn open() -> Result<Self> {
        let watch = Watch::socket(GROUP, SockFlag::SOCK_NONBLOCK)?;
        setsockopt(&watch.socket, sockopt::RcvBufForce, &ROOM).context("SO_RCVBUFFORCE")?;
        Ok(watch)
    }

    /// All routes to prefixes of the bench in the main table of the calling thread's namespace.
    pub(crate) fn dump() -> Result<Vec<Route>> {
        let mut asker = Watch::socket(0, SockFlag::empty())?;
        let mut request = u32::try_from(HEADER + RTMSG)?.to_ne_bytes().to_vec();
        request.extend(GET_ROUTE.to_ne_bytes());
        request.extend(DUMP.to_ne_bytes());
        request.resize(HEADER + RTMSG, 0);
        request[HEADER] = INET;
        send(asker.socket.as_raw_fd(), &request, MsgFlags::empty()).context("asking for routes")?;
        let mut routes = Vec::new();
        loop {
            let length = recv(
                asker.socket.as_raw_fd(),
                &mut asker.buffer,
                MsgFlags::empty(),
            );
            let length = length.context("reading routes")?;
            for message in messages(asker.buffer.get(..length).unwrap_or_default()) {
                match message.kind {
                    DONE => return Ok(routes),
                    ERROR => bail!("the kernel does not list its routes"),
                    _ => routes.extend(message.route()),
                }
            }
        }
    }

    fn socket(groups: u32, flags: SockFlag) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | flags;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol);
        let socket = socket.context("a socket to watch with")?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups)).context("watching routes")?;
        Ok(Watch {
            socket,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// What one datagram says; `None` when none is waiting.
    pub(crate) fn receive(&mut self) -> Result<Option<impl Iterator<Item = Route>>> {
        let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(Errno::ENOBUFS) => bail!("the bench itself lost route events"),
            Err(error) => return Err(error).context("reading route events"),
        };
        ensure!(length >= HEADER, "a message of {length} octets");
        let datagram = self.buffer.get(..length).unwrap_or_default();
        Ok(Some(
            messages(datagram).filter_map(|message| message.route()),
        ))
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One message: its type, and what follows the header.
struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

impl Message<'_> {
    /// What it says of a prefix of the bench in the main table.
    fn route(&self) -> Option<Route> {
        let (header, attributes) = self.body.split_first_chunk::<RTMSG>()?;
        let [family, length, _, _, table, ..] = *header;
        if (family, table) != (INET, MAIN) {
            return None;
        }
        let (mut prefix, mut hops) = (None, Hops::NONE);
        for (kind, value) in parts(attributes) {
            match kind {
                RTA_DST => {
                    let [a, b, c, _] = address(value)?.octets();
                    prefix = Feed::number([length, a, b, c]);
                }
                RTA_GATEWAY => hops = Hops::of(address(value)?),
                RTA_MULTIPATH => hops = multipath(value),
                _ => {}
            }
        }
        let hops = match self.kind {
            NEW_ROUTE => hops,
            DEL_ROUTE => Hops::NONE,
            _ => return None,
        };
        prefix.map(|prefix| Route { prefix, hops })
    }
}

/// A list of `struct rtnexthop`, each with attributes of its own.
fn multipath(mut list: &[u8]) -> Hops {
    let mut all = Vec::new();
    while let Some((hop, rest)) = cut(list) {
        let attributes = hop.get(NEXT_HOP..).unwrap_or_default();
        let gateway = parts(attributes).find(|(kind, _)| *kind == RTA_GATEWAY);
        all.extend(gateway.and_then(|(_, value)| address(value)).map(Hops::of));
        list = rest;
    }
    all.into_iter().collect()
}

fn address(value: &[u8]) -> Option<Ipv4Addr> {
    value.try_into().ok().map(|octets: [u8; 4]| octets.into())
}

/// The messages of a datagram.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?);
        let length = usize::try_from(length).ok()?;
        let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

/// The attributes in a list: type and value.
fn parts(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (attribute, after) = cut(rest)?;
        rest = after;
        let kind = u16::from_ne_bytes(attribute.get(2..4)?.try_into().ok()?);
        Some((kind, attribute.get(4..)?))
    })
}

/// What begins with its own length in two octets, and what follows it.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    let length = usize::from(length);
    let one = bytes.get(..length).filter(|one| one.len() >= 4)?;
    Some((
        one,
        bytes.get(length.next_multiple_of(4)..).unwrap_or_default(),
    ))
}
