//! How far one peer has read, and what it is still missing.

use super::segment::Segment;
use crate::PeerId;
use bytes::Bytes;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whole frames around the table a member is told: BoRR and EoRR (RFC 7313), or End-of-RIB behind it
/// (RFC 4724).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Borders {
    /// Told before the first prefix.
    pub before: Option<Bytes>,
    /// Told when the peer has been given everything there was when it joined, before anything later.
    pub after: Option<Bytes>,
}

impl Borders {
    /// The borders of a table that is told again before these were read: they are owed still.
    pub(super) fn followed_by(self, again: Borders) -> Borders {
        let after = match (self.after, again.after) {
            (Some(owed), Some(after)) if owed != after => Some([owed, after].concat().into()),
            (owed, after) => after.or(owed),
        };
        let before = again.before.or(self.before);
        Borders { before, after }
    }
}

/// A member's place in the log of its [`super::Group`]. Whoever writes to the peer owns it, in any task.
///
/// It stays usable when the group is gone: what was flushed before can be read, nothing follows.
#[derive(Debug)]
pub struct Cursor {
    place: Arc<Mutex<Place>>,
}

impl Cursor {
    pub(super) fn new(place: Arc<Mutex<Place>>) -> Self {
        Cursor { place }
    }

    /// The next whole frames for this peer, side by side: at most `max` octets unless one frame alone is
    /// longer, or a border is. `None` when there is nothing to send now.
    ///
    /// The slice shares memory with the log and keeps at most 64 KiB of it alive.
    pub fn next(&mut self, max: usize) -> Option<Bytes> {
        lock(&self.place).next(max)
    }

    /// Whether the peer fell so far behind that the log does not wait for it any longer. There is nothing
    /// more to read until [`super::Group::catch_up`].
    pub fn is_cut_off(&self) -> bool {
        matches!(lock(&self.place).at, At::CutOff)
    }

    pub(super) fn place(&self) -> &Arc<Mutex<Place>> {
        &self.place
    }
}

/// The place of a member. A panic while it is locked leaves it whole: every step is one assignment.
pub(super) fn lock(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a [`Cursor`] and its group share.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) peer: PeerId,
    pub(super) at: At,
    pub(super) borders: Borders,
    /// The flush up to which the member is told the table; what is later is the live log.
    pub(super) until: u64,
    /// What the member misses of the table while it reads segments up to `until`.
    pub(super) missing: Missing,
}

/// Where a member reads.
#[derive(Debug)]
pub(super) enum At {
    /// From this octet of this segment on.
    Segment(Arc<Segment>, usize),
    /// Nowhere: the log did not wait.
    CutOff,
    /// Nowhere: it is no member any more.
    Left,
}

/// What a member was not told for certain: paths whose last change was in these flushes or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// Paths that are told.
    pub(super) told: u64,
    /// Paths that were, and may have been told to it.
    pub(super) gone: u64,
}

impl Missing {
    /// Nothing before this flush.
    pub(super) fn since(flush: u64) -> Self {
        Missing {
            told: flush,
            gone: flush,
        }
    }

    /// The whole table; nothing was told before this flush.
    pub(super) fn all_at(flush: u64) -> Self {
        Missing {
            told: 0,
            gone: flush + 1,
        }
    }
}

impl Place {
    fn next(&mut self, max: usize) -> Option<Bytes> {
        let At::Segment(segment, offset) = &mut self.at else {
            return None;
        };
        if let Some(before) = self.borders.before.take() {
            return Some(before);
        }
        loop {
            if let Some(slice) = segment.read(self.peer, offset, max) {
                return Some(slice);
            }
            let next = segment.next().cloned();
            let live = next.as_ref().is_none_or(|it| it.number() > self.until);
            if let Some(after) = self.borders.after.take_if(|_| live) {
                return Some(after);
            }
            (*segment, *offset) = (next?, 0);
        }
    }

    /// What the member would have to be told if the log were taken from it now.
    pub(super) fn missing(&self) -> Missing {
        let At::Segment(segment, offset) = &self.at else {
            return self.missing;
        };
        let next = segment.next().map(|next| next.number());
        let read = *offset == segment.len();
        let number = segment.number();
        match next {
            None if read => Missing::since(number + 1),
            Some(next) if read && next > self.until.max(number) => Missing::since(number + 1),
            _ if number <= self.until => self.missing,
            _ => Missing::since(number),
        }
    }

    /// The flush it reads; `None` when it reads nothing, or has read all there is.
    pub(super) fn behind(&self) -> Option<u64> {
        match &self.at {
            At::Segment(segment, offset) if *offset < segment.len() || segment.next().is_some() => {
                Some(segment.number())
            }
            _ => None,
        }
    }

    /// Lets go of the log, for `at` instead. What the member misses is remembered.
    pub(super) fn stop(&mut self, at: At) -> At {
        self.missing = self.missing();
        mem::replace(&mut self.at, at)
    }
}
