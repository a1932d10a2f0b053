//! Route events as the kernel sends them, each with the time it came. It reads no more of a message
//! than it must, so that watching costs the watched little.

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt,
};
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// `RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE` of `linux/rtnetlink.h`.
const GROUPS: u32 = 0x40 | 0x400;
/// Room for some hundred thousand events.
const BUFFER: usize = 256 << 20;
/// `RTM_NEWROUTE` and `RTM_DELROUTE`.
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
/// Length of `struct nlmsghdr`, and where in a message `rtm_protocol` is behind it.
const HEADER: usize = 16;
const PROTOCOL: usize = HEADER + 5;

/// What became of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is one now, new or in the place of another.
    There,
    Gone,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) kind: Kind,
    pub(crate) protocol: u8,
}

/// Watches the routes of one namespace.
pub(crate) struct Watch {
    socket: OwnedFd,
    buffer: Vec<u8>,
    read: VecDeque<Event>,
    seen: usize,
}

impl Watch {
    /// Watches the namespace of the calling thread, from now on.
    pub(crate) fn open() -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )
        .context("a socket to watch with")?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).context("SO_RCVBUFFORCE")?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).context("watching routes")?;
        Ok(Watch {
            socket,
            buffer: vec![0; 32 << 10],
            read: VecDeque::new(),
            seen: 0,
        })
    }

    /// The next event before `until`; `None` when there was none.
    pub(crate) fn next(&mut self, until: Instant) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.seen += 1;
                return Ok(Some(event));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && !self.receive()? {
                return Ok(None);
            } else if !left.is_zero() {
                // Rounded up: a timeout of 0 ms would spin.
                let timeout = PollTimeout::try_from(left + Duration::from_millis(1))?;
                let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, timeout) {
                    Ok(0) => {}
                    Ok(_) => drop(self.receive()?),
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(error).context("poll"),
                }
            }
        }
    }

    /// The time at which the `count`th route of `protocol` from now on was there, and the first.
    pub(crate) fn wait(&mut self, protocol: u8, count: usize, patience: Duration) -> Result<Span> {
        let until = Instant::now() + patience;
        let mut first = None;
        let mut there = 0;
        while let Some(event) = self.next(until)? {
            if event.protocol != protocol || event.kind != Kind::There {
                continue;
            }
            there += 1;
            let first = *first.get_or_insert(event.at);
            if there == count {
                let last = event.at;
                return Ok(Span { first, last });
            }
        }
        bail!("{there} of {count} routes of protocol {protocol} within {patience:?}")
    }

    /// Passes over what has come up to now, and says how many events these were.
    pub(crate) fn pass_over(&mut self) -> Result<usize> {
        let before = self.seen;
        let now = Instant::now();
        while self.next(now)?.is_some() {}
        Ok(self.seen - before)
    }

    /// All events read up to now.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    /// Takes one datagram; `false` when none is waiting.
    fn receive(&mut self) -> Result<bool> {
        let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(false),
            Err(Errno::ENOBUFS) => bail!("the bench itself lost route events"),
            Err(error) => return Err(error).context("reading route events"),
        };
        let at = Instant::now();
        let mut rest = self.buffer.get(..length).unwrap_or_default();
        while let Some((kind, protocol, length)) = message(rest) {
            ensure!(length >= HEADER, "a message of {length} bytes");
            let kind = match kind {
                NEW_ROUTE => Some(Kind::There),
                DEL_ROUTE => Some(Kind::Gone),
                _ => None,
            };
            let event = kind.map(|kind| Event { at, kind, protocol });
            self.read.extend(event);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(true)
    }
}

/// The times of the first and the last route of several.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) first: Instant,
    pub(crate) last: Instant,
}

/// Type, route protocol and length of the message that `bytes` begin with.
fn message(bytes: &[u8]) -> Option<(u16, u8, usize)> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    Some((kind, *bytes.get(PROTOCOL)?, usize::try_from(length).ok()?))
}
