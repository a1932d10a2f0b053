//! One round: read the kernel, change what differs, read back, compare.

use super::fights::Fights;
use super::guard::{Asked, Guard, Mass};
use super::standing::Standing;
use super::step::{Step, step};
use super::table::{OWN, Rivals, Table, gateways, rivals};
use super::work::{Situation, Work, work};
use crate::dirty::Culprit;
use crate::plan::Plan;
use gingham_model::{Change, Route, RouteKey, TABLE_MAIN, diff};
use gingham_netlink::{Error, Socket};
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

/// Changes are applied in parts of so many, so that the deadline counts.
pub(super) const PART: usize = 1024;

/// What a round must know of the rounds before it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Removals that were asked for.
    pub guard: Guard,
    /// Who breaks what.
    pub fights: Fights<RouteKey>,
    /// The routers of default routes by others, as of the last look at the whole table.
    pub gateways: BTreeSet<IpAddr>,
    rivals: Rivals,
}

/// How much of the table is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only what is changed for the sake of learned prefixes; the rest is taken to be as the last
    /// round left it, for the kernel has told nothing else.
    Changes,
    /// Our own routes; others are taken to be as before.
    Own,
    /// All of it.
    Whole,
}

/// What a round is about.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What should be so.
    pub plan: &'a Plan,
    /// How much to read.
    pub extent: Extent,
    /// Plan and round before this one: what stood as wanted then, and does not now, was broken.
    pub before: Option<(&'a Plan, &'a Round)>,
    /// Who was seen to lay hands on our routes.
    pub culprits: &'a BTreeMap<RouteKey, Culprit>,
    /// When the round began.
    pub now: Instant,
    /// When it must end.
    pub deadline: Instant,
}

/// What had happened to a route that was repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Damage {
    /// It was gone.
    Removed,
    /// It led elsewhere.
    Changed,
    /// There was another one at its key.
    Duplicated,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Damage::Removed => "removed",
            Damage::Changed => "changed",
            Damage::Duplicated => "duplicated",
        })
    }
}

/// What a round did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Changes the kernel accepted.
    pub applied: Vec<Change>,
    /// Changes it refused, and why.
    pub failed: Vec<(Change, String)>,
    /// What of the applied changes was a repair.
    pub repaired: BTreeMap<RouteKey, Damage>,
    /// Every route wanted or there that is not [`Standing::Ok`]. Most of thousands are.
    pub odd: BTreeMap<RouteKey, (Route, Standing)>,
    /// The mass removal that is held.
    pub mass: Option<Mass>,
    /// When something that was put off is due.
    pub again: Option<Instant>,
}

impl Round {
    /// Whether the kernel has all of the plan and nothing but it.
    pub fn is_in_sync(&self) -> bool {
        self.odd.values().all(|(_, standing)| standing.is_settled())
    }

    /// How the wanted route at `key` stands.
    pub fn standing(&self, key: &RouteKey) -> &Standing {
        self.odd.get(key).map_or(&Standing::Ok, |(_, odd)| odd)
    }
}

/// Makes the kernel's routes those of the plan. A route that fails does not stop the others.
/// Without a difference nothing is written.
///
/// # Errors
/// When the table cannot be read; single routes fail in [`Round::failed`].
pub fn reconcile(
    socket: &mut Socket,
    order: &Order<'_>,
    memory: &mut Memory,
) -> Result<Round, Error> {
    if order.extent != Extent::Changes {
        return memory.round(socket, order, order.extent);
    }
    let done = match step(socket, order) {
        Step::Made(round) => return Ok(round),
        Step::Unread(done) => done,
    };
    let mut round = memory.round(socket, order, Extent::Own)?;
    round.applied.splice(0..0, done);
    Ok(round)
}

/// The round that [`reconcile`] would make, without making it.
///
/// # Errors
/// When the table cannot be read.
pub fn rehearse(
    socket: &mut Socket,
    order: &Order<'_>,
    memory: &Memory,
) -> Result<(Work, Round), Error> {
    let mut memory = memory.clone();
    let table = memory.read(socket, order.plan, Extent::Whole)?;
    Ok(memory.decide(order, &table))
}

fn failure((change, why): &(Change, String)) -> (RouteKey, String) {
    (change.key(), why.clone())
}

/// Whom the changes met in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Nobody,
    /// A foreign route that was not known of stands in the way.
    Rival,
}

/// Applies the changes.
pub(super) fn apply(
    socket: &mut Socket,
    changes: &[Change],
    deadline: Instant,
    round: &mut Round,
) -> Met {
    let mut met = Met::Nobody;
    for part in changes.chunks(PART) {
        if Instant::now() >= deadline {
            let late = |change: &Change| (change.clone(), "no time left in this round".to_owned());
            round.failed.extend(part.iter().map(late));
            continue;
        }
        for (change, outcome) in part.iter().zip(socket.apply(part)) {
            match outcome {
                Ok(()) => round.applied.push(change.clone()),
                Err(error) => {
                    if error.errno() == Some(Errno::EEXIST) {
                        met = Met::Rival;
                    }
                    round.failed.push((change.clone(), error.to_string()));
                }
            }
        }
    }
    met
}

impl Memory {
    /// One round, by a table that is read before it and after it.
    fn round(
        &mut self,
        socket: &mut Socket,
        order: &Order<'_>,
        extent: Extent,
    ) -> Result<Round, Error> {
        let table = self.read(socket, order.plan, extent)?;
        let (work, mut round) = self.decide(order, &table);
        let met = apply(socket, &work.changes, order.deadline, &mut round);
        self.learn(order, &table, &mut round);
        let extent = match met {
            Met::Nobody if work.taken_over.is_empty() => extent,
            _ => Extent::Whole,
        };
        let after = match work.changes.is_empty() {
            true => table,
            false => self.read(socket, order.plan, extent)?,
        };
        let left = Left {
            work: &work,
            rivals: (met == Met::Rival).then_some(&self.rivals),
            failed: round.failed.iter().map(failure).collect(),
        };
        round.odd = compare(order.plan, &after, &left);
        Ok(round)
    }

    fn read(&mut self, socket: &mut Socket, plan: &Plan, extent: Extent) -> Result<Table, Error> {
        let routes = match extent {
            Extent::Whole => socket.routes(TABLE_MAIN)?,
            Extent::Changes | Extent::Own => {
                let mut routes = Vec::new();
                for owner in OWN {
                    routes.extend(socket.routes_of(TABLE_MAIN, owner.protocol())?);
                }
                routes
            }
        };
        let (table, rest) = Table::part(routes);
        if extent == Extent::Whole {
            self.rivals = rivals(&plan.routes, &rest);
            self.gateways = gateways(&rest);
        }
        Ok(table)
    }

    fn decide(&mut self, order: &Order<'_>, table: &Table) -> (Work, Round) {
        let Order { plan, now, .. } = *order;
        self.fights.prune(now);
        let off_link = plan.off_link();
        let asked = Asked {
            standing: table.routes(),
            wanted: &plan.routes,
            off_link: &off_link,
            hold: plan.mass_removal_hold,
        };
        let verdict = self.guard.ask(&asked, now);
        let situation = Situation {
            plan,
            table,
            rivals: &self.rivals,
            verdict: &verdict,
            fights: &self.fights,
            now,
        };
        let work = work(&situation);
        let round = Round {
            mass: verdict.mass,
            again: verdict.again,
            ..Round::default()
        };
        (work, round)
    }

    /// Learns from what was done: which changes were repairs, of whose damage, and what has gone.
    fn learn(&mut self, order: &Order<'_>, before: &Table, round: &mut Round) {
        for change in &round.applied {
            let Some(damage) = order.damage(change, before) else {
                continue;
            };
            let key = change.key();
            round.repaired.insert(key, damage);
            let culprit = order.culprits.get(&key);
            // Routes that the kernel takes away with a link are nobody's attack.
            if let Some(culprit) = culprit.filter(|culprit| culprit.port != 0) {
                self.fights.repaired(&key, culprit.clone(), order.now);
            }
        }
        let gone = round.applied.iter().filter_map(|change| match change {
            Change::Remove(route) if !order.plan.routes.contains_key(&route.key) => Some(route),
            _ => None,
        });
        self.guard.removed(gone, order.now);
        let pauses = self.fights.next(order.now);
        round.again = round.again.into_iter().chain(pauses).min();
    }
}

impl Order<'_> {
    /// What had happened to the route of `change`; `None` when it was not as wanted before either.
    fn damage(&self, change: &Change, table: &Table) -> Option<Damage> {
        let key = change.key();
        let (plan, round) = self.before?;
        let stood = plan.routes.get(&key)?;
        if *round.standing(&key) != Standing::Ok || self.plan.routes.get(&key) != Some(stood) {
            return None;
        }
        Some(match change {
            Change::Remove(_) => Damage::Duplicated,
            _ if table.routes().contains_key(&key) => Damage::Changed,
            _ => Damage::Removed,
        })
    }
}

/// What a round could not or would not do.
struct Left<'a> {
    work: &'a Work,
    /// Foreign routes as read after the changes, where that was done.
    rivals: Option<&'a Rivals>,
    failed: BTreeMap<RouteKey, String>,
}

impl Left<'_> {
    fn why_not_made(&self, key: &RouteKey) -> Standing {
        let rivals = self.rivals.and_then(|rivals| rivals.get(key));
        if let Some(rival) = self.work.conflicts.get(key).or(rivals) {
            return Standing::Conflict(rival.clone());
        }
        if let Some(fight) = self.work.contested.get(key) {
            return Standing::Contested(fight.clone());
        }
        if let Some(reason) = self.work.held.get(key) {
            return Standing::Held(reason.clone());
        }
        let failed = self.failed.get(key).cloned();
        failed.map_or(Standing::Missing, Standing::Failed)
    }

    fn why_not_removed(&self, key: &RouteKey) -> Standing {
        match (self.work.held.get(key), self.failed.get(key)) {
            (Some(reason), _) => Standing::Held(reason.clone()),
            (None, Some(why)) => Standing::Failed(why.clone()),
            (None, None) => Standing::Superfluous,
        }
    }
}

fn compare(plan: &Plan, after: &Table, left: &Left<'_>) -> BTreeMap<RouteKey, (Route, Standing)> {
    let mut odd = BTreeMap::new();
    for change in diff(&plan.routes, after.routes()) {
        let (key, route) = (change.key(), change.route().clone());
        let standing = match change {
            Change::Add(_) | Change::Replace(_) => left.why_not_made(&key),
            Change::Remove(_) => left.why_not_removed(&key),
        };
        odd.insert(key, (route, standing));
    }
    let planned = |key: &RouteKey| plan.routes.get(key);
    let conflicts = left.work.conflicts.iter();
    let outranked = conflicts.filter_map(|(key, rival)| Some((planned(key)?, rival)));
    for (route, rival) in outranked {
        odd.insert(
            route.key,
            (route.clone(), Standing::Conflict(rival.clone())),
        );
    }
    let copies = after.copies().iter();
    for copy in copies.filter(|copy| planned(&copy.key).is_some()) {
        let why = "another route of ours stands at its key".to_owned();
        odd.insert(copy.key, (copy.clone(), Standing::Failed(why)));
    }
    odd
}
