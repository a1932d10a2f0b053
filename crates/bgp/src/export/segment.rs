//! The log: frames in segments that never change, each linked to the one after it.
//!
//! Within a segment the frames of most readers are one stretch. What one of them must not or what it
//! alone may see is kept apart, sorted by peer, so that a reader finds its next gap by bisection and
//! copies nothing.

use super::Readers;
use crate::PeerId;
use crate::wire::HEADER;
use bytes::Bytes;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The most octets of a segment: it holds at least one message of any length, and whoever still writes a
/// slice of it keeps no more than this alive.
const LONGEST: usize = 1 << 16;

/// Some whole frames, and who reads them.
#[derive(Debug)]
pub(super) struct Segment {
    /// The flush it belongs to. A long flush has several segments; what replays a table has the number
    /// of the last flush it covers.
    number: u64,
    frames: Bytes,
    /// Paths of these peers, not for them.
    withheld: Box<[Stretch]>,
    /// Frames for these peers alone; side by side, at most one stretch per peer.
    reserved: Box<[Stretch]>,
    next: OnceLock<Arc<Segment>>,
    weight: Weight,
}

/// Octets of one segment that concern one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    peer: PeerId,
    start: u32,
    end: u32,
}

impl Stretch {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The memory of all segments of one log that are alive.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<AtomicUsize>);

impl Held {
    /// In octets, indexes included.
    pub(super) fn octets(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, octets: usize) -> Weight {
        self.0.fetch_add(octets, Ordering::Relaxed);
        Weight {
            held: self.clone(),
            octets,
        }
    }
}

/// One segment's part of [`Held`].
#[derive(Debug)]
struct Weight {
    held: Held,
    octets: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

impl Segment {
    /// A segment without frames: where a log begins, and where two chains become one.
    pub(super) fn empty(number: u64, held: &Held) -> Arc<Self> {
        let none = Stretches::default();
        Arc::new(Segment::sealed(number, Vec::new(), none, held))
    }

    fn sealed(number: u64, frames: Vec<u8>, stretches: Stretches, held: &Held) -> Self {
        let Stretches {
            mut withheld,
            reserved,
        } = stretches;
        withheld.sort_unstable_by_key(|stretch| (stretch.peer, stretch.start));
        let index = (withheld.len() + reserved.len()) * size_of::<Stretch>();
        let weight = held.add(size_of::<Segment>() + frames.len() + index);
        Segment {
            number,
            frames: frames.into_boxed_slice().into(),
            withheld: withheld.into_boxed_slice(),
            reserved: reserved.into_boxed_slice(),
            next: OnceLock::new(),
            weight,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn weight(&self) -> usize {
        self.weight.octets
    }

    pub(super) fn next(&self) -> Option<&Arc<Segment>> {
        self.next.get()
    }

    /// Links `next` behind. A segment is linked once; a second try changes nothing.
    pub(super) fn link(&self, next: Arc<Segment>) {
        let first = self.next.set(next).is_ok();
        debug_assert!(first, "a segment is linked once");
    }

    /// The frames for `peer` from `*at` on, which is moved behind them: at most `max` octets unless the
    /// first frame is longer, and up to the first frame for somebody else. `None` at the end.
    pub(super) fn read(&self, peer: PeerId, at: &mut usize, max: usize) -> Option<Bytes> {
        let end = loop {
            if *at >= self.frames.len() {
                return None;
            }
            match self.gap(peer, *at) {
                Some(gap) if gap.start <= *at => *at = gap.end,
                Some(gap) => break gap.start,
                None => break self.frames.len(),
            }
        };
        let length = whole_frames(self.frames.get(*at..end)?, max);
        let slice = self.frames.slice(*at..*at + length);
        *at += length;
        Some(slice)
    }

    /// The first octets not before `at` that are not for `peer`; they may have begun before it.
    fn gap(&self, peer: PeerId, at: usize) -> Option<Range<usize>> {
        let own = self
            .withheld
            .partition_point(|stretch| (stretch.peer, stretch.end as usize) <= (peer, at));
        let own = self.withheld.get(own).filter(|it| it.peer == peer);
        let others = self.reserved_for_others(peer);
        own.map(|stretch| stretch.range())
            .into_iter()
            .chain(others)
            .filter(|gap| gap.end > at && !gap.is_empty())
            .min_by_key(|gap| gap.start)
    }

    /// What lies before and behind the stretch reserved for `peer`.
    fn reserved_for_others(&self, peer: PeerId) -> [Range<usize>; 2] {
        let (Some(first), Some(last)) = (self.reserved.first(), self.reserved.last()) else {
            return [0..0, 0..0];
        };
        let all = first.start as usize..last.end as usize;
        let mine = self.reserved.binary_search_by_key(&peer, |it| it.peer);
        match mine.ok().and_then(|index| self.reserved.get(index)) {
            Some(mine) => [all.start..mine.start as usize, mine.end as usize..all.end],
            None => [all, 0..0],
        }
    }
}

/// A chain can be long: one segment drops the next in a loop, where each dropping its own would recurse.
impl Drop for Segment {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut segment) = next.and_then(Arc::into_inner) {
            next = segment.next.take();
        }
    }
}

/// The length of the frame `frames` begins with. What is packed here has true headers; anything else is
/// one frame.
fn frame_length(frames: &[u8]) -> usize {
    match frames.get(HEADER - 3..HEADER - 1) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])).max(HEADER),
        _ => frames.len(),
    }
}

/// The octets of as many whole frames as `max` holds, and of one at least.
fn whole_frames(frames: &[u8], max: usize) -> usize {
    if frames.len() <= max {
        return frames.len();
    }
    let mut length = frame_length(frames);
    while let Some(rest) = frames.get(length..) {
        match length + frame_length(rest) {
            longer if longer <= max && !rest.is_empty() => length = longer,
            _ => break,
        }
    }
    length.min(frames.len())
}

#[derive(Debug, Default)]
struct Stretches {
    withheld: Vec<Stretch>,
    reserved: Vec<Stretch>,
}

impl Stretches {
    fn note(&mut self, range: Range<usize>, readers: Readers) {
        let (list, peer) = match readers {
            Readers::All | Readers::AllBut(PeerId::LOCAL) => return,
            Readers::AllBut(peer) => (&mut self.withheld, peer),
            Readers::Only(peer) => (&mut self.reserved, peer),
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a segment is not much longer than LONGEST"
        )]
        let (start, end) = (range.start as u32, range.end as u32);
        match list.last_mut() {
            Some(last) if last.peer == peer && last.end == start => last.end = end,
            _ => list.push(Stretch { peer, start, end }),
        }
    }
}

/// Segments in the making, all of one number.
#[derive(Debug)]
pub(super) struct Builder {
    number: u64,
    held: Held,
    sealed: Vec<Segment>,
    frames: Vec<u8>,
    stretches: Stretches,
}

/// Linked segments.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) first: Arc<Segment>,
    pub(super) last: Arc<Segment>,
    pub(super) size: Size,
}

impl Chain {
    /// Its first segment, once `next` follows its last.
    pub(super) fn leading_to(self, next: Arc<Segment>) -> Arc<Segment> {
        self.last.link(next);
        self.first
    }
}

/// How much memory a chain takes, in how many pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) segments: usize,
    pub(super) octets: usize,
}

impl Builder {
    pub(super) fn new(number: u64, held: &Held) -> Self {
        Builder {
            number,
            held: held.clone(),
            sealed: Vec::new(),
            frames: Vec::new(),
            stretches: Stretches::default(),
        }
    }

    /// Appends whole frames. Those for one peer alone must come in one go, sorted by peer.
    pub(super) fn append(&mut self, mut frames: &[u8], readers: Readers) {
        while !frames.is_empty() {
            let (frame, rest) = frames.split_at(frame_length(frames).min(frames.len()));
            if self.frames.len() + frame.len() > LONGEST {
                self.seal();
            }
            let start = self.frames.len();
            self.frames.extend_from_slice(frame);
            self.stretches.note(start..self.frames.len(), readers);
            frames = rest;
        }
    }

    fn seal(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        let frames = std::mem::take(&mut self.frames);
        let stretches = std::mem::take(&mut self.stretches);
        let segment = Segment::sealed(self.number, frames, stretches, &self.held);
        self.sealed.push(segment);
    }

    /// The segments, linked; `None` when there was nothing to put in them.
    pub(super) fn finish(mut self) -> Option<Chain> {
        self.seal();
        let mut sealed = self.sealed.into_iter().map(Arc::new);
        let first = sealed.next()?;
        let mut chain = Chain {
            last: Arc::clone(&first),
            size: Size::default().and(&first),
            first,
        };
        for segment in sealed {
            chain.size = chain.size.and(&segment);
            chain.last.link(Arc::clone(&segment));
            chain.last = segment;
        }
        Some(chain)
    }
}

impl Size {
    fn and(self, segment: &Segment) -> Self {
        Size {
            segments: self.segments + 1,
            octets: self.octets + segment.weight(),
        }
    }
}
