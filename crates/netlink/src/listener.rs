//! A netlink socket that only listens: multicast groups, a large buffer, and what to do when it
//! was not large enough.

use netlink_packet_core::{DecodeError, NetlinkBuffer};
use netlink_sys::Socket as RawSocket;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What is asked of the kernel for events that wait to be read; it grants twice as much, since it
/// charges its own book-keeping too. A route event is charged about 830 bytes.
pub(crate) const EVENT_BUFFER: usize = 16 * 1024 * 1024;

/// Room for one datagram. Events are some hundred bytes long, those of nftables up to a few pages
/// (`NLMSG_GOODSIZE`). A longer one would be cut, and then not be readable.
const DATAGRAM: usize = 64 * 1024;

/// Less than the smallest event is charged.
const SMALLEST_CHARGE: usize = 512;

/// A non-blocking socket in multicast groups.
pub(crate) struct Listener {
    raw: RawSocket,
    buffer: Vec<u8>,
    buffer_bytes: usize,
    congested: bool,
}

/// What one look at the socket gave.
pub(crate) enum Heard<'a> {
    Datagram(&'a [u8]),
    Nothing,
    Overrun,
}

/// What one call of `recv` gave.
enum Received {
    Datagram,
    Nothing,
    Overrun,
}

impl Listener {
    /// Joins `groups` of `protocol` with room for `buffer_bytes` of events: by right
    /// (`SO_RCVBUFFORCE`, `CAP_NET_ADMIN`), else as much as `net.core.rmem_max` allows.
    pub(crate) fn open(protocol: isize, groups: &[u32], buffer_bytes: usize) -> io::Result<Self> {
        let mut raw = RawSocket::new(protocol)?;
        raw.set_non_blocking(true)?;
        setsockopt(&raw, sockopt::RcvBufForce, &buffer_bytes)
            .or_else(|_| setsockopt(&raw, sockopt::RcvBuf, &buffer_bytes))?;
        let buffer_bytes = getsockopt(&raw, sockopt::RcvBuf)?;
        raw.bind_auto()?;
        for group in groups {
            raw.add_membership(*group)?;
        }
        Ok(Listener {
            raw,
            buffer: Vec::with_capacity(DATAGRAM),
            buffer_bytes,
            congested: false,
        })
    }

    /// The size of the kernel's buffer, as it reports it.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// One datagram, or that there is none, or that some were lost.
    pub(crate) fn hear(&mut self) -> io::Result<Heard<'_>> {
        if self.congested {
            return self.empty();
        }
        match self.receive()? {
            Received::Datagram => Ok(Heard::Datagram(&self.buffer)),
            Received::Nothing => Ok(Heard::Nothing),
            Received::Overrun => self.empty(),
        }
    }

    /// Reads away what is left of before the overrun. The kernel says `ENOBUFS` once and then drops
    /// everything without a word until the queue has been read empty (`NETLINK_S_CONGESTED`). So a
    /// caller told of the overrun any earlier would read back the world and then miss changes.
    ///
    /// The queue holds a bounded number of events; should it not be empty after as many, another
    /// overrun came in between, and the next call goes on.
    fn empty(&mut self) -> io::Result<Heard<'_>> {
        self.congested = true;
        for _ in 0..=self.buffer_bytes / SMALLEST_CHARGE {
            if let Received::Nothing = self.receive()? {
                self.congested = false;
                break;
            }
        }
        Ok(Heard::Overrun)
    }

    fn receive(&mut self) -> io::Result<Received> {
        loop {
            self.buffer.clear();
            let Err(error) = self.raw.recv(&mut self.buffer, 0) else {
                return Ok(Received::Datagram);
            };
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(Received::Nothing),
                _ if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Ok(Received::Overrun);
                }
                _ => return Err(error),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

/// The messages of a datagram; the last item is an error when the datagram does not end with one.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<NetlinkBuffer<&'a [u8]>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = NetlinkBuffer::new_checked(self.0);
        let length = message.as_ref().map_or(self.0.len(), |message| {
            (message.length() as usize).next_multiple_of(4)
        });
        self.0 = self.0.get(length..).unwrap_or_default();
        Some(message)
    }
}
