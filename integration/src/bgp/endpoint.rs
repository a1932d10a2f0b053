//! One end of a session that never waits, so that one thread plays thousands of peers. It keeps the
//! session by itself, OPEN and KEEPALIVE in answer to theirs; what else it hears is its owner's.

use super::{frame, raw};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;

/// Where BGP listens.
pub const PORT: u16 = 179;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// There is none.
    Down,
    /// TCP's handshake goes on.
    Dialling,
    /// Ours is said: until their OPEN and KEEPALIVE came.
    Opening,
    /// Established.
    Up,
}

/// One end of a session.
#[derive(Debug)]
pub struct Endpoint {
    /// Closed whenever the state is [`State::Down`].
    stream: Option<TcpStream>,
    state: State,
    /// The front of a message that is not whole yet.
    rest: Vec<u8>,
    /// What the socket had no room for.
    unsent: Vec<u8>,
    /// How the session ended, when the other end ended it.
    ending: Option<String>,
}

impl Default for Endpoint {
    /// Without a session.
    fn default() -> Self {
        Endpoint {
            stream: None,
            state: State::Down,
            rest: Vec::new(),
            unsent: Vec::new(),
            ending: None,
        }
    }
}

impl Endpoint {
    /// How far it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its connection, to be waited for.
    pub fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    /// Whether the socket has yet to take something.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// How the other end ended the last session, once.
    pub fn take_ending(&mut self) -> Option<String> {
        self.ending.take()
    }

    /// Dials without waiting for the answer; nobody there is no error. `window` is how many octets of
    /// what is not read the kernel keeps; its own choice when absent.
    ///
    /// # Errors
    /// `from` is not local.
    pub fn dial(&mut self, from: Ipv4Addr, to: Ipv4Addr, window: Option<usize>) -> Result<()> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        // Only the address is ours to choose.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        if let Some(window) = window {
            setsockopt(&socket, sockopt::RcvBuf, &window)?;
        }
        let from = SockaddrIn::from(SocketAddrV4::new(from, 0));
        bind(socket.as_raw_fd(), &from).context("binding the end's address")?;
        let to = SockaddrIn::from(SocketAddrV4::new(to, PORT));
        match connect(socket.as_raw_fd(), &to) {
            Ok(()) | Err(Errno::EINPROGRESS) => {
                self.stream = Some(TcpStream::from(socket));
                self.state = State::Dialling;
                Ok(())
            }
            // The kernel answers for one that does not listen.
            Err(Errno::ECONNREFUSED) => Ok(()),
            Err(error) => Err(error).context("dialling"),
        }
    }

    /// TCP says that the handshake is over, or broken off: in the first case it says `open`.
    ///
    /// # Errors
    /// It was not dialling; of the socket.
    pub fn answered(&mut self, open: &[u8]) -> Result<()> {
        let stream = self.stream.take().context("no session")?;
        if stream.take_error()?.is_some() || stream.peer_addr().is_err() {
            self.close();
            return Ok(());
        }
        self.begin(stream, open)
    }

    /// Takes a connection for its own, in the place of one it may have, and says `open`.
    ///
    /// # Errors
    /// Of the socket.
    pub fn begin(&mut self, stream: TcpStream, open: &[u8]) -> Result<()> {
        self.close();
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        self.stream = Some(stream);
        self.state = State::Opening;
        self.send(open)
    }

    /// Ends the session without a word.
    pub fn close(&mut self) {
        self.stream = None;
        self.state = State::Down;
        self.rest.clear();
        self.unsent.clear();
    }

    /// The other end, or the kernel, ended the session.
    pub fn end(&mut self, how: String) {
        self.close();
        self.ending = Some(how);
    }

    /// Sends, and keeps what there is no room for. Without a session, nothing.
    ///
    /// # Errors
    /// Of the socket, but that the other end is gone.
    pub fn send(&mut self, octets: &[u8]) -> Result<()> {
        if self.stream.is_some() {
            self.unsent.extend_from_slice(octets);
        }
        self.push()
    }

    /// Sends of what was kept as much as there is room for.
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    pub fn push(&mut self) -> Result<()> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(());
        };
        let mut sent = 0;
        while let Some(rest) = self.unsent.get(sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if gone(&error) => {
                    self.end(error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error).context("sending"),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }

    /// Reads once what has come, through `buffer`, which is everyone's, and hands each message to `hear`,
    /// type and body, but OPEN and KEEPALIVE. After a NOTIFICATION the session is over. Says how many
    /// octets came.
    ///
    /// # Errors
    /// A header that cannot be; of the socket; of `hear`.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        hear: impl FnMut(u8, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(0);
        };
        let kept = self.rest.len();
        let (front, room) = buffer
            .split_at_mut_checked(kept)
            .context("a small buffer")?;
        front.copy_from_slice(&self.rest);
        match stream.read(room) {
            Ok(0) => self.end("closed by the other end".to_owned()),
            Ok(length) => {
                let octets = buffer.get(..kept + length).unwrap_or_default();
                self.take(octets, hear)?;
                return Ok(length);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if gone(&error) => self.end(error.to_string()),
            Err(error) => return Err(error).context("reading"),
        }
        Ok(0)
    }

    fn take(
        &mut self,
        mut octets: &[u8],
        mut hear: impl FnMut(u8, &[u8]) -> Result<()>,
    ) -> Result<()> {
        while let Some(message) = frame::split(octets)? {
            match message.kind {
                raw::OPEN => self.send(&raw::keepalive())?,
                raw::KEEPALIVE if self.state == State::Opening => self.state = State::Up,
                raw::KEEPALIVE => {}
                kind => {
                    hear(kind, message.body)?;
                    if kind == raw::NOTIFICATION {
                        self.end(format!("NOTIFICATION {:02x?}", message.body));
                    }
                }
            }
            if self.state == State::Down {
                return Ok(());
            }
            octets = message.rest;
        }
        self.rest.clear();
        self.rest.extend_from_slice(octets);
        Ok(())
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::TimedOut
    )
}
