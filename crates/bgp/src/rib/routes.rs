//! The table of all paths, and which prefixes are to be decided anew.

use super::next_hops::{Connected, NextHops, Others};
use super::table::{Slot, SlotId, Table};
use super::{Candidate, Freshness, Path, Provenance, Reach, Selection, SourceKind, select};
use crate::attributes::Community;
use crate::{Nlri, PeerId};
use gingham_model::{Family, Prefix};
use std::collections::HashSet;
use std::net::IpAddr;

/// Every path of every peer (Adj-RIB-In), and through [`Rib::select`] the Loc-RIB.
///
/// A change marks prefixes dirty; whoever follows the selection takes those from time to time and
/// selects again.
#[derive(Debug)]
pub struct Rib {
    multipath: usize,
    table: Table,
    next_hops: NextHops,
    dirty: HashSet<Prefix>,
}

impl Rib {
    /// An empty one, in which at most `multipath` paths share the load of a prefix.
    pub fn new(multipath: usize) -> Rib {
        Rib {
            multipath,
            table: Table::default(),
            next_hops: NextHops::new(),
            dirty: HashSet::new(),
        }
    }

    /// A peer gives a path to `prefix`, in place of the one it gave with the same number.
    pub fn update(&mut self, prefix: Prefix, path: Path) {
        let nlri = Nlri {
            prefix,
            path_id: path.path_id,
        };
        let known = self.table.find(path.source.peer, nlri);
        let Some(slot) = known.and_then(|id| self.table.get_mut(id)) else {
            self.table.insert(prefix, path);
            self.dirty.insert(prefix);
            return;
        };
        if differs(&slot.path, &path) {
            self.dirty.insert(prefix);
        }
        slot.path = path;
    }

    /// A peer takes a path back.
    pub fn withdraw(&mut self, peer: PeerId, nlri: Nlri) {
        if let Some(id) = self.table.find(peer, nlri) {
            self.remove(id);
        }
    }

    /// The peer is lost and restarts (RFC 4724), or begins to send everything again (RFC 7313): its
    /// fresh paths are stale from now on, which is nothing against them. Where it is lost again before
    /// it has sent everything, [`Rib::sweep`] comes first (RFC 4724 section 4.2).
    pub fn mark_stale(&mut self, peer: PeerId, family: Family) {
        for id in self.of_peer_in(peer, family) {
            if let Some(slot) = self.table.get_mut(id)
                && slot.path.freshness == Freshness::Fresh
            {
                slot.path.freshness = Freshness::Stale;
            }
        }
    }

    /// The peer has sent everything, or had its time: what it did not repeat goes.
    pub fn sweep(&mut self, peer: PeerId, family: Family) {
        self.remove_if(peer, family, |path| path.freshness != Freshness::Fresh);
    }

    /// The restart time is over and the peer is not back: its stale paths are kept for when there is
    /// nothing else, but for those with NO_LLGR (RFC 9494 section 4.2).
    pub fn long_lived(&mut self, peer: PeerId, family: Family) {
        self.remove_if(peer, family, |path| {
            let attributes = path.accepted().unwrap_or(&path.received);
            path.freshness == Freshness::Stale && attributes.has(Community::NO_LLGR)
        });
        for id in self.of_peer_in(peer, family) {
            if let Some(slot) = self.table.get_mut(id)
                && slot.path.freshness == Freshness::Stale
            {
                slot.path.freshness = Freshness::LongLived;
                self.dirty.insert(slot.prefix);
            }
        }
    }

    /// The peer is gone: all its paths go.
    pub fn flush(&mut self, peer: PeerId, family: Family) {
        self.remove_if(peer, family, |_| true);
    }

    /// Asks anew what is to be made of each path of a peer: a filter changed. The answer is a path of
    /// the same peer with the same number.
    pub fn reimport(&mut self, peer: PeerId, import: &mut dyn FnMut(Prefix, &Path) -> Path) {
        let held = Family::ALL.map(|family| self.of_peer_in(peer, family));
        self.reimport_slots(&held.concat(), import);
    }

    /// Asks anew what is to be made of each path to a prefix that lies inside `block`, whoever gave it.
    pub fn reimport_inside(
        &mut self,
        block: Prefix,
        import: &mut dyn FnMut(Prefix, &Path) -> Path,
    ) {
        let inside: Vec<SlotId> = self.table.inside(block).collect();
        self.reimport_slots(&inside, import);
    }

    fn reimport_slots(&mut self, slots: &[SlotId], import: &mut dyn FnMut(Prefix, &Path) -> Path) {
        for id in slots {
            let Some(slot) = self.table.get_mut(*id) else {
                continue;
            };
            let outcome = import(slot.prefix, &slot.path);
            if differs(&slot.path, &outcome) {
                self.dirty.insert(slot.prefix);
            }
            slot.path = outcome;
        }
    }

    /// Whether a path from a node of the zone to a prefix inside `aggregate` was taken and is held, live
    /// or stale. The first that is found is enough.
    pub fn contributes(&self, aggregate: Prefix) -> bool {
        let mut inside = self.table.inside(aggregate);
        inside.any(|id| {
            let path = self.table.get(id).map(|slot| &slot.path);
            path.is_some_and(|path| {
                path.provenance == Provenance::Zone && path.accepted().is_some()
            })
        })
    }

    /// Says how far a next hop is from now on.
    pub fn set_reach(&mut self, next_hop: IpAddr, reach: Reach) {
        self.next_hops.set(next_hop, reach);
    }

    /// Says how far next hops are that nothing was said of; at first `Reach::Cost(0)`.
    pub fn set_default_reach(&mut self, reach: Reach) {
        self.set_others(Others::Alike(reach));
    }

    /// Says that next hops nothing was said of are at hand inside these prefixes, at `Reach::Cost(0)`,
    /// and unreachable elsewhere.
    pub fn set_connected(&mut self, prefixes: Vec<Prefix>) {
        self.set_others(Others::Connected(Connected::new(prefixes)));
    }

    fn set_others(&mut self, others: Others) {
        let used = self.table.iter().filter_map(|slot| next_hop(&slot.path));
        self.next_hops.set_others(others, used);
    }

    /// Says how many paths may share the load of a prefix from now on, at least one.
    pub fn set_multipath(&mut self, multipath: usize) {
        if self.multipath != multipath {
            self.multipath = multipath;
            self.dirty.extend(self.table.prefixes());
        }
    }

    /// Whether [`Rib::take_dirty`] has something to give.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.next_hops.has_changed()
    }

    /// The prefixes whose selection may differ since this was asked before, sorted, each once.
    pub fn take_dirty(&mut self) -> Vec<Prefix> {
        let changed = self.next_hops.take_changed();
        if !changed.is_empty() {
            let uses =
                |slot: &&Slot| next_hop(&slot.path).is_some_and(|hop| changed.contains(&hop));
            let affected = self.table.iter().filter(uses);
            self.dirty.extend(affected.map(|slot| slot.prefix));
        }
        let mut dirty: Vec<Prefix> = std::mem::take(&mut self.dirty).into_iter().collect();
        dirty.sort_unstable();
        dirty
    }

    /// Ranks the paths to a prefix. What we originate ourselves needs no way to its next hop.
    pub fn select(&self, prefix: Prefix) -> Selection {
        let candidates = self.table.of_prefix(prefix).map(|path| Candidate {
            path: path.clone(),
            reach: next_hop(path).map_or(Reach::Cost(0), |hop| self.next_hops.reach(hop)),
        });
        select(candidates.collect(), self.multipath)
    }

    /// Whether a peer gave a path with this number to this prefix.
    pub fn holds(&self, peer: PeerId, nlri: Nlri) -> bool {
        self.table.find(peer, nlri).is_some()
    }

    /// How many paths of a peer there are in a family, those kept out on import included.
    pub fn count(&self, peer: PeerId, family: Family) -> usize {
        self.table.of_peer(peer, family).len()
    }

    /// Every prefix there is a path to, sorted.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        self.table.prefixes()
    }

    /// Every path of a peer, in no order that means anything.
    pub fn of_peer(&self, peer: PeerId) -> impl Iterator<Item = (Prefix, &Path)> {
        let ids = Family::ALL
            .into_iter()
            .flat_map(move |family| self.table.of_peer(peer, family));
        ids.filter_map(|id| self.table.get(*id))
            .map(|slot| (slot.prefix, &slot.path))
    }

    /// How many prefixes there are paths to.
    pub fn len(&self) -> usize {
        self.table.prefixes().len()
    }

    /// Whether there is no path at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn of_peer_in(&self, peer: PeerId, family: Family) -> Vec<SlotId> {
        self.table.of_peer(peer, family).to_vec()
    }

    fn remove_if(&mut self, peer: PeerId, family: Family, goes: impl Fn(&Path) -> bool) {
        // From the end of the peer's list, where taking one out moves no other.
        for id in self.of_peer_in(peer, family).into_iter().rev() {
            if self.table.get(id).is_some_and(|slot| goes(&slot.path)) {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: SlotId) {
        self.dirty.extend(self.table.remove(id));
    }
}

/// Whether a selection can tell the two apart. A stale path counts as much as a fresh one.
fn differs(before: &Path, after: &Path) -> bool {
    let long_lived = |path: &Path| path.freshness == Freshness::LongLived;
    long_lived(before) != long_lived(after)
        || before.import != after.import
        || before.provenance != after.provenance
        || before.received != after.received
        || before.source != after.source
}

/// The next hop a path depends on; none for what is kept out and for what we originate.
fn next_hop(path: &Path) -> Option<IpAddr> {
    let attributes = path.accepted()?;
    (path.source.kind != SourceKind::Local).then_some(attributes.next_hop)
}
