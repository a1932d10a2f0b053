//! Where paths are kept: a slot each, found through its prefix and through its peer.
//!
//! The paths to a prefix are a chain of slots and those of a peer a list of their numbers. So a path
//! costs little more than itself, and nobody looks at the paths of one peer to find those of another.

use super::Path;
use crate::{Nlri, PeerId};
use gingham_model::{Family, Prefix};
use slab::Slab;
use std::collections::{BTreeMap, HashMap};

/// The number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId(u32);

impl SlotId {
    /// No slot: where a chain ends.
    const NONE: SlotId = SlotId(u32::MAX);

    fn of(index: usize) -> SlotId {
        match u32::try_from(index) {
            Ok(number) => SlotId(number),
            Err(_) => unreachable!("so many paths fit no memory"),
        }
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A path in its place.
#[derive(Debug)]
pub(super) struct Slot {
    /// The path. Its peer and its number never change.
    pub(super) path: Path,
    /// Where it leads.
    pub(super) prefix: Prefix,
    /// The next path to the same prefix.
    next: SlotId,
    /// Where its peer's list has it.
    place: u32,
}

/// Every path, by prefix and by peer.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Slab<Slot>,
    /// The first slot of each prefix, in order, so that what lies inside a prefix is found without
    /// looking at the rest; a prefix without paths is not in here.
    prefixes: BTreeMap<Prefix, SlotId>,
    /// The slots of each peer in each family, in no order; an empty list is not in here.
    peers: HashMap<(PeerId, Family), Vec<SlotId>>,
}

impl Table {
    /// The slot of a peer's path.
    pub(super) fn find(&self, peer: PeerId, nlri: Nlri) -> Option<SlotId> {
        let mut chain = self.chain(nlri.prefix);
        let is_it =
            |slot: &Slot| slot.path.source.peer == peer && slot.path.path_id == nlri.path_id;
        chain.find(|(_, slot)| is_it(slot)).map(|(id, _)| id)
    }

    /// The slot of this number, to look at and to change.
    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index())
    }

    /// Adds a path its peer has not given yet.
    pub(super) fn insert(&mut self, prefix: Prefix, path: Path) {
        let id = SlotId::of(self.slots.vacant_key());
        let list = self
            .peers
            .entry((path.source.peer, prefix.family()))
            .or_default();
        let place = SlotId::of(list.len()).0;
        list.push(id);
        let next = self.prefixes.insert(prefix, id).unwrap_or(SlotId::NONE);
        self.slots.insert(Slot {
            path,
            prefix,
            next,
            place,
        });
    }

    /// Takes a path out. Says where it led.
    pub(super) fn remove(&mut self, id: SlotId) -> Option<Prefix> {
        let Slot {
            path,
            prefix,
            next,
            place,
        } = self.slots.try_remove(id.index())?;
        self.unchain(prefix, id, next);
        let key = (path.source.peer, prefix.family());
        let list = self.peers.get_mut(&key)?;
        list.swap_remove(place as usize);
        if list.is_empty() {
            self.peers.remove(&key);
        } else if let Some(moved) = list.get(place as usize) {
            self.slots.get_mut(moved.index())?.place = place;
        }
        Some(prefix)
    }

    /// The paths to a prefix.
    pub(super) fn of_prefix(&self, prefix: Prefix) -> impl Iterator<Item = &Path> {
        self.chain(prefix).map(|(_, slot)| &slot.path)
    }

    /// The numbers of a peer's slots.
    pub(super) fn of_peer(&self, peer: PeerId, family: Family) -> &[SlotId] {
        self.peers.get(&(peer, family)).map_or(&[], Vec::as_slice)
    }

    /// The slot of this number.
    pub(super) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(id.index())
    }

    /// Every slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().map(|(_, slot)| slot)
    }

    /// The numbers of the slots of prefixes inside `block`.
    pub(super) fn inside(&self, block: Prefix) -> impl Iterator<Item = SlotId> {
        let begun = self.prefixes.range(block..);
        let inside = begun.take_while(move |(prefix, _)| block.covers(**prefix));
        inside.flat_map(|(_, first)| self.chain_from(Some(*first)).map(|(id, _)| id))
    }

    /// Every prefix once, sorted.
    pub(super) fn prefixes(&self) -> impl ExactSizeIterator<Item = Prefix> {
        self.prefixes.keys().copied()
    }

    fn chain(&self, prefix: Prefix) -> impl Iterator<Item = (SlotId, &Slot)> {
        self.chain_from(self.prefixes.get(&prefix).copied())
    }

    fn chain_from(&self, first: Option<SlotId>) -> impl Iterator<Item = (SlotId, &Slot)> {
        let at = |id: SlotId| self.slots.get(id.index()).map(|slot| (id, slot));
        std::iter::successors(first.and_then(at), move |(_, slot)| at(slot.next))
    }

    /// Closes the gap a slot left in the chain of its prefix.
    fn unchain(&mut self, prefix: Prefix, gone: SlotId, next: SlotId) {
        let before = self
            .chain(prefix)
            .find(|(_, slot)| slot.next == gone)
            .map(|(id, _)| id);
        match before.and_then(|id| self.slots.get_mut(id.index())) {
            Some(before) => before.next = next,
            None if next == SlotId::NONE => {
                self.prefixes.remove(&prefix);
            }
            None => {
                self.prefixes.insert(prefix, next);
            }
        }
    }
}
