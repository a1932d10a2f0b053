//! What is known after a round, and the documents made of it. Pure.

use crate::cluster::Cluster;
use crate::conf;
use crate::custody;
use crate::dirty::Cause;
use crate::links::Links;
use crate::pass::{Seen, Wired};
use crate::pools::Pools;
use crate::retained::Retained;
use crate::routes::reconcile::{Memory, Round};
use crate::routes::standing::Standing;
use crate::since::{self, Since};
use crate::source::State;
use crate::status::{BgpStatus, RoundStatus, RouteStatus, Routes, SourceStatus, Status, VERSION};
use gingham_ipam::{BootId, Usage};
use gingham_model::{Family, NodeName, Owner, Route, RouteKey, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many routes are named as reasons for not being ready: a probe's answer stays short.
const NAMED: usize = 8;

/// All that is known after a round. Documents and metrics are made of it when somebody asks: a
/// node has thousands of routes, and most rounds nobody looks at.
#[derive(Clone, Debug)]
pub struct Known {
    /// This node.
    pub me: NodeName,
    /// This boot.
    pub boot: BootId,
    /// The directory shared with the plugin.
    pub run_dir: PathBuf,
    /// The cluster as last known.
    pub cluster: Arc<Cluster>,
    /// Since when its sources stand as they do.
    pub since: Since,
    /// What the last successful look at the kernel found; `None` before the first.
    pub seen: Option<Arc<Seen>>,
    /// What the last look at the pods' host ends found.
    pub pods: Arc<Wired>,
    /// How full the blocks are.
    pub usage: BTreeMap<Family, Usage>,
    /// What keeps the node from another block.
    pub claims: Vec<String>,
    /// The last round.
    pub round: RoundStatus,
    /// What a rehearsal has to know of the rounds before.
    pub memory: Memory,
    /// How BGP stands, but for the sessions: the speaker itself is asked for those.
    pub bgp: BgpStatus,
    /// How custody of the zone's blocks stands, where this node keeps it.
    pub custody: custody::View,
    /// Blocks of this node that the cluster does not show as its own.
    pub retained: Arc<Retained>,
    /// How the network configuration stands that is kept, if one is.
    pub conf: Option<conf::Verdict>,
}

impl Known {
    /// Why the node is not ready; empty when it is. Each reason once: several parts may name the
    /// same.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = self.cluster.synced(&self.me).err().unwrap_or_default();
        reasons.extend(self.round.error.clone());
        let Some(seen) = &self.seen else {
            reasons.push("the kernel has not been read yet".to_owned());
            return reasons;
        };
        reasons.extend(seen.published.clone().err().unwrap_or_default());
        reasons.extend(
            seen.sysctls
                .failures
                .iter()
                .map(|failure| failure.error.clone()),
        );
        let firewall = seen.firewall.as_ref();
        reasons.extend(firewall.and_then(|(_, set)| set.clone().err()));
        reasons.extend(self.pods.troubles.iter().cloned());
        reasons.extend(self.bgp.troubles.iter().cloned());
        reasons.extend(unsettled(&seen.round));
        let mut before = BTreeSet::new();
        reasons.retain(|reason| before.insert(reason.clone()));
        reasons
    }

    /// What an operator ought to know although it keeps nobody from working.
    pub fn notices(&self) -> Vec<String> {
        let mut notices: Vec<String> = self.cluster.doubt(&self.me).into_iter().collect();
        notices.extend(self.since.notices(&self.cluster));
        notices.extend(self.bgp.notices.iter().cloned());
        notices.extend(self.custody.notices.iter().cloned());
        notices.extend(self.retained.notices());
        notices.extend(self.conf_notices());
        let Some(seen) = &self.seen else {
            return notices;
        };
        notices.extend(seen.round.mass.map(|mass| mass.to_string()));
        let fights = self.memory.fights.all();
        notices.extend(fights.map(|(key, fight)| format!("route {}: {fight}", key.prefix)));
        notices.extend(seen.sysctls.notices.iter().cloned());
        notices.extend(self.pods.notices.iter().cloned());
        notices
    }

    /// What of the runtime's network configurations is not as it should be.
    pub fn conf_notices(&self) -> impl Iterator<Item = String> {
        let notices = self.conf.iter().flat_map(|conf| &conf.notices);
        notices.cloned()
    }

    /// `GET /v1/status`.
    pub fn status(&self) -> Status {
        let seen = self.seen.as_deref();
        let (cluster, reasons) = (&self.cluster, self.reasons());
        let plan = seen.map(|seen| &seen.plan);
        let pools = Pools::of(cluster, &self.me);
        let own = cluster.blocks().filter(|block| block.node == self.me);
        Status {
            version: VERSION,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.me.clone(),
            zone: cluster.identity(&self.me).ok().map(|(_, zone)| zone),
            ready: reasons.is_empty(),
            reasons,
            notices: self.notices(),
            sources: self.sources(),
            refused: cluster.refusals(),
            unknown_fields: cluster.unknown_fields(),
            blocks: own.map(|block| pools.node_block(block)).collect(),
            addresses: self.usage.iter().map(|(f, u)| (*f, (*u).into())).collect(),
            claims: self.claims.clone(),
            removals_held: seen.map_or_else(Vec::new, held),
            routes: seen.map(counts).unwrap_or_default(),
            skipped: plan.map(|plan| plan.skipped.clone()).unwrap_or_default(),
            disputes: seen.map(disputes).unwrap_or_default(),
            sysctls: seen
                .map(|seen| seen.sysctls.failures.clone())
                .unwrap_or_default(),
            bgp: self.bgp.clone(),
            round: self.round.clone(),
        }
    }

    fn sources(&self) -> Vec<SourceStatus> {
        let sources = self.cluster.sources();
        let sources = sources.iter().map(|view| {
            let (state, error) = match view.state {
                State::Pending => ("Pending", None),
                State::Synced => ("Synced", None),
                State::Failed(error) => ("Failed", Some(error.clone())),
                State::Lost(error) => ("Lost", Some(error.clone())),
            };
            SourceStatus {
                kind: view.kind,
                state: state.to_owned(),
                since: self.since.of(view.kind).map(since::text),
                objects: view.objects,
                error,
            }
        });
        sources.collect()
    }

    /// `GET /v1/routes`.
    pub fn routes(&self) -> Routes {
        let seen = self.seen.as_deref();
        Routes {
            version: VERSION,
            routes: seen.map(routes).unwrap_or_default(),
        }
    }
}

fn disputes(seen: &Seen) -> Vec<String> {
    seen.plan.disputes.iter().map(ToString::to_string).collect()
}

fn counts(seen: &Seen) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, standing) in seen.standings().into_values() {
        *counts.entry(standing.word().to_owned()).or_default() += 1;
    }
    counts
}

fn held(seen: &Seen) -> Vec<String> {
    let mass = seen.round.mass.map(|mass| mass.to_string());
    let reasons = seen.plan.removals.reasons().into_iter();
    reasons.chain(mass).collect()
}

/// The routes that are not as they should be: some by name, the rest as a number.
fn unsettled(round: &Round) -> Vec<String> {
    let all = round.odd.iter();
    let mut unsettled = all.filter(|(_, (_, standing))| !standing.is_settled());
    let line = |(key, (route, standing)): (&RouteKey, &(Route, Standing))| {
        let (kind, prefix, state) = (kind(route), key.prefix, standing.word());
        match standing.detail() {
            None => format!("{kind} route {prefix}: {state}"),
            Some(why) => format!("{kind} route {prefix}: {state} ({why})"),
        }
    };
    let mut lines: Vec<String> = unsettled.by_ref().take(NAMED).map(line).collect();
    let more = unsettled.count();
    if more > 0 {
        lines.push(format!("{more} more routes are not as they should be"));
    }
    lines
}

/// The owner of a route at `key`, by its metric.
pub(crate) fn kind_of(key: &RouteKey) -> String {
    let mut owners = Owner::ALL.into_iter();
    let owner = owners.find(|owner| owner.metric() == key.metric);
    owner.map(|owner| owner.to_string()).unwrap_or_default()
}

/// The owner's name.
pub(crate) fn kind(route: &Route) -> String {
    let owner = Owner::of(route.protocol);
    owner.map(|owner| owner.to_string()).unwrap_or_default()
}

fn routes(seen: &Seen) -> Vec<RouteStatus> {
    let all = seen.standings().into_iter();
    let all = all.map(|(key, (route, standing))| {
        let (via, dev) = hops(&route.target, &seen.links);
        RouteStatus {
            kind: kind(route),
            prefix: key.prefix,
            via,
            dev,
            node: seen.plan.owners.get(key).cloned(),
            state: standing.word().to_owned(),
            detail: standing.detail(),
        }
    });
    all.collect()
}

/// The next hops and the names of the interfaces of a target.
pub(crate) fn hops(target: &Target, links: &Links) -> (Vec<IpAddr>, Vec<String>) {
    let hops: Vec<_> = match target {
        Target::Via(hops) => hops.iter().map(|hop| (Some(hop.via), hop.dev)).collect(),
        Target::Link(dev) => vec![(None, *dev)],
        Target::Unreachable | Target::Foreign => Vec::new(),
    };
    let via = hops.iter().filter_map(|(via, _)| *via).collect();
    (via, hops.iter().map(|(_, dev)| links.name(*dev)).collect())
}

/// How the round after `before` stands in the status before anything came of it.
pub fn round(
    before: &RoundStatus,
    causes: &BTreeMap<Cause, Instant>,
    took: Duration,
) -> RoundStatus {
    RoundStatus {
        number: before.number + 1,
        causes: causes.keys().map(Cause::to_string).collect(),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        applied_since_start: before.applied_since_start,
        ..RoundStatus::default()
    }
}
