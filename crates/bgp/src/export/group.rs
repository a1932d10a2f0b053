//! Peers that are told the same in the same bytes.

mod replay;

use super::Profile;
use super::cursor::{At, Borders, Cursor, Missing, Place, lock};
use super::log::{Log, News};
use super::outgoing;
use super::pack::pack;
use super::table::{Numbering, Table, Wanted};
use crate::attributes::{Interned, Interner};
use crate::rib::{Path, Selection};
use crate::{Nlri, PeerId};
use gingham_model::Prefix;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Octets of log that slow members may always hold, unless a group is told otherwise.
const LEAST_HELD: usize = 4 << 20;

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
    log: Log,
    /// Whether something was told that [`Group::flush`] has not reported.
    news: bool,
    members: BTreeMap<PeerId, Arc<Mutex<Place>>>,
    /// The table as last seen in one piece, for [`Group::shed`].
    measured: Measured,
    /// So much log may always be held.
    least_held: usize,
    /// So many withdrawn paths are kept before members are asked whether they know.
    gone_limit: usize,
}

/// How many paths there were when the table had this size.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    paths: usize,
    octets: usize,
}

impl Group {
    /// A group without members that tells nothing yet.
    pub fn new(profile: Profile) -> Self {
        Group {
            profile,
            interner: Interner::default(),
            table: Table::default(),
            log: Log::new(),
            news: false,
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
    /// the best first, of those members may be told ([`outgoing()`]).
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
        if self
            .profile
            .codec
            .add_path_out
            .contains(&self.profile.family)
        {
            Numbering::AddPath
        } else {
            Numbering::Plain
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
        let flush = self.log.flush() + 1;
        let mut changes = self.table.settle(flush);
        let member = |(peer, _): &(PeerId, Nlri)| self.members.contains_key(peer);
        changes.given_way.retain(member);
        let mut news = changes.news;
        let mut builder = self.log.next_flush();
        for nlri in pack(&self.profile.codec, changes, &mut builder) {
            self.table.retract(nlri, flush);
            news = News::Supersedes;
        }
        if let Some(chain) = builder.finish() {
            self.log.publish(chain, news);
            self.news = true;
        }
    }

    /// Makes `peer` a member. It is told everything from the first prefix on, then what changes.
    ///
    /// A member that joins again without having left is told everything again (route refresh): first what
    /// went since it last read, so that a peer without RFC 7313 is left with nothing stale. Its cursor
    /// before ends; a border behind the table that it did not reach comes before the new one.
    pub fn join(&mut self, peer: PeerId, borders: Borders) -> Cursor {
        self.settle();
        let all = Missing::all_at(self.log.flush());
        match self.end(peer) {
            Some((before, unread)) => {
                let gone = before.gone;
                self.admit(peer, unread.followed_by(borders), Missing { gone, ..all })
            }
            None => self.admit(peer, borders, all),
        }
    }

    /// Makes `peer` a member that has been one of `from` in the same session, as when its filter changed:
    /// it leaves there, and is told to forget what it may know from there and is not told here.
    pub fn join_from(&mut self, from: &mut Group, peer: PeerId, borders: Borders) -> Cursor {
        self.settle();
        from.settle();
        self.table.add_gone(from.table.known(), self.log.flush());
        let unread = from.end(peer).map(|(_, unread)| unread);
        // It may know of any path here by its number there.
        let all = Missing::since(0);
        self.admit(peer, unread.unwrap_or_default().followed_by(borders), all)
    }

    fn admit(&mut self, peer: PeerId, borders: Borders, missing: Missing) -> Cursor {
        let place = Place {
            peer,
            at: At::Segment(self.replay(peer, missing), 0),
            borders,
            until: self.log.flush(),
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
        place.until = self.log.flush();
    }

    /// Takes a member out; its cursor ends.
    pub fn leave(&mut self, peer: PeerId) {
        self.end(peer);
    }

    /// Takes a member out: what it misses, and the borders it has not read.
    fn end(&mut self, peer: PeerId) -> Option<(Missing, Borders)> {
        let place = self.members.remove(&peer)?;
        let mut place = lock(&place);
        place.stop(At::Left);
        Some((place.missing, std::mem::take(&mut place.borders)))
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many paths members are told, queued ones not counted.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// What members are told, sorted; each member all but its own paths.
    pub fn told(&self) -> impl Iterator<Item = (Nlri, Interned)> + '_ {
        let told = self.table.told();
        told.map(|(nlri, told)| (nlri, told.path.attributes.clone()))
    }

    /// What this member is told, sorted: its Adj-RIB-Out.
    pub fn told_to(&self, peer: PeerId) -> impl Iterator<Item = (Nlri, Interned)> + '_ {
        let told = self.table.told();
        told.filter(move |(_, told)| told.path.source != peer)
            .map(|(nlri, told)| (nlri, told.path.attributes.clone()))
    }

    /// Octets of log in memory, whoever keeps them alive.
    pub fn held(&self) -> usize {
        self.log.held()
    }

    /// Bounds memory; cheap when there is nothing to do, so to be called after every flush.
    ///
    /// When the log takes more than 4 MiB and more than twice the table, the members farthest behind are
    /// cut off until it does not: their cursors hold nothing and give nothing. A peer that reads again is
    /// brought back by [`Group::catch_up`]. What is kept for it until then is the number of each withdrawn
    /// path, until its session ends (RFC 9687) at the latest.
    pub fn shed(&mut self) {
        if self.log.held() > self.least_held {
            self.cut_off();
        }
        if self.table.gone() > self.gone_limit {
            let known = self
                .members
                .values()
                .map(|place| lock(place).missing().gone);
            let known = known.min().unwrap_or(self.log.flush() + 1);
            self.table.forget_before(known);
            self.gone_limit = 2 * self.table.gone();
        }
    }

    fn cut_off(&mut self) {
        let most = self.least_held.max(2 * self.table_octets());
        if self.log.held() <= most {
            return;
        }
        let behind = |place: &Arc<Mutex<Place>>| Some((lock(place).behind()?, Arc::clone(place)));
        let mut behind: Vec<_> = self.members.values().filter_map(behind).collect();
        behind.sort_by_key(|(flush, _)| *flush);
        for (_, place) in behind {
            if self.log.held() <= most {
                return;
            }
            // The log is let go of after the lock: that can be long.
            let let_go = lock(&place).stop(At::CutOff);
            drop(let_go);
        }
    }
}
