//! Peers that are told the same in the same bytes.

use super::cursor::{At, Borders, Cursor, Missing, Place, lock};
use super::outgoing;
use super::pack::pack;
use super::segment::{Builder, Chain, Held, Segment, Size};
use super::table::{Changes, Numbering, Table, Wanted};
use super::Profile;
use crate::attributes::{Interned, Interner};
use crate::rib::{Path, Selection};
use crate::{Nlri, PeerId};
use gingham_model::Prefix;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Octets of log that slow members may always hold, unless a group is told otherwise.
const LEAST_HELD: usize = 4 << 20;
/// Below so many octets on average, a chain of segments is worth packing anew for who joins.
const SMALL_SEGMENT: usize = 4096;
/// So many segments are never too many.
const FEW_SEGMENTS: usize = 16;

/// An update group: what its members are told, encoded once.
///
/// ```text
///  offer ─► queue ─flush─► table ─► frames ─► ... ─► segment ─► segment ─► tail
///                            │                          ▲           ▲
///                            │ as it is now          cursor      cursor
///                            └─► base ─► segment ─► ... ─► tail      (where a new member begins)
/// ```
///
/// A member's view is exact whenever its cursor has nothing more: all that is told and nothing else, but
/// for its own paths. Memory is bounded by the size of the table, whatever members do: see
/// [`Group::shed`].
#[derive(Debug)]
pub struct Group {
    profile: Profile,
    interner: Interner,
    table: Table,
    tail: Arc<Segment>,
    /// The last flush that told something.
    flush: u64,
    /// Whether something was told that [`Group::flush`] has not reported.
    news: bool,
    held: Held,
    base: Option<Base>,
    members: BTreeMap<PeerId, Arc<Mutex<Place>>>,
    /// The table as last seen in one piece, for [`Group::shed`].
    measured: Measured,
    /// So much log may always be held.
    least_held: usize,
    /// So many withdrawn paths are kept before members are asked whether they know.
    gone_limit: usize,
}

/// A chain that tells the table as it is now and goes on in the live log. At first that is the log
/// itself, and remains so while nothing in it is superseded.
#[derive(Debug)]
struct Base {
    first: Arc<Segment>,
    size: Size,
}

impl Base {
    fn is_fragmented(&self) -> bool {
        self.size.segments > FEW_SEGMENTS + self.size.octets / SMALL_SEGMENT
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    paths: usize,
    octets: usize,
}

impl Group {
    /// A group without members that tells nothing yet.
    pub fn new(profile: Profile) -> Self {
        let held = Held::default();
        let tail = Segment::empty(0, &held);
        Group {
            profile,
            interner: Interner::default(),
            table: Table::default(),
            base: Some(Base {
                first: Arc::clone(&tail),
                size: Size::default(),
            }),
            tail,
            flush: 0,
            news: false,
            held,
            members: BTreeMap::new(),
            measured: Measured::default(),
            least_held: LEAST_HELD,
            gone_limit: 0,
        }
    }

    /// The same group, but slow members may always hold `octets` of log instead of 4 MiB.
    pub fn with_least_held(mut self, octets: usize) -> Self {
        self.least_held = octets;
        self
    }

    /// What its members have in common.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What members are to be told of `prefix` from the next flush on. Told already: nothing happens;
    /// queued before: this takes its place.
    ///
    /// The best path if the profile has room for one, else so many usable paths with distinct next hops,
    /// the best first, of those members may be told ([`outgoing`]).
    pub fn offer(&mut self, prefix: Prefix, selection: &Selection) {
        let mut paths: Vec<Wanted> = Vec::new();
        if self.profile.paths <= 1 || self.numbering() == Numbering::Plain {
            paths.extend(selection.best().and_then(|path| self.wanted(prefix, path)));
        } else {
            for path in selection.usable() {
                let Some(path) = self.wanted(prefix, path) else {
                    continue;
                };
                let next_hop = path.attributes.next_hop;
                if paths.iter().all(|it| it.attributes.next_hop != next_hop) {
                    paths.push(path);
                }
                if paths.len() >= usize::from(self.profile.paths) {
                    break;
                }
            }
        }
        self.table.offer(prefix, paths, self.numbering());
    }

    fn wanted(&mut self, prefix: Prefix, path: &Path) -> Option<Wanted> {
        let attributes = outgoing(&self.profile, prefix, path)?;
        Some(Wanted {
            attributes: self.interner.intern(attributes),
            source: path.source.peer,
            source_path_id: path.path_id,
        })
    }

    fn numbering(&self) -> Numbering {
        match self.profile.codec.add_path_out.contains(&self.profile.family) {
            true => Numbering::AddPath,
            false => Numbering::Plain,
        }
    }

    /// Packs what was queued, for every member to read. Whether there is news since the last call.
    ///
    /// A path whose attributes do not fit into a message of the profile is not told, and withdrawn if it
    /// was told before.
    pub fn flush(&mut self) -> bool {
        self.settle();
        std::mem::take(&mut self.news)
    }

    fn settle(&mut self) {
        if !self.table.has_queue() {
            return;
        }
        let flush = self.flush + 1;
        let mut changes = self.table.settle(flush);
        changes
            .given_way
            .retain(|(peer, _)| self.members.contains_key(peer));
        let mut superseded = changes.supersedes;
        let mut builder = Builder::new(flush, &self.held);
        for nlri in pack(&self.profile.codec, changes, &mut builder) {
            self.table.retract(nlri, flush);
            superseded = true;
        }
        let Some(chain) = builder.finish() else {
            return;
        };
        self.flush = flush;
        self.news = true;
        self.grow_base(chain.size, superseded);
        self.tail.link(chain.first);
        self.tail = chain.last;
    }

    /// The log as a base goes on with what was flushed, unless that makes something in it untrue.
    fn grow_base(&mut self, by: Size, superseded: bool) {
        self.base = self.base.take().filter(|_| !superseded).map(|mut base| {
            base.size.segments += by.segments;
            base.size.octets += by.octets;
            base
        });
        self.base.take_if(|base| base.is_fragmented());
    }

    /// Makes `peer` a member. It is told everything from the first prefix on, then what changes.
    ///
    /// A member that joins again without having left is told everything again (route refresh): first what
    /// went since it last read, so that a peer without RFC 7313 is left with nothing stale. Its cursor
    /// before ends.
    pub fn join(&mut self, peer: PeerId, borders: Borders) -> Cursor {
        self.settle();
        let mut missing = Missing::all_at(self.flush);
        if let Some(before) = self.members.get(&peer) {
            let mut before = lock(before);
            before.stop(At::Left);
            missing.gone = before.missing.gone;
        }
        let place = Place {
            peer,
            at: At::Segment(self.replay(peer, missing), 0),
            borders,
            until: self.flush,
            missing,
        };
        let place = Arc::new(Mutex::new(place));
        self.members.insert(peer, Arc::clone(&place));
        Cursor::new(place)
    }

    /// Brings a cursor that was cut off back into the log: by what changed since it was, or, when that is
    /// much, by the whole table. Nothing happens to other cursors.
    pub fn catch_up(&mut self, cursor: &mut Cursor) {
        let (peer, missing) = {
            let place = lock(cursor.place());
            match place.at {
                At::CutOff => (place.peer, place.missing),
                _ => return,
            }
        };
        self.settle();
        let first = self.replay(peer, missing);
        let mut place = lock(cursor.place());
        place.at = At::Segment(first, 0);
        place.until = self.flush;
    }

    /// Takes a member out; its cursor ends.
    pub fn leave(&mut self, peer: PeerId) {
        if let Some(place) = self.members.remove(&peer) {
            lock(&place).stop(At::Left);
        }
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many paths members are told, queued ones not counted.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Adj-RIB-Out: what members are told, sorted; each member all but its own paths.
    pub fn told(&self) -> impl Iterator<Item = (Nlri, Interned)> + '_ {
        let told = self.table.told();
        told.map(|(nlri, told)| (nlri, told.path.attributes.clone()))
    }

    /// Octets of log in memory, whoever keeps them alive.
    pub fn held(&self) -> usize {
        self.held.octets()
    }

    /// Bounds memory; cheap when there is nothing to do, so to be called after every flush.
    ///
    /// When the log takes more than 4 MiB and more than twice the table, the members farthest behind are
    /// cut off until it does not: their cursors hold nothing and give nothing. A peer that reads again is
    /// brought back by [`Group::catch_up`]. What is kept for it until then is the number of each withdrawn
    /// path, until its session ends (RFC 9687) at the latest.
    pub fn shed(&mut self) {
        if self.held.octets() > self.least_held {
            self.cut_off();
        }
        if self.table.gone() > self.gone_limit {
            let known = self.members.values().map(|place| lock(place).missing().gone);
            let known = known.min().unwrap_or(self.flush + 1);
            self.table.forget_before(known);
            self.gone_limit = 2 * self.table.gone();
        }
    }

    fn cut_off(&mut self) {
        let most = self.least_held.max(2 * self.table_octets());
        if self.held.octets() <= most {
            return;
        }
        let behind = |place: &Arc<Mutex<Place>>| Some((lock(place).behind()?, Arc::clone(place)));
        let mut behind: Vec<_> = self.members.values().filter_map(behind).collect();
        behind.sort_by_key(|(flush, _)| *flush);
        for (_, place) in behind {
            if self.held.octets() <= most {
                return;
            }
            // The log is let go of after the lock: that can be long.
            let let_go = lock(&place).stop(At::CutOff);
            drop(let_go);
        }
    }

    /// The size of the table as encoded for a new member; measured anew when it grew or shrank by half.
    fn table_octets(&mut self) -> usize {
        if self.measured.paths.abs_diff(self.table.len()) > self.table.len() / 2 {
            self.base();
        }
        self.measured.octets
    }

    /// Where a member begins that misses this.
    fn replay(&mut self, peer: PeerId, missing: Missing) -> Arc<Segment> {
        if missing == Missing::all_at(self.flush) {
            return self.base();
        }
        let whole = missing.told == 0;
        let mut changes = self.difference(peer, missing);
        if whole || changes.announced.len() > self.table.len() / 4 {
            changes.announced.clear();
            let first = self.base();
            return match self.encode(changes) {
                Some(chain) => {
                    chain.last.link(first);
                    chain.first
                }
                None => first,
            };
        }
        match self.encode(changes) {
            Some(chain) => {
                chain.last.link(self.fork());
                chain.first
            }
            None => Arc::clone(&self.tail),
        }
    }

    /// What a member that misses this has to be told. Where its own path took the place of another, that
    /// other may have been told to it.
    fn difference(&self, peer: PeerId, missing: Missing) -> Changes {
        let mut changes = Changes::default();
        let gone = self.table.gone_since(missing.gone);
        changes.withdrawn.extend(gone.map(|nlri| (nlri, PeerId::LOCAL)));
        for (nlri, told) in self.table.told() {
            if told.path.source == peer && told.flush >= missing.gone {
                changes.withdrawn.push((nlri, PeerId::LOCAL));
            } else if told.path.source != peer && told.flush >= missing.told {
                changes.announced.push((nlri, told.path.clone()));
            }
        }
        changes
    }

    /// The table as a chain that ends in the live log.
    fn base(&mut self) -> Arc<Segment> {
        if self.base.is_none() {
            let told = self.table.told();
            let announced = told.map(|(nlri, told)| (nlri, told.path.clone())).collect();
            let chain = self.encode(Changes {
                announced,
                ..Changes::default()
            });
            let tail = self.fork();
            self.base = Some(match chain {
                Some(chain) => {
                    chain.last.link(tail);
                    Base {
                        first: chain.first,
                        size: chain.size,
                    }
                }
                None => Base {
                    first: tail,
                    size: Size::default(),
                },
            });
        }
        let (first, octets) = match &self.base {
            Some(base) => (Arc::clone(&base.first), base.size.octets),
            None => (Arc::clone(&self.tail), 0),
        };
        self.measured = Measured {
            paths: self.table.len(),
            octets,
        };
        first
    }

    /// Packs for who is not in the live log. All of it fitted into messages before.
    fn encode(&self, changes: Changes) -> Option<Chain> {
        let mut builder = Builder::new(self.flush, &self.held);
        pack(&self.profile.codec, changes, &mut builder);
        builder.finish()
    }

    /// A tail that other chains may lead to as well.
    fn fork(&mut self) -> Arc<Segment> {
        let tail = Segment::empty(self.flush, &self.held);
        self.tail.link(Arc::clone(&tail));
        self.tail = Arc::clone(&tail);
        tail
    }
}
