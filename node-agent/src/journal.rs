//! What the agent logs: one line for each change, and each piece of news once.

use crate::dirty::Cause;
use crate::links::Links;
use crate::pass::Seen;
use crate::routes::standing::Standing;
use crate::snapshot::{self, Known};
use gingham_model::{Change, Route, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

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
            now.extend(seen.round.odd.values().filter_map(conflict));
            now.extend(seen.plan.disputes.iter().map(ToString::to_string));
        }
        for line in now.difference(&self.said) {
            tracing::warn!("{line}");
        }
        self.said = now;
    }
}

fn conflict((route, standing): &(Route, Standing)) -> Option<String> {
    let Standing::Conflict(rival) = standing else {
        return None;
    };
    let prefix = route.key.prefix;
    Some(format!(
        "route {prefix}: a foreign one stands in its way, {rival}"
    ))
}

/// Logs the changes of a round.
pub(crate) fn changes(seen: &Seen, causes: &BTreeMap<Cause, Instant>) {
    let causes: Vec<String> = causes.keys().map(Cause::to_string).collect();
    let cause = causes.join(",");
    for change in &seen.round.applied {
        let line = Line::new(change, seen);
        let damage = seen.round.repaired.get(&change.key());
        let damage = damage.map(ToString::to_string).unwrap_or_default();
        tracing::info!(op = line.op, kind = %line.kind, prefix = %change.key().prefix,
            next_hop = %line.next_hop, dev = %line.dev, node = %line.node, %cause, damage,
            "route changed");
    }
    for (change, error) in &seen.round.failed {
        let line = Line::new(change, seen);
        tracing::warn!(op = line.op, kind = %line.kind, prefix = %change.key().prefix,
            next_hop = %line.next_hop, dev = %line.dev, node = %line.node, %cause, %error,
            "route not changed");
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
