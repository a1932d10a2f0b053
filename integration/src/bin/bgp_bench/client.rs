//! One client of the reflector: a session, and what it was told.

use crate::size::{self, Size};
use crate::table::Table;
use crate::wire;
use anyhow::{Context, Result, ensure};
use gingham_integration::bgp::endpoint::{Endpoint, State};
use gingham_integration::bgp::frame::{self, Fields, Slash24};
use gingham_integration::bgp::raw;
use std::net::{Ipv4Addr, TcpStream};

/// What all clients of a run were told, together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) updates: u64,
    pub(crate) octets: u64,
    pub(crate) notifications: u64,
}

pub(crate) struct Client {
    number: usize,
    session: Endpoint,
    known: Known,
}

/// What a client knows of the prefixes.
struct Known {
    number: usize,
    size: Size,
    /// What it holds of the others; its own may come back or not.
    table: Table,
    /// The prefix to listen for, until it was announced.
    awaited: Option<usize>,
}

impl Client {
    pub(crate) fn new(number: usize, size: Size) -> Self {
        Client {
            number,
            session: Endpoint::default(),
            known: Known {
                number,
                size,
                table: Table::new(size.total()),
                awaited: None,
            },
        }
    }

    pub(crate) fn state(&self) -> State {
        self.session.state()
    }

    pub(crate) fn table(&self) -> &Table {
        &self.known.table
    }

    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.session.stream()
    }

    /// From now on it listens for an announcement of this prefix, unless it is its own.
    pub(crate) fn await_prefix(&mut self, prefix: usize) {
        let own = self.known.size.own(self.number);
        self.known.awaited = Some(prefix).filter(|prefix| !own.contains(prefix));
    }

    /// Whether that came.
    pub(crate) fn heard(&self) -> bool {
        self.known.awaited.is_none()
    }

    /// Dials without waiting for the answer.
    pub(crate) fn dial(&mut self) -> Result<()> {
        let from = size::address(self.number);
        self.session.dial(from, size::REFLECTOR, None)
    }

    /// Ends the session without a word.
    pub(crate) fn close(&mut self) {
        self.session.close();
        self.known.table.clear();
    }

    /// TCP says that the handshake is over, or broken off.
    pub(crate) fn answered(&mut self) -> Result<()> {
        let open = wire::open(size::address(self.number));
        self.session.answered(&open)
    }

    /// Sends what a message or two are: any socket has room for these. A session that broke is
    /// closed.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<()> {
        self.session.send(octets)?;
        ensure!(!self.session.has_unsent(), "a full socket");
        self.follow();
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
        let known = &mut self.known;
        let length = self.session.read(buffer, |kind, body| match kind {
            raw::UPDATE => {
                tally.updates += 1;
                known.learn(body)
            }
            raw::NOTIFICATION => {
                tally.notifications += 1;
                Ok(())
            }
            _ => Ok(()),
        })?;
        tally.octets += length as u64;
        self.follow();
        Ok(())
    }

    /// Without a session, nothing is held.
    fn follow(&mut self) {
        if self.session.state() == State::Down {
            self.known.table.clear();
        }
    }
}

impl Known {
    fn learn(&mut self, body: &[u8]) -> Result<()> {
        let fields = Fields::of(body)?;
        let own = self.size.own(self.number);
        frame::slash24s(fields.withdrawn, |nlri| {
            self.table.remove(prefix(nlri)?);
            Ok(())
        })?;
        frame::slash24s(fields.announced, |nlri| {
            let prefix = prefix(nlri)?;
            if own.contains(&prefix) {
                return Ok(());
            }
            ensure!(
                self.table.insert(prefix),
                "{nlri:?}, which nobody announces"
            );
            if self.awaited == Some(prefix) {
                self.awaited = None;
            }
            Ok(())
        })
    }
}

fn prefix(nlri: Slash24) -> Result<usize> {
    size::prefix(nlri).with_context(|| {
        let [length, a, b, c] = nlri;
        let address = Ipv4Addr::new(a, b, c, 0);
        format!("{address}/{length}, which nobody announces")
    })
}
