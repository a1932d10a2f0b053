//! Makes the documents out of what is known. Pure.

use crate::cluster::{Cluster, SourceView};
use crate::dirty::Cause;
use crate::pass::Seen;
use crate::plan::{self, Removals};
use crate::reconcile::{Round, Standing};
use crate::source::State;
use crate::status::{RoundStatus, RouteStatus, Routes, SourceStatus, Status, VERSION};
use gingham_ipam::Usage;
use gingham_model::{Family, NodeName, Owner, Prefix, Route, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many routes are named as reasons for not being ready: a probe's answer stays short.
const NAMED: usize = 8;

/// Both documents, of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `GET /v1/status`.
    pub status: Status,
    /// `GET /v1/routes`.
    pub routes: Routes,
}

/// All a snapshot is made of.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// This node.
    pub me: &'a NodeName,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// What the last successful look at the kernel found; `None` before the first.
    pub seen: Option<&'a Seen>,
    /// How full the blocks are.
    pub usage: &'a BTreeMap<Family, Usage>,
    /// What keeps the node from another block.
    pub claims: &'a [String],
    /// The last round.
    pub round: &'a RoundStatus,
}

/// Makes a snapshot.
pub fn snapshot(known: &Known<'_>) -> Snapshot {
    let routes = known.seen.map(routes).unwrap_or_default();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for route in &routes {
        *counts.entry(route.state.clone()).or_default() += 1;
    }
    let reasons = reasons(known);
    let plan = known.seen.map(|seen| &seen.plan);
    let sysctls = known.seen.map(|seen| seen.sysctls.clone());
    let pools = known.cluster.pools();
    let own = known
        .cluster
        .blocks()
        .filter(|block| block.node == *known.me);
    let status = Status {
        version: VERSION,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        node: known.me.clone(),
        zone: known.cluster.identity(known.me).ok().map(|(_, zone)| zone),
        ready: reasons.is_empty(),
        reasons,
        sources: known.cluster.sources().iter().map(source).collect(),
        refused: known.cluster.refusals(),
        unknown_fields: known.cluster.unknown_fields(),
        blocks: own.map(|block| plan::node_block(block, &pools)).collect(),
        addresses: known.usage.iter().map(|(f, u)| (*f, (*u).into())).collect(),
        claims: known.claims.to_vec(),
        removals_held: plan.map_or_else(Vec::new, |plan| held(&plan.removals)),
        routes: counts,
        skipped: plan.map(|plan| plan.skipped.clone()).unwrap_or_default(),
        sysctls: sysctls.unwrap_or_default(),
        round: known.round.clone(),
    };
    let routes = Routes {
        version: VERSION,
        routes,
    };
    Snapshot { status, routes }
}

fn source(view: &SourceView<'_>) -> SourceStatus {
    let (state, error) = match view.state {
        State::Pending => ("Pending", None),
        State::Synced => ("Synced", None),
        State::Failed(error) => ("Failed", Some(error.clone())),
    };
    SourceStatus {
        kind: view.kind,
        state: state.to_owned(),
        objects: view.objects,
        error,
    }
}

fn held(removals: &Removals) -> Vec<String> {
    match removals {
        Removals::Allowed(_, unread) => {
            let held = |prefix: &Prefix| format!("Block {prefix}: no valid version is known");
            unread.iter().map(held).collect()
        }
        Removals::Held(reasons) => reasons.clone(),
    }
}

/// Why the node is not ready. Each reason once: several parts may name the same.
fn reasons(known: &Known<'_>) -> Vec<String> {
    let mut reasons = known.cluster.synced(known.me).err().unwrap_or_default();
    reasons.extend(known.round.error.clone());
    let Some(seen) = known.seen else {
        reasons.push("the kernel has not been read yet".to_owned());
        return reasons;
    };
    reasons.extend(seen.published.clone().err().unwrap_or_default());
    reasons.extend(seen.sysctls.iter().map(|failure| failure.error.clone()));
    reasons.extend(unsettled(&seen.round));
    let mut before = BTreeSet::new();
    reasons.retain(|reason| before.insert(reason.clone()));
    reasons
}

/// The routes that are not as they should be: some by name, the rest as a number.
fn unsettled(round: &Round) -> Vec<String> {
    let all = round.routes.iter();
    let unsettled = all.filter(|(_, (_, standing))| !standing.is_settled());
    let mut lines: Vec<String> = unsettled
        .map(|(key, (route, standing))| match describe(standing) {
            (state, None) => format!("{} route {}: {state}", kind(route), key.prefix),
            (state, Some(why)) => format!("{} route {}: {state} ({why})", kind(route), key.prefix),
        })
        .collect();
    if lines.len() > NAMED {
        let more = lines.len() - NAMED;
        lines.truncate(NAMED);
        lines.push(format!("{more} more routes are not as they should be"));
    }
    lines
}

fn kind(route: &Route) -> String {
    let owner = Owner::of(route.protocol);
    owner.map(|owner| owner.to_string()).unwrap_or_default()
}

fn routes(seen: &Seen) -> Vec<RouteStatus> {
    let all = seen.round.routes.iter().map(|(key, (route, standing))| {
        let hops: Vec<_> = match &route.target {
            Target::Via(hops) => hops.iter().map(|hop| (Some(hop.via), hop.dev)).collect(),
            Target::Link(dev) => vec![(None, *dev)],
            Target::Unreachable | Target::Foreign => Vec::new(),
        };
        let (state, detail) = describe(standing);
        RouteStatus {
            kind: kind(route),
            prefix: key.prefix,
            via: hops.iter().filter_map(|(via, _)| *via).collect(),
            dev: hops.iter().map(|(_, dev)| seen.links.name(*dev)).collect(),
            node: seen.plan.owners.get(key).cloned(),
            state: state.to_owned(),
            detail,
        }
    });
    all.collect()
}

fn describe(standing: &Standing) -> (&'static str, Option<String>) {
    match standing {
        Standing::Ok => ("ok", None),
        Standing::Missing => ("missing", None),
        Standing::Superfluous => ("superfluous", None),
        Standing::Failed(reason) => ("failed", Some(reason.clone())),
        Standing::Conflict(protocol) => ("conflict", Some(format!("protocol {}", protocol.0))),
        Standing::Held => ("held", None),
    }
}

/// How the round after `before` stands in the status before anything came of it.
pub fn round(before: &RoundStatus, causes: &BTreeSet<Cause>, took: Duration) -> RoundStatus {
    RoundStatus {
        number: before.number + 1,
        causes: causes.iter().map(Cause::to_string).collect(),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        applied_since_start: before.applied_since_start,
        ..RoundStatus::default()
    }
}
