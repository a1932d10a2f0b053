//! What leads from the kernel's routes to the plan, and what is left undone on purpose. Pure.

use super::fights::{Fight, Fights};
use super::guard::{Hold, Verdict};
use super::table::{Rival, Rivals, Table};
use crate::plan::Plan;
use gingham_model::{Change, Route, RouteKey, diff};
use std::collections::BTreeMap;
use std::time::Instant;

/// All a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What should be so.
    pub plan: &'a Plan,
    /// What is so.
    pub table: &'a Table,
    /// Foreign routes in the way.
    pub rivals: &'a Rivals,
    /// What the guard holds.
    pub verdict: &'a Verdict,
    /// The fights that go on.
    pub fights: &'a Fights<RouteKey>,
    /// The time.
    pub now: Instant,
}

/// What is to be done, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// In this order.
    pub changes: Vec<Change>,
    /// Wanted, but a foreign route stands at its key or is used instead.
    pub conflicts: Rivals,
    /// Not wanted any more, or not with all of their next hops, but staying so for this reason.
    pub held: BTreeMap<RouteKey, String>,
    /// Wanted, and not repaired now.
    pub contested: BTreeMap<RouteKey, Fight>,
    /// Foreign routes that the changes take over.
    pub taken_over: Vec<Rival>,
}

/// Decides.
pub fn work(situation: &Situation<'_>) -> Work {
    let Situation { plan, table, .. } = *situation;
    let mut work = Work::default();
    let mut last = Vec::new();
    for change in diff(&plan.routes, table.routes()) {
        match change {
            Change::Remove(route) => match situation.hold(&route) {
                Some(reason) => drop(work.held.insert(route.key, reason)),
                None => last.push(Change::Remove(route)),
            },
            make => work.make(make, situation),
        }
    }
    for copy in table.copies() {
        // The copy of a route that is held goes nowhere else than the route itself.
        if !work.held.contains_key(&copy.key) {
            last.push(Change::Remove(copy.clone()));
        }
    }
    work.outrank(situation, &mut last);
    work.changes.extend(last);
    work
}

impl Work {
    /// A route is to be made: unless a foreign one stands at its key, or somebody keeps breaking
    /// it.
    fn make(&mut self, change: Change, situation: &Situation<'_>) {
        let key = change.key();
        if let Some(reason) = situation.hold_hops(change.route()) {
            self.held.insert(key, reason);
            return;
        }
        let rival = situation.rivals.get(&key);
        if let Some(fight) = situation.fights.pausing(&key, situation.now) {
            self.contested.insert(key, fight);
            return;
        }
        match rival.filter(|rival| rival.0.key.metric == key.metric) {
            None => self.changes.push(change),
            Some(rival) if situation.may_take(rival) => {
                // In place: no moment without a route.
                self.changes.push(Change::Replace(change.route().clone()));
                self.taken_over.push(rival.clone());
            }
            Some(rival) => drop(self.conflicts.insert(key, rival.clone())),
        }
    }

    /// Foreign routes that the kernel prefers to ours. One that may be taken goes once ours is
    /// there to follow it.
    fn outrank(&mut self, situation: &Situation<'_>, last: &mut Vec<Change>) {
        for (key, rival) in situation.rivals {
            // They may be older than the plan.
            let Some(route) = situation.plan.routes.get(key) else {
                continue;
            };
            let better = rival.0.key.metric < key.metric;
            let copy = !better && situation.table.routes().contains_key(key);
            if !better && !copy {
                continue;
            }
            if situation.may_take(rival) && situation.plan.removals.hold(route).is_none() {
                last.push(Change::Remove(rival.0.clone()));
                self.taken_over.push(rival.clone());
            } else {
                self.conflicts.insert(*key, rival.clone());
            }
        }
    }
}

impl Situation<'_> {
    fn may_take(&self, rival: &Rival) -> bool {
        self.plan.take_over.contains(&rival.protocol())
    }

    /// Why a superfluous route stays.
    fn hold(&self, route: &Route) -> Option<String> {
        if let Some(reason) = self.plan.removals.hold(route) {
            return Some(reason);
        }
        let key = &route.key;
        Some(match self.verdict.held.get(key)? {
            Hold::Flap => self.plan.why_off_link(key)?,
            Hold::Mass => "mass removal".to_owned(),
        })
    }

    /// Why a route stays as it is although it is wanted with fewer next hops.
    fn hold_hops(&self, want: &Route) -> Option<String> {
        let have = self.table.routes().get(&want.key)?;
        self.plan.removals.hold_hops(want, have)
    }
}
