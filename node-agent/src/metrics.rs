//! What is counted and measured, for Prometheus.
//!
//! Counters grow as things happen; gauges are filled in when somebody scrapes, from what is known
//! since the last round.

mod bgp;
mod endpoint;

pub(crate) use endpoint::{Listen, Served, serve};

use crate::dirty::{Cause, Marks};
use crate::nft::Outcome;
use crate::pass::{Seen, Wired};
use crate::routes::standing::Standing;
use crate::snapshot::Known;
use crate::source::State;
use gingham_bgp::speaker::report::PeerReport;
use gingham_model::{Change, Family as IpFamily, Owner};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Labels in their order.
type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge>;

/// The counters and gauges of an agent. A clone is the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    /// How often the kernel had more to say than its buffer held.
    pub(crate) overruns: Counter,
    route_changes: Counters,
    route_repairs: Counters,
    pod_repairs: Counters,
    lease_settlements: Counters,
    firewall_writes: Counters,
    event_to_kernel: Histogram,
    round_duration: Histogram,
    gauges: AtScrape,
    bgp: bgp::Metrics,
}

/// What is filled in at each scrape.
#[derive(Clone, Debug, Default)]
struct AtScrape {
    routes_desired: Gauges,
    routes_observed: Gauges,
    route_conflicts: Gauges,
    cni_conf_first: Gauges,
    route_fights: Gauge,
    removals_held: Gauge,
    blocks_skipped: Gauge,
    blocks_orphaned: Gauge,
    addresses: Gauges,
    objects: Gauges,
    source_synced: Gauges,
    source_heard: Gauges,
    refused: Gauges,
    ready: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Metrics {
            registry: Arc::default(),
            overruns: Counter::default(),
            route_changes: Counters::default(),
            route_repairs: Counters::default(),
            pod_repairs: Counters::default(),
            lease_settlements: Counters::default(),
            firewall_writes: Counters::default(),
            event_to_kernel: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            round_duration: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            gauges: AtScrape::default(),
            bgp: bgp::Metrics::default(),
        };
        let mut registry = Registry::with_prefix("gingham");
        metrics.register(&mut registry);
        metrics.gauges.register(&mut registry);
        metrics
            .bgp
            .register(registry.sub_registry_with_prefix("bgp"));
        Metrics {
            registry: Arc::new(Mutex::new(registry)),
            ..metrics
        }
    }

    fn register(&self, to: &mut Registry) {
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        to.register("build", "The program", version);
        let counters = [
            (
                "route_changes",
                "Changes of routes, by op and result",
                &self.route_changes,
            ),
            (
                "route_repairs",
                "Routes repaired, by what a foreign hand had done",
                &self.route_repairs,
            ),
            (
                "pod_repairs",
                "Parts of pods' host ends repaired",
                &self.pod_repairs,
            ),
            (
                "lease_settlements",
                "Disagreements of leases and kernel settled, by kind",
                &self.lease_settlements,
            ),
            (
                "firewall_writes",
                "Writes of the nftables table, by outcome",
                &self.firewall_writes,
            ),
        ];
        for (name, help, counter) in counters {
            to.register(name, help, counter.clone());
        }
        let overruns = "Times the kernel had more news than its buffer held";
        to.register("netlink_overruns", overruns, self.overruns.clone());
        let histograms = [
            (
                "event_to_kernel",
                "From an event to the read-back of the change it led to",
                &self.event_to_kernel,
            ),
            (
                "round_duration",
                "Length of a look at everything",
                &self.round_duration,
            ),
        ];
        for (name, help, histogram) in histograms {
            to.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
    }

    /// Counts what a round did.
    pub(crate) fn count(&self, seen: &Seen, took: Duration) {
        self.round_duration.observe(took.as_secs_f64());
        let applied = seen.round.applied.iter().map(|change| (change, "ok"));
        let failed = seen
            .round
            .failed
            .iter()
            .map(|(change, _)| (change, "error"));
        for (change, result) in applied.chain(failed) {
            let labels = vec![("op", op(change).to_owned()), ("result", result.to_owned())];
            self.route_changes.get_or_create(&labels).inc();
        }
        for damage in seen.round.repaired.values() {
            add(&self.route_repairs, ("cause", &damage.to_string()), 1);
        }
        if let Some((_, Ok(outcome))) = seen.firewall {
            self.firewall(outcome);
        }
    }

    /// Counts what was done for the pods.
    pub(crate) fn count_pods(&self, pods: &Wired) {
        for (part, count) in &pods.repaired {
            add(&self.pod_repairs, ("part", part), *count);
        }
        for (kind, count) in &pods.settled {
            add(&self.lease_settlements, ("kind", kind), *count);
        }
    }

    /// Something was changed in the kernel because of these marks.
    pub(crate) fn answered(&self, marks: &Marks) {
        let event = |(cause, at): (&Cause, &Instant)| cause.is_an_event().then_some(*at);
        if let Some(first) = marks.causes.iter().filter_map(event).min() {
            self.event_to_kernel.observe(first.elapsed().as_secs_f64());
        }
    }

    fn firewall(&self, outcome: Outcome) {
        let word = match outcome {
            Outcome::Unchanged => return,
            Outcome::Installed => "installed",
            Outcome::Replaced => "replaced",
            Outcome::Repaired => "repaired",
        };
        add(&self.firewall_writes, ("outcome", word), 1);
    }

    /// Everything, in the text format of OpenMetrics; `peers` is what the BGP speaker says, if it
    /// does.
    pub(crate) fn render(&self, known: &Known, peers: Option<&[PeerReport]>) -> String {
        // A panic in here leaves gauges half filled in; the next scrape fills them in anew.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.fill(known);
        self.bgp.fill(&known.bgp, peers);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn op(change: &Change) -> &'static str {
    match change {
        Change::Add(_) => "add",
        Change::Replace(_) => "replace",
        Change::Remove(_) => "remove",
    }
}

fn add(counters: &Counters, (label, value): (&'static str, &str), count: usize) {
    let labels = vec![(label, value.to_owned())];
    counters.get_or_create(&labels).inc_by(count as u64);
}

impl AtScrape {
    fn register(&self, to: &mut Registry) {
        let families = [
            ("routes_desired", "Routes wanted", &self.routes_desired),
            (
                "routes_observed",
                "Routes by how they stand",
                &self.routes_observed,
            ),
            (
                "route_conflicts",
                "Routes a foreign one stands in the way of",
                &self.route_conflicts,
            ),
            (
                "cni_conf_first",
                "Whether the runtime takes the network configuration that is kept",
                &self.cni_conf_first,
            ),
            (
                "addresses",
                "Pod addresses of this node's Active blocks, by state",
                &self.addresses,
            ),
            ("objects", "Cluster objects in force", &self.objects),
            (
                "source_synced",
                "Whether all objects of a kind are known now",
                &self.source_synced,
            ),
            (
                "source_last_heard_timestamp_seconds",
                "When all objects of a kind were last known, since the epoch",
                &self.source_heard,
            ),
            (
                "objects_refused",
                "Cluster objects that were not taken",
                &self.refused,
            ),
        ];
        for (name, help, family) in families {
            to.register(name, help, family.clone());
        }
        let gauges = [
            (
                "route_fights",
                "Routes somebody keeps breaking",
                &self.route_fights,
            ),
            (
                "mass_removal_held_routes",
                "Routes whose removal the guard holds",
                &self.removals_held,
            ),
            (
                "blocks_skipped",
                "Blocks of the zone without a route",
                &self.blocks_skipped,
            ),
            (
                "blocks_orphaned",
                "Blocks of the zone whose Node is gone, on its reflectors",
                &self.blocks_orphaned,
            ),
            ("ready", "Whether the node is ready", &self.ready),
        ];
        for (name, help, gauge) in gauges {
            to.register(name, help, gauge.clone());
        }
    }

    fn fill(&self, known: &Known) {
        // Without a label, and not at all where none is kept.
        if let Some(conf) = &known.conf {
            let first = self.cni_conf_first.get_or_create(&Labels::new());
            first.set(i64::from(conf.first));
        }
        self.ready.set(i64::from(known.reasons().is_empty()));
        self.route_fights
            .set(known.memory.fights.all().count() as i64);
        self.blocks_orphaned
            .set(known.custody.orphaned.unwrap_or_default() as i64);
        self.addresses(known);
        self.sources(known);
        if let Some(seen) = &known.seen {
            self.routes(seen);
            let held = seen.round.mass.map_or(0, |mass| mass.routes);
            self.removals_held.set(held as i64);
            self.blocks_skipped.set(seen.plan.skipped.len() as i64);
        }
    }

    fn routes(&self, seen: &Seen) {
        // Labels only in the end: there may be 100,000 routes.
        let (mut observed, mut desired) = (BTreeMap::new(), BTreeMap::new());
        let mut conflicts = BTreeMap::from(IpFamily::ALL.map(|family| (family, 0)));
        for (key, (route, standing)) in seen.standings() {
            let (family, owner) = (key.prefix.family(), Owner::of(route.protocol));
            *observed
                .entry((family, owner, standing.word()))
                .or_default() += 1;
            if seen.plan.routes.contains_key(key) {
                *desired.entry((family, owner)).or_default() += 1;
            }
            if let Standing::Conflict(_) = standing {
                *conflicts.entry(family).or_default() += 1;
            }
        }
        let family = |family: IpFamily| ("family", family.to_string());
        let kind =
            |owner: Option<Owner>| ("kind", owner.map(|o| o.to_string()).unwrap_or_default());
        let observed = observed.into_iter().map(|((of, owner, word), count)| {
            let state = ("state", str::to_owned(word));
            (vec![family(of), kind(owner), state], count)
        });
        let desired = desired.into_iter();
        let desired = desired.map(|((of, owner), count)| (vec![family(of), kind(owner)], count));
        let conflicts = conflicts.into_iter();
        let conflicts = conflicts.map(|(of, count)| (vec![family(of)], count));
        set(&self.routes_observed, observed.collect());
        set(&self.routes_desired, desired.collect());
        set(&self.route_conflicts, conflicts.collect());
    }

    fn addresses(&self, known: &Known) {
        let mut all = BTreeMap::new();
        for (family, usage) in &known.usage {
            let states = [
                ("held", usage.held),
                ("resting", usage.resting),
                ("free", usage.free),
            ];
            for (state, count) in states {
                let labels = vec![("family", family.to_string()), ("state", state.to_owned())];
                all.insert(labels, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        set(&self.addresses, all);
    }

    fn sources(&self, known: &Known) {
        let (mut objects, mut synced) = (BTreeMap::new(), BTreeMap::new());
        let (mut heard, now) = (BTreeMap::new(), SystemTime::now());
        let mut refused: BTreeMap<Labels, i64> = BTreeMap::new();
        for source in known.cluster.sources() {
            let labels = vec![("kind", source.kind.to_string())];
            objects.insert(labels.clone(), source.objects as i64);
            synced.insert(labels.clone(), i64::from(*source.state == State::Synced));
            if let Some(at) = known.since.heard(&source, now) {
                heard.insert(labels.clone(), epoch_seconds(at));
            }
            refused.insert(labels, 0);
        }
        for refusal in known.cluster.refusals() {
            let labels = vec![("kind", refusal.kind.to_string())];
            *refused.entry(labels).or_default() += 1;
        }
        set(&self.objects, objects);
        set(&self.source_synced, synced);
        set(&self.source_heard, heard);
        set(&self.refused, refused);
    }
}

fn epoch_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// What is not there any more goes.
fn set(gauges: &Gauges, values: BTreeMap<Labels, i64>) {
    gauges.clear();
    for (labels, value) in values {
        gauges.get_or_create(&labels).set(value);
    }
}
