//! All clients, on one thread: dials, speaks, and follows what becomes of each session.

use crate::client::{Client, Ear, Tally};
use crate::layout::{Layout, Role, nlri};
use crate::model::Model;
use crate::wire::{self, Part, Route};
use anyhow::{Context, Result};
use gingham_integration::bgp::endpoint::State;
use gingham_integration::bgp::raw;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a client that was refused waits before it dials again.
const REDIAL: Duration = Duration::from_millis(200);
/// How often each client says that it lives: a third of the hold time offered.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The longest to be without a look at the clock, in milliseconds.
const TICK: u8 = 2;
/// Read at once; larger than any message.
const BUFFER: usize = 256 << 10;

/// What became of sessions.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    /// Those that clients ended themselves.
    pub(crate) left: u64,
    /// Times the deaf client was cut off.
    pub(crate) cut: u64,
    /// Those that ended before they were up, by how: the session before may be in the way.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Those that were lost and should not have been: who, and how.
    pub(crate) lost: Vec<String>,
}

/// How a client ends its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// By a word: a NOTIFICATION.
    Said,
    /// Without one.
    Silent,
}

struct Member {
    client: Client,
    /// When it dials next, while it has no session.
    dials: Instant,
    /// When its next keepalive is due.
    pulse: Instant,
}

pub(crate) struct Crowd {
    layout: Layout,
    epoll: Epoll,
    members: Vec<Member>,
    buffer: Vec<u8>,
    pub(crate) tally: Tally,
    pub(crate) fates: Fates,
    pub(crate) model: Model,
    /// What the probe was last changed to, and who has yet to hear of it.
    pub(crate) awaited: Option<(usize, Route)>,
    waiting: Vec<bool>,
}

impl Crowd {
    /// All dial at once.
    pub(crate) fn new(layout: Layout, now: Instant) -> Result<Self> {
        let member = |number| Member {
            client: Client::new(number, layout),
            dials: now,
            pulse: now,
        };
        Ok(Crowd {
            layout,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll")?,
            members: (0..layout.clients).map(member).collect(),
            buffer: vec![0; BUFFER],
            tally: Tally::default(),
            fates: Fates::default(),
            model: Model::new(layout),
            awaited: None,
            waiting: vec![false; layout.clients],
        })
    }

    /// All of them, by number.
    pub(crate) fn clients(&self) -> impl Iterator<Item = (usize, &Client)> {
        let clients = self.members.iter().map(|member| &member.client);
        clients.enumerate()
    }

    pub(crate) fn state(&self, number: usize) -> State {
        let member = self.members.get(number);
        member.map_or(State::Down, |member| member.client.state())
    }

    /// How many sessions are up.
    pub(crate) fn up(&self) -> usize {
        let up = self.clients();
        up.filter(|(_, client)| client.state() == State::Up).count()
    }

    /// How much a client has read in all its sessions, in octets.
    pub(crate) fn heard(&self, number: usize) -> u64 {
        let member = self.members.get(number);
        member.map_or(0, |member| member.client.heard())
    }

    /// Has a client say something.
    pub(crate) fn send(&mut self, now: Instant, number: usize, bytes: &[u8]) -> Result<()> {
        self.step(now, number, |client, _, _| client.send(bytes))
    }

    /// Ends a client's session; it dials again after `pause`.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        number: usize,
        (leaving, pause): (Leaving, Duration),
    ) -> Result<()> {
        if leaving == Leaving::Said {
            self.send(now, number, &wire::shutdown())?;
        }
        self.step(now, number, |client, _, _| {
            client.close();
            Ok(())
        })?;
        self.fates.left += 1;
        if let Some(member) = self.members.get_mut(number) {
            member.dials = now + pause;
        }
        Ok(())
    }

    /// Has a client stop reading, or go on.
    pub(crate) fn turn_ear(&mut self, number: usize, ear: Ear) -> Result<()> {
        let Some(member) = self.members.get_mut(number) else {
            return Ok(());
        };
        member.client.ear = ear;
        self.listen(number)
    }

    /// Waits from now on for everyone who is up and always reads to hear this of a prefix.
    pub(crate) fn await_route(&mut self, prefix: usize, route: Route) {
        let owner = self.layout.owners(prefix)[0];
        self.awaited = Some((prefix, route));
        for (number, member) in self.members.iter().enumerate() {
            let client = &member.client;
            self.waiting[number] = client.state() == State::Up
                && !matches!(client.role(), Role::Deaf | Role::Sleeper)
                // Who is told everything at first is told this in its turn.
                && client.told().route(prefix).is_some()
                && Some(number) != owner;
        }
    }

    /// Whether all have heard.
    pub(crate) fn all_heard(&self) -> bool {
        !self.waiting.contains(&true)
    }

    /// Dials and speaks as is due, waits a moment for events, and serves them.
    pub(crate) fn turn(&mut self) -> Result<()> {
        self.keep_up(Instant::now())?;
        let mut events = [EpollEvent::empty(); 256];
        let count = match self.epoll.wait(&mut events, TICK) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll"),
        };
        for event in events.iter().take(count) {
            let number = usize::try_from(event.data())?;
            let told = self.serve(Instant::now(), number, event.events());
            told.with_context(|| format!("client {number}"))?;
        }
        Ok(())
    }

    /// Dials, keepalives, and what had no room before.
    fn keep_up(&mut self, now: Instant) -> Result<()> {
        for number in 0..self.members.len() {
            let Some(member) = self.members.get_mut(number) else {
                continue;
            };
            match member.client.state() {
                State::Down if member.dials <= now => {
                    member.dials = now + REDIAL;
                    self.dial(now, number)?;
                }
                State::Up if member.pulse <= now => {
                    member.pulse = now + KEEPALIVE;
                    self.send(now, number, &raw::keepalive())?;
                }
                _ if member.client.has_unsent() => {
                    self.step(now, number, |client, _, _| client.push())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn dial(&mut self, now: Instant, number: usize) -> Result<()> {
        self.step(now, number, |client, _, _| client.dial())?;
        let Some(stream) = self.members.get(number).and_then(|it| it.client.stream()) else {
            return Ok(());
        };
        // Writable at first: TCP's handshake is over.
        let event = EpollEvent::new(EpollFlags::EPOLLOUT, number as u64);
        self.epoll.add(stream, event).context("epoll")
    }

    /// Something happened on the client's socket.
    fn serve(&mut self, now: Instant, number: usize, flags: EpollFlags) -> Result<()> {
        let Some(member) = self.members.get(number) else {
            return Ok(());
        };
        if member.client.state() == State::Dialling {
            self.step(now, number, |client, _, _| client.answered())?;
            return self.listen(number);
        }
        if member.client.ear == Ear::Open {
            return self.step(now, number, Client::read);
        }
        if flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
            let how = "reset while it did not read".to_owned();
            return self.step(now, number, |client, _, _| {
                client.end(how);
                Ok(())
            });
        }
        Ok(())
    }

    /// Asks for what the client wants to know of.
    fn listen(&self, number: usize) -> Result<()> {
        let member = self.members.get(number);
        let Some(stream) = member.and_then(|member| member.client.stream()) else {
            return Ok(());
        };
        let flags = match member.map(|member| member.client.ear) {
            Some(Ear::Shut) => EpollFlags::empty(),
            _ => EpollFlags::EPOLLIN,
        };
        let mut event = EpollEvent::new(flags, number as u64);
        self.epoll.modify(stream, &mut event).context("epoll")
    }

    /// Lets a client act, and follows what became of it.
    fn step(
        &mut self,
        now: Instant,
        number: usize,
        act: impl FnOnce(&mut Client, &mut [u8], &mut Tally) -> Result<()>,
    ) -> Result<()> {
        let member = self.members.get_mut(number).context("no such client")?;
        let before = member.client.state();
        act(&mut member.client, &mut self.buffer, &mut self.tally)?;
        let after = member.client.state();
        if let Some((prefix, route)) = self.awaited
            && member.client.told().route(prefix) == Some(route)
        {
            self.waiting[number] = false;
        }
        let asked = member.client.take_asked();
        if after == State::Up && before != State::Up {
            self.begin(now, number)?;
        } else if after == State::Down && before != State::Down {
            self.ended(now, number, before);
        } else if asked {
            self.tell_again(now, number)?;
        }
        Ok(())
    }

    /// A session is up: the client says what it has to say.
    fn begin(&mut self, now: Instant, number: usize) -> Result<()> {
        let said = self.say_all(number);
        let member = self.members.get_mut(number).context("no such client")?;
        member.pulse = now + KEEPALIVE;
        let deaf = member.client.role() == Role::Deaf;
        self.send(now, number, &[said, wire::end_of_rib()].concat())?;
        if deaf {
            self.turn_ear(number, Ear::Shut)?;
        }
        Ok(())
    }

    fn tell_again(&mut self, now: Instant, number: usize) -> Result<()> {
        let said = self.say_all(number);
        let borders = [Part::Begin, Part::End].map(wire::refresh);
        let [begin, end] = borders;
        self.send(now, number, &[begin, said, end].concat())
    }

    /// Everything a client announces.
    fn say_all(&self, number: usize) -> Vec<u8> {
        let routes = self.model.of_client(number).into_iter();
        routes
            .flat_map(|(prefix, route)| wire::announce(route, nlri(prefix)))
            .collect()
    }

    /// A session is no more.
    fn ended(&mut self, now: Instant, number: usize, before: State) {
        self.waiting[number] = false;
        let Some(member) = self.members.get_mut(number) else {
            return;
        };
        member.dials = now + REDIAL;
        let Some(how) = member.client.take_ending() else {
            return;
        };
        if before != State::Up {
            *self.fates.refused.entry(how).or_default() += 1;
            return;
        }
        match member.client.role() {
            Role::Deaf => self.fates.cut += 1,
            role => {
                let lost = format!("client {number} ({role:?}) lost its session: {how}");
                self.fates.lost.push(lost);
            }
        }
    }
}
