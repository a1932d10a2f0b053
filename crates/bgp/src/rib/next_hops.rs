//! What is known of next hops.

use super::Reach;
use gingham_model::Prefix;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

#[derive(Debug)]
pub(super) struct NextHops {
    /// Those something was said of.
    known: HashMap<IpAddr, Reach>,
    /// The others.
    others: Others,
    /// Those whose reach changed since this was asked before: many change at once, and one look at the
    /// table is enough for all of them.
    changed: HashSet<IpAddr>,
}

/// How far next hops are that nothing was said of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// All alike.
    Alike(Reach),
    /// At hand inside these prefixes, nowhere else.
    Connected(Connected),
}

/// Prefixes of which none covers another, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connected(Vec<Prefix>);

impl Connected {
    pub(super) fn new(mut prefixes: Vec<Prefix>) -> Connected {
        prefixes.sort_unstable();
        // What is covered comes behind what covers it.
        prefixes.dedup_by(|next, kept| kept.covers(*next));
        Connected(prefixes)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let behind = self
            .0
            .partition_point(|prefix| *prefix <= Prefix::host(address));
        let around = behind.checked_sub(1).and_then(|last| self.0.get(last));
        around.is_some_and(|prefix| prefix.contains(address))
    }
}

impl NextHops {
    /// All at hand.
    pub(super) fn new() -> Self {
        NextHops {
            known: HashMap::new(),
            others: Others::Alike(Reach::Cost(0)),
            changed: HashSet::new(),
        }
    }

    pub(super) fn reach(&self, next_hop: IpAddr) -> Reach {
        let known = self.known.get(&next_hop).copied();
        known.unwrap_or_else(|| self.others.reach(next_hop))
    }

    pub(super) fn set(&mut self, next_hop: IpAddr, reach: Reach) {
        let before = self.reach(next_hop);
        self.known.insert(next_hop, reach);
        if before != reach {
            self.changed.insert(next_hop);
        }
    }

    /// Says how far the others are from now on; of those in use, `used`, the ones are changed that it
    /// makes a difference for.
    pub(super) fn set_others(&mut self, others: Others, used: impl Iterator<Item = IpAddr>) {
        if self.others == others {
            return;
        }
        let before = std::mem::replace(&mut self.others, others);
        let unknown = used.filter(|hop| !self.known.contains_key(hop));
        let changed = unknown.filter(|hop| before.reach(*hop) != self.others.reach(*hop));
        self.changed.extend(changed);
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Those whose reach changed since this was asked before.
    pub(super) fn take_changed(&mut self) -> HashSet<IpAddr> {
        std::mem::take(&mut self.changed)
    }
}

impl Others {
    fn reach(&self, next_hop: IpAddr) -> Reach {
        match self {
            Others::Alike(reach) => *reach,
            Others::Connected(connected) if connected.contains(next_hop) => Reach::Cost(0),
            Others::Connected(_) => Reach::Unreachable,
        }
    }
}
