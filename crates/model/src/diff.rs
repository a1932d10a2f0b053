//! How two sets of routes differ, as the steps from one to the other.

use crate::{Route, RouteKey, RouteSet};
use std::cmp::Reverse;

/// One step towards the wanted routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make this route where there is none of its key (`NLM_F_CREATE | NLM_F_EXCL`): a foreign
    /// route that came to stand there meanwhile makes it fail with `EEXIST`, and is not harmed.
    Add(Route),
    /// Make the route of this key, which is ours, exactly this one
    /// (`NLM_F_CREATE | NLM_F_REPLACE`: no moment without a route).
    Replace(Route),
    /// Remove this route, and only if it still is as given: protocol and next hops.
    Remove(Route),
}

impl Change {
    /// The route concerned.
    pub fn route(&self) -> &Route {
        match self {
            Change::Add(route) | Change::Replace(route) | Change::Remove(route) => route,
        }
    }

    /// The key of the route concerned.
    pub fn key(&self) -> RouteKey {
        self.route().key
    }

    /// What the change does to a set.
    pub fn apply(self, set: &mut RouteSet) {
        match self {
            Change::Add(route) | Change::Replace(route) => {
                set.insert(route.key, route);
            }
            Change::Remove(route) => {
                set.remove(&route.key);
            }
        }
    }
}

/// The steps that turn `have` into `want`.
///
/// Additions and replacements come first and removals last, so that no moment lacks a route which
/// both sets have. Among additions and replacements the longer prefixes come first (a specific is there before a covering route
/// starts to attract its traffic); among removals the shorter ones, for the same reason.
pub fn diff(want: &RouteSet, have: &RouteSet) -> Vec<Change> {
    let (mut make, mut remove) = (Vec::new(), Vec::new());
    // Both are in the same order: one walk over both, for there may be 100,000 of which one differs.
    let mut standing = have.values().peekable();
    for route in want.values() {
        while let Some(before) = standing.next_if(|before| before.key < route.key) {
            remove.push(before);
        }
        match standing.next_if(|same| same.key == route.key) {
            Some(same) if same == route => {}
            Some(_) => make.push(Change::Replace(route.clone())),
            None => make.push(Change::Add(route.clone())),
        }
    }
    remove.extend(standing);
    make.sort_by_key(|change| Reverse(change.key().prefix.length()));
    remove.sort_by_key(|route| route.key.prefix.length());
    let remove = remove.into_iter().cloned().map(Change::Remove);
    make.into_iter().chain(remove).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NextHop, Owner, Prefix, Target};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn any_target() -> impl Strategy<Value = Target> {
        let hop = (0u8..4, 1u32..3).prop_map(|(last, dev)| NextHop {
            via: Ipv4Addr::new(10, 1, 0, last).into(),
            dev,
        });
        prop_oneof![
            proptest::collection::vec(hop, 1..3)
                .prop_map(|hops| Target::Via(hops.into_iter().collect())),
            (1u32..3).prop_map(Target::Link),
            Just(Target::Unreachable),
        ]
    }

    /// Few prefixes and owners, so that the two sets often meet at a key.
    fn any_route() -> impl Strategy<Value = Route> {
        let prefix = (0u8..6, 8u8..=32).prop_map(|(third, length)| {
            Prefix::containing(Ipv4Addr::new(10, third, 0, 0).into(), length).unwrap()
        });
        let owner = proptest::sample::select(Owner::ALL.to_vec());
        (owner, prefix, any_target())
            .prop_map(|(owner, prefix, target)| Route::of(owner, prefix, target))
    }

    fn any_set() -> impl Strategy<Value = RouteSet> {
        proptest::collection::vec(any_route(), 0..24)
            .prop_map(|routes| routes.into_iter().map(|route| (route.key, route)).collect())
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_what_was_wanted(want in any_set(), have in any_set()) {
            let mut set = have.clone();
            diff(&want, &have).into_iter().for_each(|change| change.apply(&mut set));
            prop_assert_eq!(set, want);
        }

        #[test]
        fn equal_sets_differ_by_nothing(set in any_set()) {
            prop_assert!(diff(&set, &set).is_empty());
        }

        /// A key both sets have is there after every single step.
        #[test]
        fn no_step_leaves_a_gap(want in any_set(), have in any_set()) {
            let mut set = have.clone();
            for change in diff(&want, &have) {
                change.apply(&mut set);
                for key in want.keys().filter(|key| have.contains_key(key)) {
                    prop_assert!(set.contains_key(key));
                }
            }
        }

        #[test]
        fn removals_come_last_and_no_step_is_idle(want in any_set(), have in any_set()) {
            let changes = diff(&want, &have);
            let first_removal = changes.iter().position(|c| matches!(c, Change::Remove(_)));
            if let Some(at) = first_removal {
                prop_assert!(changes[at..].iter().all(|c| matches!(c, Change::Remove(_))));
            }
            for change in changes {
                let mut set = have.clone();
                change.apply(&mut set);
                prop_assert_ne!(&set, &have);
            }
        }
    }
}
