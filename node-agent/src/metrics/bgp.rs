//! BGP for Prometheus: what the speaker says of its neighbours when somebody scrapes.
//!
//! A reflector of a large zone has more than a thousand peers out of one range. So a series is of a
//! configured neighbour, or of all peers of a range together; the label `peer` is the name of either.

use super::{Counters, Gauges, Labels, set};
use crate::status::{BgpStatus, STATES, state_word};
use gingham_bgp::session::State;
use gingham_bgp::speaker::report::{self, PeerReport};
use gingham_model::Family as IpFamily;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One number of what is exchanged in a family.
type CountOf = fn(&report::FamilyReport) -> usize;

/// The BGP part of the metrics. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    speaker_up: Gauge,
    sessions: Gauges,
    session_up: Gauges,
    paths_received: Gauges,
    paths_accepted: Gauges,
    paths_stale: Gauges,
    paths_told: Gauges,
    learned_prefixes: Gauges,
    families_pending: Gauges,
    sessions_established: Counters,
    sessions_lost: Counters,
    messages_received: Counters,
    updates_received: Counters,
    messages_sent: Counters,
    sent_bytes: Counters,
    paths_refused: Counters,
    attribute_faults: Counters,
    /// What was counted of each peer at the scrape before.
    before: Arc<Mutex<BTreeMap<String, report::Counters>>>,
}

impl Metrics {
    pub(super) fn register(&self, to: &mut Registry) {
        let up = "Whether a BGP speaker runs and answered this scrape";
        to.register("speaker_up", up, self.speaker_up.clone());
        for (name, help, gauges) in [
            (
                "sessions",
                "Sessions by state, those of ranges included",
                &self.sessions,
            ),
            (
                "session_up",
                "Whether the session with a configured neighbour is established",
                &self.session_up,
            ),
            (
                "paths_received",
                "Paths held of a peer, refused ones included",
                &self.paths_received,
            ),
            (
                "paths_accepted",
                "Paths of a peer that import took",
                &self.paths_accepted,
            ),
            (
                "paths_stale",
                "Paths held that their peer does not stand by at the moment",
                &self.paths_stale,
            ),
            ("paths_told", "Paths a peer is told", &self.paths_told),
            (
                "learned_prefixes",
                "Prefixes learned for the kernel",
                &self.learned_prefixes,
            ),
            (
                "families_pending",
                "Whether not everything of a family has been heard yet, so that nothing learned goes",
                &self.families_pending,
            ),
        ] {
            to.register(name, help, gauges.clone());
        }
        for (name, help, counters) in [
            (
                "sessions_established",
                "Times a session was established",
                &self.sessions_established,
            ),
            (
                "sessions_lost",
                "Times a session was lost",
                &self.sessions_lost,
            ),
            (
                "messages_received",
                "Messages received, of all kinds",
                &self.messages_received,
            ),
            (
                "updates_received",
                "UPDATE messages received",
                &self.updates_received,
            ),
            (
                "messages_sent",
                "Messages sent but for UPDATEs",
                &self.messages_sent,
            ),
            (
                "paths_refused",
                "Paths that import kept out, by reason",
                &self.paths_refused,
            ),
            (
                "attribute_faults",
                "Malformed attributes survived, by what was done (RFC 7606)",
                &self.attribute_faults,
            ),
        ] {
            to.register(name, help, counters.clone());
        }
        to.register_with_unit(
            "sent",
            "Octets written",
            Unit::Bytes,
            self.sent_bytes.clone(),
        );
    }

    /// Fills in what is known now; without `peers` the speaker did not answer.
    pub(super) fn fill(&self, status: &BgpStatus, peers: Option<&[PeerReport]>) {
        self.speaker_up.set(i64::from(peers.is_some()));
        let learned = |family| status.learned.get(&family).map_or(0, |count| *count as i64);
        set(&self.learned_prefixes, by_family(learned));
        let pending = |family| i64::from(status.pending.contains_key(&family));
        set(&self.families_pending, by_family(pending));
        // What was counted before a speaker that is silent for once is still counted after.
        if let Some(peers) = peers {
            self.count(peers);
        }
        let peers = peers.unwrap_or_default();
        self.sessions(peers);
        self.paths(peers);
    }

    fn sessions(&self, peers: &[PeerReport]) {
        let labels = |state| vec![("state", state_word(state).to_owned())];
        // A state without a session is not absent.
        let none = STATES.into_iter().map(|state| (labels(state), 0));
        let mut sessions: BTreeMap<Labels, i64> = none.collect();
        let mut up = BTreeMap::new();
        for peer in peers {
            *sessions.entry(labels(peer.state)).or_default() += 1;
            if !is_of_range(peer) {
                let established = peer.state == State::Established;
                up.insert(vec![("peer", peer.name.clone())], i64::from(established));
            }
        }
        set(&self.sessions, sessions);
        set(&self.session_up, up);
    }

    fn paths(&self, peers: &[PeerReport]) {
        let values: [(&Gauges, CountOf); 4] = [
            (&self.paths_received, |family| family.received),
            (&self.paths_accepted, |family| family.accepted),
            (&self.paths_stale, |family| family.stale),
            (&self.paths_told, |family| family.told),
        ];
        for (gauges, value) in values {
            let mut sums: BTreeMap<Labels, i64> = BTreeMap::new();
            for peer in peers {
                for (family, report) in &peer.families {
                    let labels = [vec![("peer", group(peer))], of_family(*family)].concat();
                    *sums.entry(labels).or_default() += value(report) as i64;
                }
            }
            set(gauges, sums);
        }
    }

    /// Adds what was counted since the scrape before. The counters of a peer begin anew with it, and
    /// go with it; ours only grow.
    fn count(&self, peers: &[PeerReport]) {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = report::Counters::default();
        for peer in peers {
            let now = &peer.counters;
            let then = before.get(&peer.name).unwrap_or(&nothing);
            let grown = |of: fn(&report::Counters) -> u64| grown(of(then), of(now));
            let labels = vec![("peer", group(peer))];
            let values = [
                (&self.sessions_established, grown(|c| c.established)),
                (&self.sessions_lost, grown(|c| c.lost)),
                (&self.messages_received, grown(|c| c.messages_in)),
                (&self.updates_received, grown(|c| c.updates_in)),
                (&self.messages_sent, grown(|c| c.messages_out)),
                (&self.sent_bytes, grown(|c| c.octets_out)),
            ];
            for (counters, more) in values {
                counters.get_or_create(&labels).inc_by(more);
            }
            let reasons = [
                (&self.paths_refused, "reason", &now.refused, &then.refused),
                (
                    &self.attribute_faults,
                    "disposition",
                    &now.faults,
                    &then.faults,
                ),
            ];
            for (counters, label, now, then) in reasons {
                for (reason, count) in now {
                    let then = then.get(reason).copied().unwrap_or_default();
                    let labels = vec![("peer", group(peer)), (label, reason.clone())];
                    let counter = counters.get_or_create(&labels);
                    counter.inc_by(self::grown(then, *count));
                }
            }
        }
        *before = peers
            .iter()
            .map(|peer| (peer.name.clone(), peer.counters.clone()))
            .collect();
    }
}

/// How much a counter has grown; one that is less than before began anew.
fn grown(then: u64, now: u64) -> u64 {
    now.checked_sub(then).unwrap_or(now)
}

/// A value for each family.
fn by_family(value: impl Fn(IpFamily) -> i64) -> BTreeMap<Labels, i64> {
    let all = IpFamily::ALL.into_iter();
    all.map(|family| (of_family(family), value(family)))
        .collect()
}

fn of_family(family: IpFamily) -> Labels {
    vec![("family", family.to_string())]
}

/// Peers of a range are called `RANGE/ADDRESS`, and no neighbour's name has a slash.
fn is_of_range(peer: &PeerReport) -> bool {
    peer.name.contains('/')
}

/// The name of a neighbour, or of a peer's range.
fn group(peer: &PeerReport) -> String {
    let name = peer.name.split('/').next();
    name.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
