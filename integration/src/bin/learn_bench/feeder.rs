//! One that waits to be dialled and says what it has: a reflector of the zone, as a node sees it, or the
//! core, as a reflector does. Nothing here waits; many are served by one thread.

use crate::case::{self, Feed, Nodes, Router};
use crate::told::Told;
use crate::wire::{self, Voice};
use anyhow::{Context, Result, bail};
use gingham_integration::bgp::endpoint::{Endpoint, PORT, State};
use gingham_integration::bgp::frame::{self, Fields, Slash24};
use gingham_integration::bgp::raw;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How often it says that it lives: often enough for whatever hold time is agreed on.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// Read at once; larger than any message.
const BUFFER: usize = 64 << 10;

pub(crate) struct Feeder {
    number: usize,
    voice: Voice,
    feed: Feed,
    listener: TcpListener,
    session: Endpoint,
    buffer: Vec<u8>,
    /// When it says next that it lives.
    pulse: Instant,
    told: Told,
    ready: Vec<u8>,
    heard: Heard,
}

/// What the one under test said in this session.
#[derive(Default)]
struct Heard {
    prefixes: BTreeSet<Slash24>,
    /// Whether its End-of-RIB came.
    ended: bool,
}

impl Feeder {
    /// Listens in the calling thread's namespace.
    pub(crate) fn listen(number: usize, voice: Voice, feed: Feed) -> Result<Self> {
        let address = case::feeder(number);
        let listener = TcpListener::bind((address, PORT));
        let listener = listener.with_context(|| format!("listening at {address}"))?;
        listener.set_nonblocking(true)?;
        Ok(Feeder {
            number,
            voice,
            feed,
            listener,
            session: Endpoint::default(),
            buffer: vec![0; BUFFER],
            pulse: Instant::now(),
            told: Told::Nothing,
            ready: Vec::new(),
            heard: Heard::default(),
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.session.state() == State::Up
    }

    /// Whether the End-of-RIB of the one under test came.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_up() && self.heard.ended
    }

    /// How many blocks it was told of.
    pub(crate) fn blocks(&self, nodes: Nodes) -> usize {
        let blocks = self.heard.prefixes.iter();
        let blocks = blocks.filter(|block| nodes.owner(**block).is_some());
        blocks.count()
    }

    /// Makes ready to say what is new.
    pub(crate) fn prepare(&mut self, told: Told) {
        self.ready = self.news(self.told, told);
        self.told = told;
    }

    /// Says what it is ready to.
    pub(crate) fn tell(&mut self) -> Result<()> {
        if !self.is_up() {
            bail!("feeder {} has no session", self.number);
        }
        self.session.send(&std::mem::take(&mut self.ready))
    }

    /// Ends the session without a word.
    pub(crate) fn close(&mut self) {
        self.session.close();
    }

    /// Accepts who dials, reads what has come, and sends what there is room for.
    pub(crate) fn turn(&mut self) -> Result<()> {
        let number = self.number;
        self.go_on().with_context(|| format!("feeder {number}"))
    }

    fn go_on(&mut self) -> Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let open = self.voice.open(case::feeder(self.number));
                self.session.begin(stream, &open)?;
                self.heard = Heard::default();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("accepting"),
        }
        let was_up = self.is_up();
        while self.read()? {}
        if self.is_up() && !was_up {
            let all = self.news(Told::Nothing, self.told);
            self.session.send(&[all, wire::end_of_rib()].concat())?;
        }
        if self.is_up() && self.pulse <= Instant::now() {
            self.pulse = Instant::now() + KEEPALIVE;
            self.session.send(&raw::keepalive())?;
        }
        self.session.push()
    }

    /// Reads once; `false` when nothing came.
    fn read(&mut self) -> Result<bool> {
        let heard = &mut self.heard;
        let length = self
            .session
            .read(&mut self.buffer, |kind, body| match kind {
                raw::UPDATE => heard.learn(body),
                raw::NOTIFICATION => bail!("NOTIFICATION {body:02x?}"),
                _ => Ok(()),
            })?;
        Ok(length > 0)
    }

    /// What wakes it up.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stream = self.session.stream().map(AsFd::as_fd);
        std::iter::once(self.listener.as_fd()).chain(stream)
    }

    /// The UPDATEs that lead from what was said to what is.
    fn news(&self, before: Told, after: Told) -> Vec<u8> {
        let mut announced: BTreeMap<Router, Vec<Slash24>> = BTreeMap::new();
        let mut withdrawn = Vec::new();
        for number in 0..self.feed.prefixes {
            let was = before.of(self.number, number);
            let prefix = Feed::prefix(number);
            match after.of(self.number, number) {
                now if now == was => {}
                Some(router) => announced.entry(router).or_default().push(prefix),
                None => withdrawn.push(prefix),
            }
        }
        let announced = announced.iter();
        let announced =
            announced.map(|(router, prefixes)| self.voice.announce(router.address(), prefixes));
        let mut all: Vec<Vec<u8>> = announced.collect();
        all.push(wire::withdraw(&withdrawn));
        all.concat()
    }
}

impl Heard {
    fn learn(&mut self, body: &[u8]) -> Result<()> {
        let fields = Fields::of(body)?;
        self.ended |= fields.is_end_of_rib();
        frame::slash24s(fields.withdrawn, |prefix| {
            self.prefixes.remove(&prefix);
            Ok(())
        })?;
        frame::slash24s(fields.announced, |prefix| {
            self.prefixes.insert(prefix);
            Ok(())
        })
    }
}
