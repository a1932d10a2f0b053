//! The nodes of a zone, on one thread: each dials the reflector, announces its block and counts what it
//! is told.

use crate::case::{DEVICE, Feed, Nodes};
use crate::wire::{self, Voice};
use anyhow::{Context, Result};
use gingham_integration::bgp::endpoint::{Endpoint, State};
use gingham_integration::bgp::frame::{self, Fields};
use gingham_integration::bgp::raw;
use gingham_netlink::Netns;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// How long a node that was refused waits before it dials again.
const REDIAL: Duration = Duration::from_millis(50);
/// How often all say that they live: often enough for whatever hold time is agreed on.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// The longest to be without a look at the clock, in milliseconds.
const TICK: u8 = 1;
/// Read at once; larger than any message.
const BUFFER: usize = 64 << 10;

#[derive(Default)]
struct Node {
    session: Endpoint,
    /// The learned prefixes it holds, by number.
    held: BTreeSet<usize>,
}

pub(crate) struct Crowd<'a> {
    /// Where they stand.
    netns: &'a Netns,
    feed: Feed,
    epoll: Epoll,
    nodes: Vec<Node>,
    buffer: Vec<u8>,
    /// The most that dial or open at a time.
    pace: usize,
    to_dial: VecDeque<usize>,
    refused: VecDeque<(Instant, usize)>,
    pulse: Instant,
    /// Octets that came.
    pub(crate) heard: usize,
}

impl<'a> Crowd<'a> {
    /// Nobody dials yet; what the core tells is `feed`.
    pub(crate) fn new(netns: &'a Netns, Nodes(nodes): Nodes, feed: Feed) -> Result<Self> {
        Ok(Crowd {
            netns,
            feed,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll")?,
            nodes: (0..nodes).map(|_| Node::default()).collect(),
            buffer: vec![0; BUFFER],
            pace: 0,
            to_dial: (0..nodes).collect(),
            refused: VecDeque::new(),
            pulse: Instant::now(),
            heard: 0,
        })
    }

    /// All dial from now on, so many at a time.
    pub(crate) fn dial(&mut self, pace: usize) {
        self.pace = pace;
    }

    pub(crate) fn all_up(&self) -> bool {
        self.nodes.iter().all(Node::is_up)
    }

    /// Whether every node holds all that the core told.
    pub(crate) fn all_told(&self) -> bool {
        let all = self.feed.prefixes;
        self.nodes.iter().all(|node| node.held.len() == all)
    }

    /// Dials who is to dial, waits a moment for events, and serves them.
    pub(crate) fn turn(&mut self) -> Result<()> {
        self.dial_some()?;
        self.keep_alive()?;
        let mut events = [EpollEvent::empty(); 256];
        let count = match self.epoll.wait(&mut events, TICK) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll"),
        };
        for event in events.iter().take(count) {
            let number = usize::try_from(event.data())?;
            self.serve(number)
                .with_context(|| format!("node {number}"))?;
        }
        Ok(())
    }

    fn dial_some(&mut self) -> Result<()> {
        let now = Instant::now();
        while let Some((_, number)) = self.refused.pop_front_if(|(due, _)| *due <= now) {
            self.to_dial.push_back(number);
        }
        if self.to_dial.is_empty() || self.pace == 0 {
            return Ok(());
        }
        let opening = self.nodes.iter().filter(|node| node.is_opening());
        let some = self.pace.saturating_sub(opening.count());
        let some: Vec<usize> = self.to_dial.drain(..some.min(self.to_dial.len())).collect();
        // A socket stays in the network it was made in.
        let (nodes, epoll) = (&mut self.nodes, &self.epoll);
        let refused = self.netns.visit(|| -> Result<Vec<usize>> {
            let mut refused = Vec::new();
            for number in some {
                let node = nodes.get_mut(number).context("no such node")?;
                node.session.dial(Nodes::address(number), DEVICE, None)?;
                match node.session.stream() {
                    // Writable at first: TCP's handshake is over.
                    Some(stream) => {
                        let event = EpollEvent::new(EpollFlags::EPOLLOUT, number as u64);
                        epoll.add(stream, event).context("epoll")?;
                    }
                    None => refused.push(number),
                }
            }
            Ok(refused)
        })??;
        let due = now + REDIAL;
        self.refused
            .extend(refused.into_iter().map(|one| (due, one)));
        Ok(())
    }

    /// Something happened on the node's socket.
    fn serve(&mut self, number: usize) -> Result<()> {
        let node = self.nodes.get_mut(number).context("no such node")?;
        let before = node.session.state();
        if before == State::Dialling {
            let open = Voice::Node.open(Nodes::address(number));
            node.session.answered(&open)?;
            if let Some(stream) = node.session.stream() {
                let mut event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
                self.epoll.modify(stream, &mut event).context("epoll")?;
            }
        } else {
            self.heard += node.read(&mut self.buffer)?;
        }
        let after = node.session.state();
        if after == State::Up && before != State::Up {
            let block = Nodes::block(number);
            let block = Voice::Node.announce(Nodes::address(number), &[block]);
            let said = [block, wire::end_of_rib()].concat();
            node.session.send(&said)?;
        } else if after == State::Down {
            node.held.clear();
            self.refused.push_back((Instant::now() + REDIAL, number));
        }
        Ok(())
    }

    fn keep_alive(&mut self) -> Result<()> {
        if self.pulse > Instant::now() {
            return Ok(());
        }
        self.pulse = Instant::now() + KEEPALIVE;
        let mut up = self.nodes.iter_mut().filter(|node| node.is_up());
        up.try_for_each(|node| node.session.send(&raw::keepalive()))
    }
}

impl Node {
    fn is_up(&self) -> bool {
        self.session.state() == State::Up
    }

    fn is_opening(&self) -> bool {
        matches!(self.session.state(), State::Dialling | State::Opening)
    }

    /// Reads once; how many octets came.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let held = &mut self.held;
        self.session.read(buffer, |kind, body| {
            if kind != raw::UPDATE {
                return Ok(());
            }
            let fields = Fields::of(body)?;
            frame::slash24s(fields.withdrawn, |prefix| {
                if let Some(number) = Feed::number(prefix) {
                    held.remove(&number);
                }
                Ok(())
            })?;
            frame::slash24s(fields.announced, |prefix| {
                held.extend(Feed::number(prefix));
                Ok(())
            })
        })
    }
}
