//! How sessions with configured neighbours stand, for whoever waits for them.

use super::core::Core;
use super::peer::Origin;
use crate::PeerId;
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;

/// What can be waited for at the beginning: peers, and what they have to say.
///
/// It is never ahead of [`super::Learned`]: what is said here was published after the changes that came
/// before it could be read there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Whether nobody is told anything yet, since peers have yet to say what they have (RFC 4724
    /// section 4.1).
    pub deferring: bool,
    /// Every neighbour of the configuration by its name; no peers out of ranges.
    pub neighbours: BTreeMap<String, Heard>,
}

/// What was heard of a neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether its session is up.
    pub established: bool,
    /// The families whose End-of-RIB has come on this session.
    pub ended: BTreeSet<Family>,
}

/// The writing end: keeps what happened until it may be known.
#[derive(Debug)]
pub(super) struct Board {
    published: watch::Sender<Sessions>,
    /// Whether nobody is told anything yet, where that is news.
    deferring: Option<bool>,
    /// What is new of neighbours; `None` of one that is gone.
    news: BTreeMap<String, Option<Heard>>,
}

impl Board {
    pub(super) fn new() -> Self {
        Board {
            published: watch::Sender::new(Sessions::default()),
            deferring: None,
            news: BTreeMap::new(),
        }
    }

    /// A reading end.
    pub(super) fn subscribe(&self) -> watch::Receiver<Sessions> {
        self.published.subscribe()
    }

    pub(super) fn defer(&mut self, deferring: bool) {
        self.deferring = Some(deferring);
    }

    pub(super) fn note(&mut self, neighbour: &str, heard: Option<Heard>) {
        self.news.insert(neighbour.to_owned(), heard);
    }

    /// Lets everybody know.
    pub(super) fn publish(&mut self) {
        let (deferring, news) = (self.deferring.take(), std::mem::take(&mut self.news));
        if deferring.is_none() && news.is_empty() {
            return;
        }
        self.published.send_if_modified(|sessions| {
            let deferring = deferring.unwrap_or(sessions.deferring);
            let mut modified = std::mem::replace(&mut sessions.deferring, deferring) != deferring;
            for (neighbour, heard) in news {
                let before = match heard.clone() {
                    Some(heard) => sessions.neighbours.insert(neighbour, heard),
                    None => sessions.neighbours.remove(&neighbour),
                };
                modified |= before != heard;
            }
            modified
        });
    }
}

impl Core {
    /// Lets whoever waits for sessions know how they stand, once all that came before was told.
    pub(super) fn publish(&mut self) {
        if !self.has_news() {
            self.sessions.publish();
        }
    }

    /// Something happened to a session.
    pub(super) fn note_session(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get(&id)
            && let Origin::Configured(..) = peer.origin
        {
            let session = peer.session.as_ref();
            let heard = Heard {
                established: session.is_some(),
                ended: session.map_or_else(BTreeSet::new, |session| session.ended.clone()),
            };
            self.sessions.note(&peer.name, Some(heard));
        }
    }
}
