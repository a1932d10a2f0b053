//! All clients of the reflector, on one thread: dials, speaks, and counts what comes.

use crate::client::{Client, Tally};
use crate::size::Size;
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use gingham_integration::bgp::endpoint::State;
use gingham_integration::bgp::raw;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a client that was refused waits before it dials again.
const REDIAL: Duration = Duration::from_millis(50);
/// How often each client says that it lives: a third of the hold time offered.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long nothing must come until all is said.
const QUIET: Duration = Duration::from_millis(100);
/// The longest that is waited for this.
const RESTLESS: Duration = Duration::from_secs(5);
/// The longest to be without a look at the clock, in milliseconds.
const TICK: u8 = 10;
/// Read at once; larger than any message.
const BUFFER: usize = 256 << 10;

/// What all clients that take part must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Sessions.
    Up,
    /// As many prefixes as the others announce.
    Holding,
    /// The announcement of this prefix.
    Hearing(usize),
}

/// One of them.
struct Member {
    client: Client,
    /// It went for good: it dials no more and need not reach anything.
    retired: bool,
    /// How many prefixes the others announce.
    expected: usize,
    /// Whether it reached the goal; also if it need not.
    there: bool,
}

pub(crate) struct Injector {
    size: Size,
    epoll: Epoll,
    members: Vec<Member>,
    buffer: Vec<u8>,
    /// What the clients that stand announce; who comes up says its part.
    pub(crate) announced: Table,
    pub(crate) tally: Tally,
    goal: Goal,
    /// How many have yet to reach it.
    missing: usize,
    /// The most that dial or open at a time.
    pub(crate) pace: usize,
    opening: usize,
    to_dial: VecDeque<usize>,
    refused: VecDeque<(Instant, usize)>,
    /// Whose keepalive is next, and when.
    pulse: (usize, Instant),
}

impl Injector {
    pub(crate) fn new(size: Size, pace: usize) -> Result<Self> {
        let member = |number| Member {
            client: Client::new(number, size),
            retired: false,
            expected: 0,
            there: false,
        };
        Ok(Injector {
            size,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll")?,
            members: (0..size.clients).map(member).collect(),
            buffer: vec![0; BUFFER],
            announced: Table::new(size.total()),
            tally: Tally::default(),
            goal: Goal::Up,
            missing: size.clients,
            pace,
            opening: 0,
            to_dial: VecDeque::new(),
            refused: VecDeque::new(),
            pulse: (0, Instant::now()),
        })
    }

    /// Ends all sessions without a word; all dial with the next turn.
    pub(crate) fn redial(&mut self) {
        for member in &mut self.members {
            member.client.close();
            member.retired = false;
        }
        self.opening = 0;
        self.refused.clear();
        self.to_dial = (0..self.size.clients).collect();
    }

    /// Has a client announce prefixes of its own.
    pub(crate) fn announce(
        &mut self,
        number: usize,
        med: Option<u32>,
        prefixes: &[usize],
    ) -> Result<()> {
        for prefix in prefixes {
            self.announced.insert(*prefix);
        }
        self.step(number, |client, _, _| client.announce(med, prefixes))
    }

    /// Has a client take prefixes of its own back.
    pub(crate) fn withdraw(&mut self, number: usize, prefixes: &[usize]) -> Result<()> {
        for prefix in prefixes {
            self.announced.remove(*prefix);
        }
        self.step(number, |client, _, _| client.withdraw(prefixes))
    }

    /// Ends one session for good, and its announcements with it.
    pub(crate) fn retire(&mut self, number: usize) -> Result<()> {
        let own = self.size.own(number);
        self.announced = self.announced.without(own);
        self.member(number)?.retired = true;
        self.step(number, |client, _, _| {
            client.close();
            Ok(())
        })
    }

    /// Sets what is to be reached from now on.
    pub(crate) fn aim(&mut self, goal: Goal) {
        self.goal = goal;
        for (number, member) in self.members.iter_mut().enumerate() {
            let own = self.size.own(number);
            let echoes = self.announced.among(own).count();
            member.expected = self.announced.count() - echoes;
            if let Goal::Hearing(prefix) = goal {
                member.client.await_prefix(prefix);
            }
            member.there = member.retired || member.reached(goal);
        }
        let missing = self.members.iter().filter(|member| !member.there);
        self.missing = missing.count();
    }

    /// Goes on until all have reached it, and says how long after `since` that was; `None` when they
    /// have not within `limit`.
    pub(crate) fn reach(&mut self, since: Instant, limit: Duration) -> Result<Option<Duration>> {
        while self.missing > 0 {
            if since.elapsed() > limit {
                return Ok(None);
            }
            self.turn()?;
        }
        Ok(Some(since.elapsed()))
    }

    /// Goes on until nothing comes any more.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        let (mut octets, mut since) = (self.tally.octets, start);
        while since.elapsed() < QUIET && start.elapsed() < RESTLESS {
            self.turn()?;
            if self.tally.octets != octets {
                (octets, since) = (self.tally.octets, Instant::now());
            }
        }
        Ok(())
    }

    /// How many have yet to reach the goal.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// Whether every client holds what the others announce, prefix by prefix.
    pub(crate) fn check(&self) -> Result<()> {
        for (number, member) in self.members.iter().enumerate() {
            let expected = self.announced.without(self.size.own(number));
            let right = member.retired || *member.client.table() == expected;
            ensure!(right, "client {number} holds other prefixes than announced");
        }
        Ok(())
    }

    fn member(&mut self, number: usize) -> Result<&mut Member> {
        let member = self.members.get_mut(number);
        member.with_context(|| format!("no client {number}"))
    }

    /// Dials who is to dial, waits a moment for events, and serves them.
    fn turn(&mut self) -> Result<()> {
        self.dial()?;
        self.pulse()?;
        let mut events = [EpollEvent::empty(); 256];
        let count = match self.epoll.wait(&mut events, TICK) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll"),
        };
        for event in events.iter().take(count) {
            let number = usize::try_from(event.data())?;
            let told = self.serve(number);
            told.with_context(|| format!("client {number}"))?;
        }
        Ok(())
    }

    fn dial(&mut self) -> Result<()> {
        let now = Instant::now();
        while let Some((_, number)) = self.refused.pop_front_if(|(due, _)| *due <= now) {
            self.to_dial.push_back(number);
        }
        while self.opening < self.pace
            && let Some(number) = self.to_dial.pop_front()
        {
            self.step(number, |client, _, _| client.dial())?;
            let member = self.members.get(number).context("no such client")?;
            if let Some(stream) = member.client.stream() {
                // Writable at first: TCP's handshake is over.
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, number as u64);
                self.epoll.add(stream, event).context("epoll")?;
            } else {
                self.refused.push_back((now + REDIAL, number));
            }
        }
        Ok(())
    }

    /// Something happened on the client's socket.
    fn serve(&mut self, number: usize) -> Result<()> {
        if self.member(number)?.client.state() == State::Dialling {
            self.step(number, |client, _, _| client.answered())?;
            let member = self.members.get(number).context("no such client")?;
            if let Some(stream) = member.client.stream() {
                let mut event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
                self.epoll.modify(stream, &mut event).context("epoll")?;
            }
            return Ok(());
        }
        self.step(number, Client::read)
    }

    /// Lets a client act, and follows what became of it.
    fn step(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Client, &mut [u8], &mut Tally) -> Result<()>,
    ) -> Result<()> {
        let member = self.members.get_mut(number).context("no such client")?;
        let before = member.client.state();
        act(&mut member.client, &mut self.buffer, &mut self.tally)?;
        self.follow(number, before)
    }

    /// What became of a client that was in the state `before`.
    fn follow(&mut self, number: usize, before: State) -> Result<()> {
        let goal = self.goal;
        let member = self.member(number)?;
        let after = member.client.state();
        let was_there = member.there;
        member.there = member.retired || member.reached(goal);
        let (there, retired) = (member.there, member.retired);
        self.missing = self.missing + usize::from(was_there) - usize::from(there);
        if before == after {
            return Ok(());
        }
        self.opening += usize::from(under_way(after));
        self.opening -= usize::from(under_way(before));
        if after == State::Up {
            let own: Vec<_> = self.announced.among(self.size.own(number)).collect();
            self.step(number, |client, _, _| client.announce(None, &own))?;
        } else if after == State::Down && !retired {
            self.refused.push_back((Instant::now() + REDIAL, number));
        }
        Ok(())
    }

    /// Sends the keepalives that are due, one client after the other.
    fn pulse(&mut self) -> Result<()> {
        let now = Instant::now();
        let pause = KEEPALIVE / u32::try_from(self.size.clients)?;
        while self.pulse.1 <= now {
            let (number, due) = self.pulse;
            self.pulse = ((number + 1) % self.size.clients, due + pause);
            if self.member(number)?.client.state() == State::Up {
                self.step(number, |client, _, _| client.send(&raw::keepalive()))?;
            }
        }
        Ok(())
    }
}

impl Member {
    fn reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Up => self.client.state() == State::Up,
            Goal::Holding => {
                self.client.state() == State::Up && self.client.table().count() == self.expected
            }
            Goal::Hearing(_) => self.client.heard(),
        }
    }
}

fn under_way(state: State) -> bool {
    matches!(state, State::Dialling | State::Opening)
}
