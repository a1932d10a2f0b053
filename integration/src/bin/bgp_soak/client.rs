//! One client: its session, and what it was told.

use crate::layout::{self, Layout, REFLECTOR, Role};
use crate::told::Told;
use crate::wire::{self, Part, Restart};
use anyhow::Result;
use gingham_integration::bgp::endpoint::{Endpoint, State};
use gingham_integration::bgp::raw;
use std::net::TcpStream;

/// How much a client that never reads holds before TCP makes the speaker wait, in octets.
const DEAF_BUFFER: usize = 4096;

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
    session: Endpoint,
    told: Told,
    restart: Restart,
    pub(crate) ear: Ear,
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
            session: Endpoint::default(),
            told: Told::new(layout),
            restart: if restarts {
                Restart::First
            } else {
                Restart::Off
            },
            ear: Ear::Open,
            asked: false,
            heard: 0,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn state(&self) -> State {
        self.session.state()
    }

    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.session.stream()
    }

    /// Octets read in all sessions.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.session.has_unsent()
    }

    /// How the other end ended the session, once.
    pub(crate) fn take_ending(&mut self) -> Option<String> {
        self.session.take_ending()
    }

    /// Whether it was asked for its routes, once.
    pub(crate) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.asked)
    }

    /// Dials without waiting for the answer.
    pub(crate) fn dial(&mut self) -> Result<()> {
        let window = (self.role == Role::Deaf).then_some(DEAF_BUFFER);
        let from = layout::address(self.number);
        self.session.dial(from, REFLECTOR, window)
    }

    /// Ends the session without a word.
    pub(crate) fn close(&mut self) {
        self.session.close();
        self.follow();
    }

    /// The other end, or the kernel, ended the session.
    pub(crate) fn end(&mut self, how: String) {
        self.session.end(how);
        self.follow();
    }

    /// TCP says that the handshake is over, or broken off.
    pub(crate) fn answered(&mut self) -> Result<()> {
        let open = wire::open(layout::address(self.number), self.restart);
        self.session.answered(&open)?;
        if self.restart != Restart::Off && self.state() == State::Opening {
            self.restart = Restart::Again;
        }
        self.follow();
        Ok(())
    }

    /// Sends, and keeps what there is no room for.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<()> {
        self.session.send(octets)?;
        self.follow();
        Ok(())
    }

    /// Sends of what was kept as much as there is room for.
    pub(crate) fn push(&mut self) -> Result<()> {
        self.send(&[])
    }

    /// Reads once what has come, through `buffer`, which is everyone's.
    pub(crate) fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<()> {
        let (told, asked) = (&mut self.told, &mut self.asked);
        let length = self.session.read(buffer, |kind, body| {
            match kind {
                raw::UPDATE => {
                    tally.updates += 1;
                    told.learn(body)?;
                }
                wire::REFRESH => {
                    let part = wire::part(body)?;
                    *asked |= part == Part::Request;
                    told.border(part);
                }
                raw::NOTIFICATION => tally.notifications += 1,
                _ => {}
            }
            Ok(())
        })?;
        self.heard += length as u64;
        self.follow();
        Ok(())
    }

    /// Without a session nothing is held, and the next one is listened to.
    fn follow(&mut self) {
        if self.session.state() == State::Down {
            self.told.clear();
            self.ear = Ear::Open;
            self.asked = false;
        }
    }
}
