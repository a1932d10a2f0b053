//! The encoded log of a group: its live end, and a way into it for who knows nothing yet.

use super::segment::{Builder, Chain, Held, Segment, Size};
use std::sync::Arc;

/// Below so many octets on average, a chain of segments is worth packing anew for who joins.
const SMALL_SEGMENT: usize = 4096;
/// So many segments are never too many.
const FEW_SEGMENTS: usize = 16;

/// Segments, of which it keeps the last and those of a valid [`Base`]; cursors keep the others.
#[derive(Debug)]
pub(super) struct Log {
    tail: Arc<Segment>,
    flush: u64,
    held: Held,
    base: Option<Base>,
}

/// A chain that tells the table as it is now and goes on in the live log. At first that is the log
/// itself, and remains so while nothing in it is superseded.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) first: Arc<Segment>,
    pub(super) size: Size,
}

impl Base {
    fn grown(mut self, by: Size) -> Self {
        self.size.segments += by.segments;
        self.size.octets += by.octets;
        self
    }

    fn is_fragmented(&self) -> bool {
        self.size.segments > FEW_SEGMENTS + self.size.octets / SMALL_SEGMENT
    }
}

/// Whether what is flushed takes back anything the log said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It only adds.
    Adds,
    /// It takes something back: the log does not tell the table any more.
    Supersedes,
}

impl Log {
    /// An empty log, the base of an empty table.
    pub(super) fn new() -> Self {
        let held = Held::default();
        let tail = Segment::empty(0, &held);
        Log {
            base: Some(Base {
                first: Arc::clone(&tail),
                size: Size::default(),
            }),
            tail,
            flush: 0,
            held,
        }
    }

    /// The number of the last flush.
    pub(super) fn flush(&self) -> u64 {
        self.flush
    }

    /// Octets of all segments that are alive.
    pub(super) fn held(&self) -> usize {
        self.held.octets()
    }

    /// For the frames of the next flush.
    pub(super) fn next_flush(&self) -> Builder {
        Builder::new(self.flush + 1, &self.held)
    }

    /// For frames that say again what was flushed.
    pub(super) fn again(&self) -> Builder {
        Builder::new(self.flush, &self.held)
    }

    /// Appends what [`Log::next_flush`] was for; every reader sees all of it from now on.
    pub(super) fn publish(&mut self, chain: Chain, news: News) {
        self.flush += 1;
        let base = self.base.take().filter(|_| news == News::Adds);
        self.base = base
            .map(|base| base.grown(chain.size))
            .filter(|base| !base.is_fragmented());
        self.tail.link(chain.first);
        self.tail = chain.last;
    }

    /// Where to read nothing but what comes.
    pub(super) fn end(&self) -> Arc<Segment> {
        Arc::clone(&self.tail)
    }

    /// The way in for who knows nothing; `None` when the table must be packed first.
    pub(super) fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Takes the table, packed, for the base; `None` is an empty table.
    pub(super) fn rebase(&mut self, table: Option<Chain>) -> Base {
        let size = table.as_ref().map_or(Size::default(), |chain| chain.size);
        let base = Base {
            first: self.lead_in(table),
            size,
        };
        self.base = Some(base.clone());
        base
    }

    /// Leads a chain into the live log, which other chains may lead to as well.
    pub(super) fn lead_in(&mut self, chain: Option<Chain>) -> Arc<Segment> {
        let Some(chain) = chain else {
            return self.end();
        };
        let joint = Segment::empty(self.flush, &self.held);
        self.tail.link(Arc::clone(&joint));
        self.tail = Arc::clone(&joint);
        chain.leading_to(joint)
    }
}
