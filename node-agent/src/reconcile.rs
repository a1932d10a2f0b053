//! One round: read the kernel, change what differs, read back, compare.
//!
//! Own are the routes of protocols direct and sink, in the main table. Everything else is foreign
//! to this module, the plugin's and BGP's routes too: it is looked at and never touched.

use crate::plan::{Plan, Removals};
use gingham_model::{Change, Owner, Route, RouteKey, RouteProtocol, RouteSet, TABLE_MAIN, diff};
use gingham_netlink::{Error, Socket};
use std::collections::BTreeMap;
use std::time::Instant;

/// The main table, parted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Our routes.
    pub own: RouteSet,
    /// Whose route stands at a key that is not ours.
    pub foreign: BTreeMap<RouteKey, RouteProtocol>,
}

impl Table {
    /// Parts the routes of a dump.
    pub fn new(routes: Vec<Route>) -> Self {
        let mut table = Table::default();
        for route in routes {
            match Owner::of(route.protocol) {
                Some(Owner::Direct | Owner::Sink) => {
                    table.own.insert(route.key, route);
                }
                _ => {
                    table.foreign.insert(route.key, route.protocol);
                }
            }
        }
        table
    }

    /// Reads the main table.
    ///
    /// # Errors
    /// As every dump.
    pub fn read(socket: &mut Socket) -> Result<Self, Error> {
        socket.routes(TABLE_MAIN).map(Table::new)
    }
}

/// What is to be done, and what is left undone on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// In this order.
    pub changes: Vec<Change>,
    /// Wanted, but a route of this protocol stands at its key: a replace would take it over.
    pub conflicts: BTreeMap<RouteKey, RouteProtocol>,
    /// Not wanted any more, but removals are held.
    pub held: RouteSet,
}

/// What leads from `table` to the plan.
pub fn work(plan: &Plan, table: &Table) -> Work {
    let mut work = Work::default();
    for change in diff(&plan.routes, &table.own) {
        let key = change.key();
        match (&change, &plan.removals, table.foreign.get(&key)) {
            (Change::Add(_) | Change::Replace(_), _, Some(protocol)) => {
                work.conflicts.insert(key, *protocol);
            }
            (Change::Add(_) | Change::Replace(_), _, None) => work.changes.push(change),
            (Change::Remove(_), Removals::Allowed(_, unread), _)
                if !unread.contains(&key.prefix) =>
            {
                work.changes.push(change);
            }
            (Change::Remove(route), _, _) => {
                work.held.insert(key, route.clone());
            }
        }
    }
    work
}

/// How one route stands after a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As wanted, by read-back.
    Ok,
    /// Wanted, and not there although nothing failed: somebody is faster than we are.
    Missing,
    /// There against the plan although nothing failed.
    Superfluous,
    /// The kernel refused the change.
    Failed(String),
    /// Somebody else's route stands in its place.
    Conflict(RouteProtocol),
    /// Not wanted any more; its removal is held.
    Held,
}

impl Standing {
    /// Whether the route is as the plan wants it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Standing::Ok | Standing::Held)
    }
}

/// What a round did and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Changes the kernel accepted.
    pub applied: Vec<Change>,
    /// Changes it refused, and why.
    pub failed: Vec<(Change, String)>,
    /// Every route wanted or there, and how it stands.
    pub routes: BTreeMap<RouteKey, (Route, Standing)>,
}

impl Round {
    /// Whether the kernel has all of the plan and nothing but it.
    pub fn is_in_sync(&self) -> bool {
        self.routes
            .values()
            .all(|(_, standing)| standing.is_settled())
    }
}

/// Makes the kernel's routes those of the plan, until `deadline`. A route that fails does not stop
/// the others. Without a difference nothing is written.
///
/// # Errors
/// When the table cannot be read; single routes fail in [`Round::failed`].
pub fn reconcile(socket: &mut Socket, plan: &Plan, deadline: Instant) -> Result<Round, Error> {
    let table = Table::read(socket)?;
    let Work {
        changes,
        conflicts,
        held,
    } = work(plan, &table);
    let idle = changes.is_empty();
    let (mut applied, mut failed) = (Vec::new(), Vec::new());
    for change in changes {
        if Instant::now() >= deadline {
            failed.push((change, "no time left in this round".to_owned()));
            continue;
        }
        match socket.apply(&change) {
            Ok(()) => applied.push(change),
            Err(error) => failed.push((change, error.to_string())),
        }
    }
    let after = if idle { table } else { Table::read(socket)? };
    let left = Left {
        conflicts,
        held,
        failed: failed
            .iter()
            .map(|(change, why)| (change.key(), why.as_str()))
            .collect(),
    };
    let routes = compare(plan, &after, &left);
    Ok(Round {
        applied,
        failed,
        routes,
    })
}

/// What a round could not or would not do.
struct Left<'a> {
    conflicts: BTreeMap<RouteKey, RouteProtocol>,
    held: RouteSet,
    failed: BTreeMap<RouteKey, &'a str>,
}

fn compare(plan: &Plan, after: &Table, left: &Left<'_>) -> BTreeMap<RouteKey, (Route, Standing)> {
    let failed = |key| {
        left.failed
            .get(key)
            .map(|why| Standing::Failed((*why).to_owned()))
    };
    let mut routes = BTreeMap::new();
    for (key, want) in &plan.routes {
        let conflict = left.conflicts.get(key).or(after.foreign.get(key));
        let standing = match (after.own.get(key) == Some(want), conflict) {
            (true, _) => Standing::Ok,
            (false, Some(protocol)) => Standing::Conflict(*protocol),
            (false, None) => failed(key).unwrap_or(Standing::Missing),
        };
        routes.insert(*key, (want.clone(), standing));
    }
    let extra = after
        .own
        .iter()
        .filter(|(key, _)| !plan.routes.contains_key(key));
    for (key, route) in extra {
        let standing = match left.held.contains_key(key) {
            true => Standing::Held,
            false => failed(key).unwrap_or(Standing::Superfluous),
        };
        routes.insert(*key, (route.clone(), standing));
    }
    routes
}
