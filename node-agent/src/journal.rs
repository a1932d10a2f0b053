//! What the agent logs: one line for each change, and each piece of news once.
//!
//! A flood is told by its size: of the routes of one owner a round names the first [`NAMED`], of
//! 100,000 learned prefixes nobody reads more, and counts the others in one line.

use crate::dirty::Cause;
use crate::links::Links;
use crate::pass::Seen;
use crate::routes::standing::Standing;
use crate::snapshot::{self, Known};
use gingham_model::{Change, Owner, Route, RouteProtocol, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How many changes of one owner's routes have a line of their own in a round, and how many routes
/// with the same piece of news.
const NAMED: usize = 32;

/// What has been said already.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    said: BTreeSet<String>,
}

impl Journal {
    /// Logs what is wrong now and was not the last time.
    pub(crate) fn news(&mut self, known: &Known) {
        let cluster = &known.cluster;
        let refused = cluster.refusals().into_iter().map(|refusal| {
            format!(
                "refused {} {}: {}",
                refusal.kind, refusal.origin, refusal.error
            )
        });
        let unknown = cluster.unknown_fields().into_iter();
        let unknown = unknown.map(|field| format!("unknown field ignored: {field}"));
        let mut now: BTreeSet<String> = refused.chain(unknown).collect();
        now.extend(known.notices());
        if let Some(seen) = &known.seen {
            now.extend(seen.plan.skipped.iter().map(|skipped| {
                let (block, node) = (skipped.block, &skipped.node);
                format!(
                    "no route to block {block} of node {node}: {}",
                    skipped.reason
                )
            }));
            let failures = seen.sysctls.failures.iter();
            now.extend(failures.map(|failure| failure.error.clone()));
            let firewall = seen.firewall.as_ref();
            now.extend(firewall.and_then(|(_, set)| set.clone().err()));
            now.extend(conflicts(seen));
            now.extend(unresolved(seen));
            now.extend(seen.plan.disputes.iter().map(ToString::to_string));
        }
        for line in now.difference(&self.said) {
            tracing::warn!("{line}");
        }
        self.said = now;
    }
}

fn conflicts(seen: &Seen) -> Vec<String> {
    let conflict = |(route, standing): &(Route, Standing)| match standing {
        Standing::Conflict(rival) => Some((route.key.prefix, rival.clone())),
        _ => None,
    };
    let mut all = seen.round.odd.values().filter_map(conflict);
    let named = all.by_ref().take(NAMED);
    let named = named
        .map(|(prefix, rival)| format!("route {prefix}: a foreign one stands in its way, {rival}"));
    let mut lines: Vec<String> = named.collect();
    let more = all.count();
    if more > 0 {
        lines.push(format!(
            "{more} more routes have a foreign one in their way"
        ));
    }
    lines
}

/// Once for each next hop that leads nowhere, however many prefixes were learned by it.
fn unresolved(seen: &Seen) -> BTreeSet<String> {
    let reasons: BTreeSet<_> = seen.plan.unresolved.values().collect();
    let lines = reasons.into_iter().take(NAMED);
    lines
        .map(|why| format!("no route to learned prefixes: {why}"))
        .collect()
}

/// Logs the changes of a round.
pub(crate) fn changes(seen: &Seen, causes: &BTreeMap<Cause, Instant>) {
    let causes: Vec<String> = causes.keys().map(Cause::to_string).collect();
    let cause = causes.join(",");
    let mut flood = Flood::default();
    for change in &seen.round.applied {
        if flood.drowns(change) {
            continue;
        }
        let line = Line::new(change, seen);
        let damage = seen.round.repaired.get(&change.key());
        let damage = damage.map(ToString::to_string).unwrap_or_default();
        tracing::info!(op = line.op, kind = %line.kind, prefix = %change.key().prefix,
            next_hop = %line.next_hop, dev = %line.dev, node = %line.node, %cause, damage,
            "route changed");
    }
    for (
        kind,
        Count {
            add,
            replace,
            remove,
        },
    ) in flood.more()
    {
        tracing::info!(%kind, add, replace, remove, %cause, "more routes changed");
    }
    let mut flood = Flood::default();
    for (change, error) in &seen.round.failed {
        if flood.drowns(change) {
            continue;
        }
        let line = Line::new(change, seen);
        tracing::warn!(op = line.op, kind = %line.kind, prefix = %change.key().prefix,
            next_hop = %line.next_hop, dev = %line.dev, node = %line.node, %cause, %error,
            "route not changed");
    }
    for (
        kind,
        Count {
            add,
            replace,
            remove,
        },
    ) in flood.more()
    {
        tracing::warn!(%kind, add, replace, remove, %cause, "more routes not changed");
    }
}

/// How many changes of each owner's routes there were.
#[derive(Debug, Default)]
struct Flood {
    named: BTreeMap<RouteProtocol, usize>,
    more: BTreeMap<RouteProtocol, Count>,
}

/// Changes by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    add: usize,
    replace: usize,
    remove: usize,
}

impl Flood {
    /// Counts a change, and says whether it is one of too many.
    fn drowns(&mut self, change: &Change) -> bool {
        let protocol = change.route().protocol;
        let named = self.named.entry(protocol).or_default();
        if *named < NAMED {
            *named += 1;
            return false;
        }
        let more = self.more.entry(protocol).or_default();
        match change {
            Change::Add(_) => more.add += 1,
            Change::Replace(_) => more.replace += 1,
            Change::Remove(_) => more.remove += 1,
        }
        true
    }

    /// Those that were too many, by owner.
    fn more(self) -> impl Iterator<Item = (String, Count)> {
        let more = self.more.into_iter();
        more.map(|(protocol, count)| {
            let owner = Owner::of(protocol).map(|owner| owner.to_string());
            (owner.unwrap_or_default(), count)
        })
    }
}

/// The fields of a change in words.
struct Line {
    op: &'static str,
    kind: String,
    next_hop: String,
    dev: String,
    node: String,
}

impl Line {
    fn new(change: &Change, seen: &Seen) -> Self {
        let route = change.route();
        let (next_hop, dev) = hops(&route.target, &seen.links);
        let node = seen.plan.owners.get(&route.key);
        Line {
            op: match change {
                Change::Add(_) => "add",
                Change::Replace(_) => "replace",
                Change::Remove(_) => "remove",
            },
            kind: snapshot::kind(route),
            next_hop,
            dev,
            node: node.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

fn hops(target: &Target, links: &Links) -> (String, String) {
    match target {
        Target::Via(hops) => {
            let vias: Vec<String> = hops.iter().map(|hop| hop.via.to_string()).collect();
            let devs: Vec<String> = hops.iter().map(|hop| links.name(hop.dev)).collect();
            (vias.join(","), devs.join(","))
        }
        Target::Link(dev) => (String::new(), links.name(*dev)),
        Target::Unreachable => ("unreachable".to_owned(), String::new()),
        Target::Foreign => ("foreign".to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_by_its_size_and_drowns_nobody_elses_changes() {
        let route = |owner: Owner, at: u8| {
            let prefix = format!("10.70.{at}.0/24").parse().unwrap();
            Route::of(owner, prefix, Target::Unreachable)
        };
        let mut flood = Flood::default();
        let adds = (0..100).map(|at| Change::Add(route(Owner::Learned, at)));
        let removals = (100..110).map(|at| Change::Remove(route(Owner::Learned, at)));
        let flooded = adds.chain(removals).filter(|change| flood.drowns(change));
        assert_eq!(flooded.count(), 110 - NAMED);
        assert!(!flood.drowns(&Change::Add(route(Owner::Direct, 0))));
        let count = Count {
            add: 100 - NAMED,
            replace: 0,
            remove: 10,
        };
        let more: Vec<_> = flood.more().collect();
        assert_eq!(more, [("learned".to_owned(), count)]);
    }
}
