//! The floor: a server that reflects and does nothing else. No best path, no policy, no timers; each
//! UPDATE is appended once to a log, and all clients are sent the same bytes of it. Who copies less
//! than this must send less.

use crate::size::REFLECTOR;
use crate::wire;
use anyhow::{Context, Result};
use gingham_integration::bgp::endpoint::PORT;
use gingham_integration::bgp::frame::{self, Fields, Message};
use gingham_integration::bgp::raw;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, setsockopt, socket,
    sockopt,
};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

/// Read at once; larger than any message.
const BUFFER: usize = 64 << 10;
/// How many may wait to be accepted.
const BACKLOG: i32 = 4096;
/// The listener's name among the clients' numbers.
const LISTENER: u64 = 0;

struct Floor {
    epoll: Epoll,
    listener: TcpListener,
    clients: BTreeMap<u64, Client>,
    next: u64,
    log: Vec<u8>,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    address: Ipv4Addr,
    /// The front of a message that is not whole yet.
    rest: Vec<u8>,
    /// Whether its KEEPALIVE came.
    up: bool,
    /// How much of the log it was sent.
    sent: usize,
    /// What it announced, as NLRI.
    announced: Vec<u8>,
}

/// Whether a session goes on.
#[derive(PartialEq, Eq)]
enum Fate {
    Stays,
    Ends,
}

/// Serves until it is killed.
pub(crate) fn serve() -> Result<()> {
    let mut floor = Floor {
        epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        listener: listener()?,
        clients: BTreeMap::new(),
        next: LISTENER + 1,
        log: Vec::new(),
        buffer: vec![0; BUFFER],
    };
    let event = EpollEvent::new(EpollFlags::EPOLLIN, LISTENER);
    floor.epoll.add(&floor.listener, event)?;
    let mut events = [EpollEvent::empty(); 1024];
    loop {
        let count = match floor.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll"),
        };
        let known = floor.log.len();
        for event in events.iter().take(count) {
            match event.data() {
                LISTENER => floor.accept()?,
                client => floor.serve(client)?,
            }
        }
        if floor.log.len() > known {
            floor.send_all();
        }
    }
}

impl Floor {
    fn accept(&mut self) -> Result<()> {
        loop {
            let (stream, address) = match self.listener.accept() {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("accepting"),
            };
            let IpAddr::V4(address) = address else {
                continue;
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            // Told once of each turn: there is more to read, or there is room again.
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            self.epoll.add(&stream, EpollEvent::new(flags, self.next))?;
            let client = Client {
                stream,
                address,
                rest: Vec::new(),
                up: false,
                sent: 0,
                announced: Vec::new(),
            };
            self.clients.insert(self.next, client);
            self.next += 1;
        }
    }

    /// Reads what a client says, and goes on sending to it.
    fn serve(&mut self, number: u64) -> Result<()> {
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        let mut fate = client.read(&mut self.buffer, &mut self.log)?;
        if fate == Fate::Stays {
            fate = client.send(&self.log);
        }
        if fate == Fate::Ends
            && let Some(client) = self.clients.remove(&number)
        {
            self.log.extend(wire::withdraw(&client.announced));
        }
        Ok(())
    }

    /// One that cannot be sent to ends with its next event.
    fn send_all(&mut self) {
        for client in self.clients.values_mut() {
            client.send(&self.log);
        }
    }
}

impl Client {
    fn read(&mut self, buffer: &mut [u8], log: &mut Vec<u8>) -> Result<Fate> {
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Ok(Fate::Ends),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fate::Stays),
                Err(_) => return Ok(Fate::Ends),
            };
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let mut left = &bytes[..];
            while let Some(message) = frame::split(left)? {
                self.hear(&message, log)?;
                left = message.rest;
            }
            self.rest = left.to_vec();
        }
    }

    fn hear(&mut self, message: &Message<'_>, log: &mut Vec<u8>) -> Result<()> {
        match message.kind {
            raw::OPEN => {
                let answer = [wire::open(REFLECTOR), raw::keepalive()].concat();
                self.stream.write_all(&answer)?;
            }
            raw::KEEPALIVE => self.up = true,
            raw::UPDATE => {
                let update = Fields::of(message.body)?;
                self.announced.extend_from_slice(update.announced);
                log.extend(wire::reflect(&update, self.address, REFLECTOR));
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends as much of the log as the socket takes.
    fn send(&mut self, log: &[u8]) -> Fate {
        while self.up
            && let Some(news) = log.get(self.sent..).filter(|news| !news.is_empty())
        {
            match self.stream.write(news) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Fate::Ends,
            }
        }
        Fate::Stays
    }
}

fn listener() -> Result<TcpListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    let address = SockaddrIn::from(SocketAddrV4::new(REFLECTOR, PORT));
    bind(socket.as_raw_fd(), &address).context("binding the reflector's address")?;
    listen(&socket, Backlog::new(BACKLOG)?).context("listening")?;
    Ok(TcpListener::from(socket))
}
