//! What one connection has yet to write: messages of the session first, then the log of its groups.

#[cfg(test)]
mod tests;

use crate::export::Cursor;
use crate::wire;
use bytes::{Buf, Bytes};
use gingham_model::Family;
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

/// The most that is taken from the log at a time: keepalives wait no longer than this takes to write.
const PORTION: usize = 64 * 1024;
/// The most slices of one write.
const SLICES: usize = 16;

/// The queue of one connection. Its own messages are few; the log is shared and costs it a cursor.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    urgent: VecDeque<Bytes>,
    cursors: BTreeMap<Family, Cursor>,
    /// Whole frames taken from the log; the first may have been begun.
    portion: VecDeque<Bytes>,
    begun: Begun,
    /// Octets written since the connection began.
    pub(super) written: u64,
}

/// Which frame was written in part: it must be finished before anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begun {
    #[default]
    Nothing,
    /// The first urgent message.
    Urgent,
    /// A frame of the log, of which so many octets are missing.
    Log(usize),
}

impl Outbox {
    /// Queues a message ahead of every update that was not begun.
    pub(super) fn send(&mut self, frame: Bytes) {
        self.urgent.push_back(frame);
    }

    /// The log of a family to write from now on, in place of the one before.
    pub(super) fn follow(&mut self, family: Family, cursor: Cursor) {
        self.cursors.insert(family, cursor);
    }

    /// The logs it follows.
    pub(super) fn cursors(&mut self) -> impl Iterator<Item = (Family, &mut Cursor)> {
        self.cursors
            .iter_mut()
            .map(|(family, cursor)| (*family, cursor))
    }

    /// Whether a log has gone on without it.
    pub(super) fn is_behind(&self) -> bool {
        self.cursors.values().any(Cursor::is_cut_off)
    }

    /// Forgets the log but for the frame that was begun: the connection is about to close.
    pub(super) fn hush(&mut self) {
        self.cursors.clear();
        let Begun::Log(missing) = self.begun else {
            self.portion.clear();
            return;
        };
        let rest = self.portion.front().map(|slice| slice.slice(..missing));
        self.portion = rest.into_iter().collect();
    }

    /// What to write next, in order; empty when there is nothing.
    pub(super) fn front(&mut self) -> Vec<IoSlice<'_>> {
        if self.urgent.is_empty() && self.portion.is_empty() {
            self.take_portion();
        }
        match self.begun {
            Begun::Log(missing) if !self.urgent.is_empty() => {
                let rest = self
                    .portion
                    .front()
                    .map_or(&[][..], |slice| &slice[..missing]);
                vec![IoSlice::new(rest)]
            }
            _ if !self.urgent.is_empty() => slices(&self.urgent),
            _ => slices(&self.portion),
        }
    }

    /// So many octets of [`Outbox::front`] were written.
    pub(super) fn wrote(&mut self, octets: usize) {
        self.written += octets as u64;
        match self.begun {
            Begun::Log(_) => self.advance_log(octets),
            _ if !self.urgent.is_empty() => self.advance_urgent(octets),
            _ => self.advance_log(octets),
        }
    }

    fn take_portion(&mut self) {
        let mut taken = 0;
        for cursor in self.cursors.values_mut() {
            while taken < PORTION && self.portion.len() < SLICES {
                let Some(slice) = cursor.next(PORTION - taken) else {
                    break;
                };
                taken += slice.len();
                self.portion.push_back(slice);
            }
        }
    }

    fn advance_urgent(&mut self, mut octets: usize) {
        self.begun = Begun::Nothing;
        while octets > 0 {
            let Some(first) = self.urgent.front_mut() else {
                return;
            };
            let step = octets.min(first.len());
            first.advance(step);
            octets -= step;
            if first.is_empty() {
                self.urgent.pop_front();
            } else {
                self.begun = Begun::Urgent;
            }
        }
    }

    fn advance_log(&mut self, mut octets: usize) {
        while let Some(first) = self.portion.front_mut() {
            if octets < first.len() {
                self.begun = advance_frames(first, octets, self.begun);
                return;
            }
            octets -= first.len();
            self.begun = Begun::Nothing;
            self.portion.pop_front();
        }
    }
}

/// Takes `octets` off a slice of frames, fewer than it has, and says how far the frame reached is.
fn advance_frames(slice: &mut Bytes, mut octets: usize, begun: Begun) -> Begun {
    let mut missing = match begun {
        Begun::Log(missing) => missing,
        _ => 0,
    };
    loop {
        if octets < missing || (octets == missing && missing > 0) {
            slice.advance(octets);
            missing -= octets;
            return match missing {
                0 => Begun::Nothing,
                missing => Begun::Log(missing),
            };
        }
        slice.advance(missing);
        octets -= missing;
        if octets == 0 {
            return Begun::Nothing;
        }
        missing = wire::length(slice).map_or(slice.len(), usize::from);
    }
}

fn slices(queue: &VecDeque<Bytes>) -> Vec<IoSlice<'_>> {
    queue
        .iter()
        .take(SLICES)
        .map(|bytes| IoSlice::new(bytes))
        .collect()
}
