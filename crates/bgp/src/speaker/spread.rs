//! Who is told what: the update groups, and the best paths put into them.

use super::learned::Shared;
use crate::PeerId;
use crate::export::{Borders, Cursor, Group, Profile};
use crate::rib::Rib;
use gingham_model::{Family, Prefix};
use std::collections::HashMap;
use std::sync::Arc;

/// The update groups of a speaker.
#[derive(Debug, Default)]
pub(super) struct Spread {
    groups: HashMap<Arc<Profile>, Group>,
}

impl Spread {
    /// Makes sure that there is a group for a profile; it begins with what the RIB has.
    pub(super) fn open(&mut self, rib: &Rib, profile: &Arc<Profile>) {
        self.groups.entry(Arc::clone(profile)).or_insert_with(|| {
            let mut group = Group::new((**profile).clone());
            for prefix in of_family(rib, profile.family) {
                group.offer(prefix, &rib.select(prefix));
            }
            group
        });
    }

    /// Makes a peer a member of the group of its profile, or tells a member everything again.
    pub(super) fn join(
        &mut self,
        peer: PeerId,
        profile: &Arc<Profile>,
        borders: Borders,
    ) -> Option<Cursor> {
        let group = self.groups.get_mut(profile)?;
        Some(group.join(peer, borders))
    }

    /// Moves a member to another group: what it may know from the one before and is not told in the
    /// other is withdrawn.
    pub(super) fn change(
        &mut self,
        peer: PeerId,
        (from, to): (&Arc<Profile>, &Arc<Profile>),
        borders: Borders,
    ) -> Option<Cursor> {
        let Some(mut before) = self.groups.remove(from) else {
            return self.join(peer, to, borders);
        };
        let cursor = self
            .groups
            .get_mut(to)
            .map(|group| group.join_from(&mut before, peer, borders));
        if !before.is_empty() {
            self.groups.insert(Arc::clone(from), before);
        }
        cursor
    }

    /// Takes a peer out of a group; a group without members goes.
    pub(super) fn leave(&mut self, peer: PeerId, profile: &Arc<Profile>) {
        if let Some(group) = self.groups.get_mut(profile) {
            group.leave(peer);
            if group.is_empty() {
                self.groups.remove(profile);
            }
        }
    }

    /// Tells every group, and whoever follows the RIB, what changed in it: these prefixes. Whether there
    /// is something to write.
    pub(super) fn flush(&mut self, rib: &Rib, changed: &[Prefix], learned: &Shared) -> bool {
        let mut decided = Vec::new();
        for &prefix in changed {
            let selection = rib.select(prefix);
            for group in self.groups.values_mut() {
                if group.profile().family == prefix.family() {
                    group.offer(prefix, &selection);
                }
            }
            decided.push((prefix, selection));
        }
        learned.changed(&decided);
        let mut news = false;
        for group in self.groups.values_mut() {
            news |= group.flush();
        }
        news
    }

    /// Lets go of log that only peers too far behind need.
    pub(super) fn shed(&mut self) {
        for group in self.groups.values_mut() {
            group.shed();
        }
    }

    /// The group of a profile.
    pub(super) fn group(&mut self, profile: &Arc<Profile>) -> Option<&mut Group> {
        self.groups.get_mut(profile)
    }
}

fn of_family(rib: &Rib, family: Family) -> impl Iterator<Item = Prefix> + '_ {
    rib.prefixes()
        .filter(move |prefix| prefix.family() == family)
}
