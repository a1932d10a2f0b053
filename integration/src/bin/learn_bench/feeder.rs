//! A reflector of the zone, as a node sees it: it waits to be dialled, says what it has, and keeps the
//! session. Nothing here waits; many are served by one thread.

use crate::case::{self, Case, Router};
use crate::told::Told;
use crate::wire;
use anyhow::{Context, Result, bail};
use gingham_integration::bgp::raw;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Where BGP listens.
const PORT: u16 = 179;
/// How often it says that it lives: often enough for whatever hold time is agreed on.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// Read at once; larger than any message.
const BUFFER: usize = 64 << 10;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// There is none.
    Down,
    /// Both are to say OPEN and KEEPALIVE.
    Opening,
    Up,
    /// The End-of-RIB of the other came.
    Ended,
}

pub(crate) struct Feeder {
    number: usize,
    case: Case,
    listener: TcpListener,
    session: Option<Session>,
    told: Told,
}

struct Session {
    stream: TcpStream,
    state: State,
    /// The front of a message that is not whole yet.
    rest: Vec<u8>,
    unsent: Vec<u8>,
    /// When it says next that it lives.
    pulse: Instant,
}

impl Feeder {
    /// Listens in the calling thread's namespace.
    pub(crate) fn listen(number: usize, case: Case) -> Result<Self> {
        let address = case::feeder(number);
        let listener = TcpListener::bind((address, PORT));
        let listener = listener.with_context(|| format!("listening at {address}"))?;
        listener.set_nonblocking(true)?;
        Ok(Feeder {
            number,
            case,
            listener,
            session: None,
            told: Told::Nothing,
        })
    }

    pub(crate) fn state(&self) -> State {
        let session = self.session.as_ref();
        session.map_or(State::Down, |session| session.state)
    }

    /// Says what is new: what it said before is `told`.
    pub(crate) fn tell(&mut self, told: Told) -> Result<()> {
        let news = self.news(self.told, told);
        self.told = told;
        match &mut self.session {
            Some(session) if session.state >= State::Up => session.send(&news),
            _ => bail!("feeder {} has no session", self.number),
        }
    }

    /// Ends the session without a word.
    pub(crate) fn close(&mut self) {
        self.session = None;
    }

    /// Accepts who dials, reads what has come, and sends what there is room for.
    pub(crate) fn turn(&mut self) -> Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let hello = wire::open(case::feeder(self.number));
                self.session = Some(Session::begin(stream, &hello)?);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("accepting"),
        }
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let before = session.state;
        match session.serve() {
            Ok(()) => {}
            Err(Lost::Gone) => {
                self.session = None;
                return Ok(());
            }
            Err(Lost::Wrong(error)) => {
                return Err(error.context(format!("feeder {}", self.number)));
            }
        }
        if before < State::Up && session.state >= State::Up {
            let all = self.news(Told::Nothing, self.told);
            let all = [all, wire::end_of_rib()].concat();
            if let Some(session) = &mut self.session {
                session.send(&all)?;
            }
        }
        Ok(())
    }

    /// What wakes it up.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stream = self.session.as_ref().map(|session| session.stream.as_fd());
        std::iter::once(self.listener.as_fd()).chain(stream)
    }

    /// The UPDATEs that lead from what was said to what is.
    fn news(&self, before: Told, after: Told) -> Vec<u8> {
        let mut announced: BTreeMap<Router, Vec<usize>> = BTreeMap::new();
        let mut withdrawn = Vec::new();
        for prefix in 0..self.case.prefixes {
            let was = before.of(self.number, prefix);
            match after.of(self.number, prefix) {
                now if now == was => {}
                Some(router) => announced.entry(router).or_default().push(prefix),
                None => withdrawn.push(prefix),
            }
        }
        let announced = announced.iter();
        let announced = announced.map(|(router, prefixes)| wire::announce(*router, prefixes));
        let mut all: Vec<Vec<u8>> = announced.collect();
        all.push(wire::withdraw(&withdrawn));
        all.concat()
    }
}

/// Why a session does not go on.
enum Lost {
    /// The other end is gone, as one that was killed is.
    Gone,
    /// The other end says what it must not.
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Lost {
    fn from(error: anyhow::Error) -> Self {
        Lost::Wrong(error)
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Lost::Gone,
            _ => Lost::Wrong(error.into()),
        }
    }
}

impl Session {
    fn begin(stream: TcpStream, hello: &[u8]) -> Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut session = Session {
            stream,
            state: State::Opening,
            rest: Vec::new(),
            unsent: Vec::new(),
            pulse: Instant::now() + KEEPALIVE,
        };
        session.send(hello)?;
        Ok(session)
    }

    /// Sends what there is room for and keeps the rest; that the other is gone is seen by the next
    /// read.
    fn send(&mut self, octets: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(octets);
        match self.push() {
            Err(Lost::Wrong(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn push(&mut self) -> Result<(), Lost> {
        let mut sent = 0;
        while let Some(rest) = self.unsent.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }

    fn serve(&mut self) -> Result<(), Lost> {
        let mut buffer = [0; BUFFER];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Lost::Gone),
                Ok(length) => {
                    self.rest
                        .extend_from_slice(buffer.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.hear()?;
        if self.state >= State::Up && self.pulse <= Instant::now() {
            self.pulse += KEEPALIVE;
            self.unsent.extend(raw::keepalive());
        }
        self.push()
    }

    fn hear(&mut self) -> Result<()> {
        let heard = std::mem::take(&mut self.rest);
        let mut octets = &heard[..];
        while let Some(message) = raw::split(octets)? {
            match message.kind {
                raw::OPEN => self.send(&raw::keepalive())?,
                raw::KEEPALIVE if self.state == State::Opening => self.state = State::Up,
                raw::UPDATE if raw::Update::read(message.body)?.is_end_of_rib() => {
                    self.state = State::Ended;
                }
                raw::NOTIFICATION => bail!("NOTIFICATION {:02x?}", message.body),
                _ => {}
            }
            octets = message.rest;
        }
        self.rest = octets.to_vec();
        Ok(())
    }
}
