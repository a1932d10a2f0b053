//! One client: its session, and what it was told.

use crate::layout::{self, Layout, REFLECTOR, Role};
use crate::told::Told;
use crate::wire::{self, Part, Restart};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;

/// Where the speaker listens.
const PORT: u16 = 179;
/// How much a client that never reads holds before TCP makes the speaker wait, in octets.
const DEAF_BUFFER: usize = 4096;

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

/// Whether a client reads what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ear {
    Open,
    Shut,
}

/// What all clients were told, together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) updates: u64,
    pub(crate) notifications: u64,
}

pub(crate) struct Client {
    number: usize,
    role: Role,
    /// Closed whenever the state is [`State::Down`].
    stream: Option<TcpStream>,
    state: State,
    /// The front of a message that is not whole yet.
    rest: Vec<u8>,
    /// What the socket had no room for.
    unsent: Vec<u8>,
    told: Told,
    restart: Restart,
    pub(crate) ear: Ear,
    /// How the session ended, when the other end ended it.
    ending: Option<String>,
    /// Whether it was asked for its routes.
    asked: bool,
    /// Octets read in all sessions.
    heard: u64,
}

impl Client {
    pub(crate) fn new(number: usize, layout: Layout) -> Self {
        let role = layout.role(number);
        let restarts = matches!(role, Role::Restarting);
        Client {
            number,
            role,
            stream: None,
            state: State::Down,
            rest: Vec::new(),
            unsent: Vec::new(),
            told: Told::new(layout),
            restart: if restarts {
                Restart::First
            } else {
                Restart::Off
            },
            ear: Ear::Open,
            ending: None,
            asked: false,
            heard: 0,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    /// Octets read in all sessions.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// How the other end ended the session, once.
    pub(crate) fn take_ending(&mut self) -> Option<String> {
        self.ending.take()
    }

    /// Whether it was asked for its routes, once.
    pub(crate) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.asked)
    }

    /// Dials without waiting for the answer.
    pub(crate) fn dial(&mut self) -> Result<()> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        // Only the address is ours to choose.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        if self.role == Role::Deaf {
            setsockopt(&socket, sockopt::RcvBuf, &DEAF_BUFFER)?;
        }
        let from = SockaddrIn::from(SocketAddrV4::new(layout::address(self.number), 0));
        bind(socket.as_raw_fd(), &from).context("binding a client's address")?;
        let to = SockaddrIn::from(SocketAddrV4::new(REFLECTOR, PORT));
        match connect(socket.as_raw_fd(), &to) {
            Ok(()) | Err(Errno::EINPROGRESS) => {
                self.stream = Some(TcpStream::from(socket));
                self.state = State::Dialling;
                Ok(())
            }
            // The kernel answers for a speaker that does not listen.
            Err(Errno::ECONNREFUSED) => Ok(()),
            Err(error) => Err(error).context("dialling"),
        }
    }

    /// Ends the session without a word.
    pub(crate) fn close(&mut self) {
        self.stream = None;
        self.state = State::Down;
        self.rest.clear();
        self.unsent.clear();
        self.told.clear();
        self.ear = Ear::Open;
        self.asked = false;
    }

    /// The other end, or the kernel, ended the session.
    pub(crate) fn end(&mut self, how: String) {
        self.close();
        self.ending = Some(how);
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
        let open = wire::open(layout::address(self.number), self.restart);
        if self.restart != Restart::Off {
            self.restart = Restart::Again;
        }
        self.send(&open)
    }

    /// Sends, and keeps what there is no room for.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if self.stream.is_some() {
            self.unsent.extend_from_slice(bytes);
        }
        self.push()
    }

    /// Sends of what was kept as much as there is room for.
    pub(crate) fn push(&mut self) -> Result<()> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(());
        };
        match stream.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if gone(&error) => self.end(error.to_string()),
            Err(error) => return Err(error).context("sending"),
        }
        Ok(())
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
            Ok(0) => self.end("closed by the speaker".to_owned()),
            Ok(length) => {
                self.heard += length as u64;
                let bytes = buffer.get(..kept + length).unwrap_or_default();
                self.take(bytes, tally)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if gone(&error) => self.end(error.to_string()),
            Err(error) => return Err(error).context("reading"),
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], tally: &mut Tally) -> Result<()> {
        while let Some(message) = wire::split(bytes)? {
            match message.kind {
                wire::UPDATE => {
                    tally.updates += 1;
                    self.told.learn(message.body)?;
                }
                wire::OPEN => self.send(&wire::keepalive())?,
                wire::KEEPALIVE if self.state == State::Opening => self.state = State::Up,
                wire::REFRESH => {
                    let part = wire::part(message.body)?;
                    self.asked |= part == Part::Request;
                    self.told.border(part);
                }
                wire::NOTIFICATION => {
                    tally.notifications += 1;
                    self.end(format!("NOTIFICATION {:02x?}", message.body));
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
