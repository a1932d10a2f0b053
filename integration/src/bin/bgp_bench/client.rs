//! One client of the reflector: a session, and what it was told.

use crate::size::{self, Size};
use crate::table::Table;
use crate::wire::{self, Update};
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;

/// Where reflectors listen.
pub(crate) const PORT: u16 = 179;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    Down,
    /// TCP's handshake goes on.
    Dialling,
    /// Ours is said: until their OPEN and KEEPALIVE came.
    Opening,
    Up,
}

/// What all clients of a run were told, together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) updates: u64,
    pub(crate) octets: u64,
    pub(crate) notifications: u64,
}

pub(crate) struct Client {
    number: usize,
    size: Size,
    /// Closed whenever the state is [`State::Down`].
    stream: Option<TcpStream>,
    state: State,
    /// The front of a message that is not whole yet.
    rest: Vec<u8>,
    /// What it holds of the others; its own may come back or not.
    table: Table,
    /// The prefix to listen for, until it was announced.
    awaited: Option<usize>,
}

impl Client {
    pub(crate) fn new(number: usize, size: Size) -> Self {
        Client {
            number,
            size,
            stream: None,
            state: State::Down,
            rest: Vec::new(),
            table: Table::new(size.total()),
            awaited: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    /// From now on it listens for an announcement of this prefix, unless it is its own.
    pub(crate) fn await_prefix(&mut self, prefix: usize) {
        let own = self.size.own(self.number);
        self.awaited = Some(prefix).filter(|prefix| !own.contains(prefix));
    }

    /// Whether that came.
    pub(crate) fn heard(&self) -> bool {
        self.awaited.is_none()
    }

    /// Dials without waiting for the answer.
    pub(crate) fn dial(&mut self) -> Result<()> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        // Only the address is ours to choose.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        let from = SockaddrIn::from(SocketAddrV4::new(size::address(self.number), 0));
        bind(socket.as_raw_fd(), &from).context("binding a client's address")?;
        let to = SockaddrIn::from(SocketAddrV4::new(size::REFLECTOR, PORT));
        match connect(socket.as_raw_fd(), &to) {
            Ok(()) | Err(Errno::EINPROGRESS) => {
                self.stream = Some(TcpStream::from(socket));
                self.state = State::Dialling;
                Ok(())
            }
            // The kernel answers for a reflector that does not listen.
            Err(Errno::ECONNREFUSED) => Ok(()),
            Err(error) => Err(error).context("dialling"),
        }
    }

    /// Ends the session without a word.
    pub(crate) fn close(&mut self) {
        self.stream = None;
        self.state = State::Down;
        self.rest.clear();
        self.table.clear();
    }

    /// TCP says that the handshake is over, or broken off.
    pub(crate) fn answered(&mut self) -> Result<()> {
        let stream = self.stream.as_ref().context("no session")?;
        if stream.take_error()?.is_some() || stream.peer_addr().is_err() {
            self.close();
            return Ok(());
        }
        stream.set_nodelay(true)?;
        self.state = State::Opening;
        self.send(&wire::open(size::address(self.number)))
    }

    /// Sends what a message or two are: any socket has room for these. A session that broke is
    /// closed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(());
        };
        match stream.write(bytes) {
            Ok(sent) => ensure!(sent == bytes.len(), "a full socket after {sent} octets"),
            Err(error) if gone(&error) => self.close(),
            Err(error) => return Err(error).context("sending"),
        }
        Ok(())
    }

    /// Announces prefixes of its own.
    pub(crate) fn announce(&mut self, med: Option<u32>, prefixes: &[usize]) -> Result<()> {
        if prefixes.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = prefixes.iter().map(|prefix| size::nlri(*prefix)).collect();
        self.send(&wire::announce(size::address(self.number), med, &list))
    }

    /// Takes prefixes of its own back.
    pub(crate) fn withdraw(&mut self, prefixes: &[usize]) -> Result<()> {
        if prefixes.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = prefixes.iter().map(|prefix| size::nlri(*prefix)).collect();
        self.send(&wire::withdraw(list.as_flattened()))
    }

    /// Reads once what has come, through `buffer`, which is everyone's.
    pub(crate) fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<()> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(());
        };
        let kept = self.rest.len();
        let (front, room) = buffer
            .split_at_mut_checked(kept)
            .context("a small buffer")?;
        front.copy_from_slice(&self.rest);
        match stream.read(room) {
            Ok(0) => self.close(),
            Ok(length) => {
                tally.octets += length as u64;
                let bytes = buffer.get(..kept + length).unwrap_or_default();
                self.take(bytes, tally)?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {}
            Err(error) if gone(&error) => self.close(),
            Err(error) => return Err(error).context("reading"),
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], tally: &mut Tally) -> Result<()> {
        while let Some(message) = wire::split(bytes)? {
            match message.kind {
                wire::UPDATE => {
                    tally.updates += 1;
                    self.learn(message.body)?;
                }
                wire::OPEN => self.send(&wire::keepalive())?,
                wire::KEEPALIVE if self.state == State::Opening => self.state = State::Up,
                wire::NOTIFICATION => {
                    tally.notifications += 1;
                    self.close();
                }
                _ => {}
            }
            if self.state == State::Down {
                return Ok(());
            }
            bytes = message.rest;
        }
        self.rest.clear();
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn learn(&mut self, body: &[u8]) -> Result<()> {
        let update = Update::parse(body)?;
        let own = self.size.own(self.number);
        let mut foreign = None;
        wire::prefixes(update.withdrawn, |nlri| match size::prefix(nlri) {
            Some(prefix) => self.table.remove(prefix),
            None => foreign = Some(nlri),
        })?;
        wire::prefixes(update.announced, |nlri| match size::prefix(nlri) {
            Some(prefix) if own.contains(&prefix) => {}
            Some(prefix) if self.table.insert(prefix) => {
                if self.awaited == Some(prefix) {
                    self.awaited = None;
                }
            }
            _ => foreign = Some(nlri),
        })?;
        match foreign {
            None => Ok(()),
            Some([_, a, b, c]) => {
                let prefix = Ipv4Addr::new(a, b, c, 0);
                Err(anyhow::anyhow!("{prefix}/24, which nobody announces"))
            }
        }
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
