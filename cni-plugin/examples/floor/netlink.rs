//! Messages as bytes, and their exchange.

use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

pub(crate) const ACK: u16 = libc::NLM_F_ACK as u16;
pub(crate) const CREATE: u16 = libc::NLM_F_CREATE as u16;
pub(crate) const EXCL: u16 = libc::NLM_F_EXCL as u16;
pub(crate) const REPLACE: u16 = libc::NLM_F_REPLACE as u16;
const REQUEST: u16 = libc::NLM_F_REQUEST as u16;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Messages one after the other, in the kernel's byte order and alignment.
#[derive(Default)]
pub(crate) struct Datagram {
    bytes: Vec<u8>,
    /// Where the last message begins.
    last: usize,
}

impl Datagram {
    /// Appends a message: its own header, then its attributes.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        attributes: impl FnOnce(&mut Self),
    ) {
        self.last = self.bytes.len();
        self.bytes.resize(self.last + HEADER, 0);
        self.write(self.last + 4, kind);
        self.write(self.last + 6, flags | REQUEST);
        self.raw(header);
        attributes(self);
        // None is longer than 64 KiB.
        self.write(self.last, (self.bytes.len() - self.last) as u16);
    }

    /// Has the kernel answer the last message, and with it all before.
    pub(crate) fn acknowledge_last(&mut self) {
        let at = self.last + 6;
        let flags = u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]);
        self.write(at, flags | ACK);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |attribute| attribute.raw(value));
    }

    /// With the closing zero of C.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.nest(kind, |attribute| {
            attribute.raw(value.as_bytes());
            attribute.raw(&[0]);
        });
    }

    pub(crate) fn nest(&mut self, kind: u16, value: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.resize(start + 4, 0);
        self.write(start + 2, kind);
        value(self);
        self.write(start, (self.bytes.len() - start) as u16);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn write(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }
}

pub(crate) fn socket() -> nix::Result<OwnedFd> {
    socket::socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
}

/// Sends it and reads the first answer: that of the last message, or of one that failed.
pub(crate) fn exchange(socket: &OwnedFd, datagram: &Datagram) -> io::Result<()> {
    let answer = ask(socket, datagram)?;
    let code = [16, 17, 18, 19].map(|at| answer[at]);
    match i32::from_ne_bytes(code) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
    }
}

/// Sends it and reads the beginning of whatever is answered.
pub(crate) fn ask(socket: &OwnedFd, datagram: &Datagram) -> io::Result<[u8; 64]> {
    socket::send(socket.as_raw_fd(), &datagram.bytes, MsgFlags::empty())?;
    let mut answer = [0; 64];
    socket::recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    Ok(answer)
}
