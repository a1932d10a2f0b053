//! What a round would do, without doing it: behind `diff` and `plan`.

use crate::bgp::learned::Learned;
use crate::cluster::Cluster;
use crate::firewall::Firewall;
use crate::links::Links;
use crate::manifest;
use crate::nft::Nft;
use crate::pass::{REQUEST, ROUTES};
use crate::plan::{self, Plan};
use crate::routes::reconcile::{Extent, Order, Round, rehearse};
use crate::routes::standing::Standing;
use crate::routes::work::Work;
use crate::snapshot::{self, Known};
use crate::status::{ChangeStatus, FirewallStatus, Rehearsal, RouteStatus, VERSION};
use crate::store::Event;
use gingham_ipam::NodeState;
use gingham_model::{Change, Route, RouteKey};
use gingham_netlink::Socket;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// Rehearses a round with the cluster as given.
///
/// # Errors
/// When the kernel cannot be read.
pub fn rehearsal(known: &Known, cluster: &Cluster) -> Result<Rehearsal, gingham_netlink::Error> {
    let mut socket = Socket::open(REQUEST)?;
    let links = Links::new(socket.links()?, socket.addresses()?);
    let unknown = Learned::nothing_yet("the kernel has not been read yet");
    let seen = known.seen.as_deref();
    let plan = plan::plan(&plan::Inputs {
        me: &known.me,
        cluster,
        retained: &known.retained,
        links: &links,
        boot: &known.boot,
        learned: seen.map_or(&unknown, |seen| &seen.learned),
        aggregates: seen.map_or(&BTreeSet::new(), |seen| &seen.aggregates),
    });
    let now = Instant::now();
    let order = Order {
        plan: &plan,
        extent: Extent::Whole,
        before: seen.map(|seen| (&*seen.plan, &seen.round)),
        culprits: &BTreeMap::new(),
        now,
        deadline: now + ROUTES,
    };
    let (work, _): (Work, Round) = rehearse(&mut socket, &order, &known.memory)?;
    let (node_state, unpublished) = published(&plan, &known.run_dir.join("node.json"));
    Ok(Rehearsal {
        version: VERSION,
        changes: work
            .changes
            .iter()
            .map(|change| described(change, &plan, &links))
            .collect(),
        left: left(&work, &plan, &links),
        skipped: plan.skipped.clone(),
        firewall: firewall(cluster, known),
        node_state,
        unpublished,
    })
}

/// The cluster with the objects of a YAML text in place of those it has by the same names.
///
/// # Errors
/// Every document that was refused: what it calls itself, and why.
pub fn with_objects(cluster: &Cluster, text: &str) -> Result<Cluster, Vec<String>> {
    let mut cluster = cluster.clone();
    let mut refused = Vec::new();
    let documents = manifest::documents(text);
    if documents.is_empty() {
        refused.push("holds no object".to_owned());
    }
    for document in documents {
        match document {
            Ok(parsed) => drop(cluster.apply(Event::Apply(Box::new(parsed)))),
            Err((called, why)) if called.is_empty() => refused.push(why.to_string()),
            Err((called, why)) => refused.push(format!("{called}: {why}")),
        }
    }
    if refused.is_empty() {
        Ok(cluster)
    } else {
        Err(refused)
    }
}

fn described(change: &Change, plan: &Plan, links: &Links) -> ChangeStatus {
    let route = change.route();
    let (via, dev) = snapshot::hops(&route.target, links);
    ChangeStatus {
        op: match change {
            Change::Add(_) => "add",
            Change::Replace(_) => "replace",
            Change::Remove(_) => "remove",
        }
        .to_owned(),
        kind: snapshot::kind(route),
        prefix: route.key.prefix,
        via,
        dev,
        node: plan.owners.get(&route.key).cloned(),
    }
}

/// Routes that would stay against the plan.
fn left(work: &Work, plan: &Plan, links: &Links) -> Vec<RouteStatus> {
    let conflicts = work.conflicts.iter();
    let conflicts = conflicts.map(|(key, rival)| (key, Standing::Conflict(rival.clone())));
    let contested = work.contested.iter();
    let contested = contested.map(|(key, fight)| (key, Standing::Contested(fight.clone())));
    let held = work.held.iter();
    let held = held.map(|(key, why)| (key, Standing::Held(why.clone())));
    let all: BTreeMap<&RouteKey, Standing> = held.chain(contested).chain(conflicts).collect();
    let described = all.into_iter().map(|(key, standing)| {
        let target = plan.routes.get(key).map(|route: &Route| &route.target);
        let (via, dev) = target
            .map(|target| snapshot::hops(target, links))
            .unwrap_or_default();
        RouteStatus {
            kind: snapshot::kind_of(key),
            prefix: key.prefix,
            via,
            dev,
            node: plan.owners.get(key).cloned(),
            state: standing.word().to_owned(),
            detail: standing.detail(),
        }
    });
    described.collect()
}

fn firewall(cluster: &Cluster, known: &Known) -> FirewallStatus {
    if let Err(reasons) = cluster.synced(&known.me) {
        return FirewallStatus::Unknown(reasons.join("; "));
    }
    match Nft::new().differs(&Firewall::of(cluster, &known.me)) {
        Ok(false) => FirewallStatus::Unchanged,
        Ok(true) => FirewallStatus::Differs,
        Err(error) => FirewallStatus::Unknown(error.to_string()),
    }
}

/// How `node.json` would change, and why it would not.
fn published(plan: &Plan, path: &Path) -> (Vec<String>, Vec<String>) {
    let wanted = match &plan.node_state {
        Ok(wanted) => wanted,
        Err(reasons) => return (Vec::new(), reasons.clone()),
    };
    let fields = |state: &NodeState| {
        let blocks = state.blocks.iter();
        let blocks: Vec<String> = blocks
            .map(|block| format!("{} {:?}", block.cidr, block.state))
            .collect();
        [
            ("zone", state.zone.to_string()),
            ("mtu", state.mtu.to_string()),
            ("families", format!("{:?}", state.families)),
            ("cooldownSeconds", state.cooldown_seconds.to_string()),
            ("blocks", blocks.join(", ")),
        ]
    };
    let before = match NodeState::read(path) {
        Ok(before) => fields(&before).map(|(_, value)| value),
        Err(_) => Default::default(),
    };
    let pairs = fields(wanted).into_iter().zip(before);
    let changed = pairs.filter(|((_, after), before)| after != before);
    let lines = changed.map(|((name, after), before)| match before.as_str() {
        "" => format!("{name}: {after}"),
        before => format!("{name}: {before} -> {after}"),
    });
    (lines.collect(), Vec::new())
}
