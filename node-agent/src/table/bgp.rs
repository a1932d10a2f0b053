//! Neighbours and paths for people.

use super::{aligned, dash, list, node, paragraph, row};
use crate::status::{BgpStatus, Peers, Rib, state_word};
use gingham_bgp::rib::{Loss, Refusal, Standing};
use gingham_bgp::speaker::report::{NegotiatedReport, PathReport, PeerReport, PrefixReport};
use gingham_model::Family;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;

/// The neighbours: a line for each, or for each family where there are several.
pub fn peers(peers: &Peers) -> String {
    let mut rows = vec![row(&[
        "PEER",
        "ADDRESS",
        "NODE",
        "AS",
        "STATE",
        "UP",
        "FAMILY",
        "RECEIVED",
        "ACCEPTED",
        "TOLD",
        "LAST ERROR",
    ])];
    for peer in &peers.peers {
        let mut cells = [
            peer.name.clone(),
            peer.address.to_string(),
            node(peer.node.as_ref()),
            peer.asn.to_string(),
            state_word(peer.state).to_owned(),
            up(peer),
        ];
        let mut error = dash(peer.last_error.clone().unwrap_or_default());
        for family in families(peer) {
            rows.push([&cells[..], &family, std::slice::from_ref(&error)].concat());
            // Said once.
            (cells, error) = (<[String; 6]>::default(), String::new());
        }
    }
    aligned(&rows)
}

/// Family, received, accepted, told; one line of dashes where nothing is exchanged.
fn families(peer: &PeerReport) -> Vec<[String; 4]> {
    let all = peer.families.iter();
    let mut lines: Vec<[String; 4]> = all
        .map(|(family, report)| {
            let counts = [report.received, report.accepted, report.told].map(|n| n.to_string());
            let [received, accepted, told] = counts;
            [family.to_string(), received, accepted, told]
        })
        .collect();
    if lines.is_empty() {
        lines.push(["-"; 4].map(str::to_owned));
    }
    lines
}

fn up(peer: &PeerReport) -> String {
    peer.up_seconds.map_or_else(|| "-".to_owned(), span)
}

/// A length of time in its two greatest units: `42s`, `3m12s`, `5h3m`, `2d4h`.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A neighbour in full.
pub fn peer(peer: &PeerReport) -> String {
    let counters = &peer.counters;
    let mut text = aligned(&[
        row(&["Peer", &peer.name]),
        row(&["Address", &peer.address.to_string()]),
        row(&["Node", &node(peer.node.as_ref())]),
        row(&["AS", &format!("{} ({})", peer.asn, word(&peer.kind))]),
        row(&["State", state_word(peer.state)]),
        row(&["Up", &up(peer)]),
        row(&["Router id", &optional(peer.router_id.as_ref())]),
        row(&["Last error", &optional(peer.last_error.as_ref())]),
        row(&[
            "Sessions",
            &format!(
                "{} established, {} lost",
                counters.established, counters.lost
            ),
        ]),
        row(&[
            "Messages",
            &format!(
                "{} received, {} of them UPDATEs; {} sent and UPDATEs besides, {} octets in all",
                counters.messages_in,
                counters.updates_in,
                counters.messages_out,
                counters.octets_out
            ),
        ]),
    ]);
    if let Some(negotiated) = &peer.negotiated {
        paragraph(&mut text, &agreed(negotiated));
    }
    if !peer.families.is_empty() {
        let mut rows = vec![row(&[
            "FAMILY",
            "RECEIVED",
            "ACCEPTED",
            "STALE",
            "TOLD",
            "END-OF-RIB",
        ])];
        rows.extend(peer.families.iter().map(|(family, report)| {
            let counts = [report.received, report.accepted, report.stale, report.told];
            let counts = counts.map(|count| count.to_string());
            let ended = if report.end_of_rib { "come" } else { "awaited" };
            [&[family.to_string()], &counts[..], &[ended.to_owned()]].concat()
        }));
        paragraph(&mut text, &aligned(&rows));
    }
    let refused = peer.families.iter().flat_map(|(family, report)| {
        let refused = report.refused.iter();
        refused.map(move |(reason, paths)| format!("{paths} {family}: {reason}"))
    });
    list(&mut text, "Refused now", &refused.collect::<Vec<_>>());
    list(&mut text, "Refused in all", &counted(&counters.refused));
    list(
        &mut text,
        "Malformed attributes survived",
        &counted(&counters.faults),
    );
    text
}

fn counted(counts: &BTreeMap<String, u64>) -> Vec<String> {
    counts
        .iter()
        .map(|(reason, count)| format!("{count}: {reason}"))
        .collect()
}

/// What both ends agreed upon.
fn agreed(negotiated: &NegotiatedReport) -> String {
    let NegotiatedReport {
        hold_seconds,
        max_message,
        refresh,
        graceful_restart,
        notification_restart,
        long_lived_seconds,
        add_path_in,
        add_path_out,
        capabilities,
    } = negotiated;
    let long_lived = long_lived_seconds.iter();
    let long_lived = long_lived.map(|(family, seconds)| format!("{family} {seconds} s"));
    let hold = match hold_seconds {
        0 => "none".to_owned(),
        seconds => format!("{seconds} s"),
    };
    let kept = match (graceful_restart.is_empty(), notification_restart) {
        (true, _) => "-".to_owned(),
        (false, true) => format!("{}, also after a NOTIFICATION", joined(graceful_restart)),
        (false, false) => joined(graceful_restart),
    };
    aligned(&[
        row(&["Hold time", &hold]),
        row(&["Graceful restart", &kept]),
        row(&["Long-lived stale", &joined(long_lived)]),
        row(&["Add-Path received", &joined(add_path_in)]),
        row(&["Add-Path sent", &joined(add_path_out)]),
        row(&["Route refresh", &word(refresh)]),
        row(&["Longest message", &format!("{max_message} octets")]),
        row(&["Capabilities", &joined(capabilities)]),
    ])
}

fn joined(values: impl IntoIterator<Item: Display>) -> String {
    let values = values.into_iter().map(|value| value.to_string());
    dash(values.collect::<Vec<_>>().join(", "))
}

fn optional(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// The word a value has in the documents.
fn word(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// All prefixes, one a line.
pub fn rib(rib: &Rib) -> String {
    let mut rows = vec![row(&["PREFIX", "NEXT HOPS", "FROM", "AS PATH", "PATHS"])];
    rows.extend(rib.prefixes.iter().map(|line| {
        vec![
            line.prefix.to_string(),
            joined(&line.next_hops),
            joined(&line.peers),
            dash(line.as_path.clone()),
            line.paths.to_string(),
        ]
    }));
    aligned(&rows)
}

/// Every path to a prefix, the best first, and why each stands where it does.
pub fn paths(report: &PrefixReport) -> String {
    let prefix = report.prefix;
    if report.paths.is_empty() {
        return format!("no path to {prefix} is held\n");
    }
    let mut rows = vec![row(&[
        "FROM",
        "ID",
        "NEXT HOP",
        "AS PATH",
        "LOCAL PREF",
        "MED",
        "PROVENANCE",
        "FRESHNESS",
        "STANDING",
    ])];
    let ranked = report.paths.iter().enumerate();
    rows.extend(ranked.map(|(place, path)| {
        let attributes = &path.attributes;
        vec![
            path.peer.clone(),
            path.path_id.to_string(),
            attributes.next_hop.to_string(),
            dash(attributes.as_path.clone()),
            optional(attributes.local_pref.as_ref()),
            optional(attributes.med.as_ref()),
            word(&path.provenance),
            word(&path.freshness),
            standing(path, &report.paths[place + 1..]),
        ]
    }));
    format!("{prefix}\n{}", aligned(&rows))
}

/// How a path stands, in words; `worse` are those behind it.
fn standing(path: &PathReport, worse: &[PathReport]) -> String {
    match &path.standing {
        Standing::Best => format!("best: {}", won(worse)),
        Standing::Multipath(loss) => format!("shares the load; behind the best by {}", lost(loss)),
        Standing::Lost(loss) => format!("lost at {}", lost(loss)),
        Standing::Unreachable => "not used: its next hop cannot be reached".to_owned(),
        Standing::Refused(refusal) => format!("refused: {}", refused(refusal)),
    }
}

/// Why the best is: the step at which the next one lost.
fn won(worse: &[PathReport]) -> String {
    match worse.first().map(|path| &path.standing) {
        None => "the only path".to_owned(),
        Some(Standing::Lost(loss) | Standing::Multipath(loss)) => {
            format!("the next one lost at {}", step(loss))
        }
        Some(_) => "the only path that can be used".to_owned(),
    }
}

/// The step of the decision.
fn step(loss: &Loss) -> &'static str {
    match loss {
        Loss::LongLivedStale => "long-lived stale",
        Loss::LocalPref { .. } => "LOCAL_PREF",
        Loss::LocalOrigin => "local origin",
        Loss::AsPathHops { .. } => "AS path length",
        Loss::Origin { .. } => "ORIGIN",
        Loss::Med { .. } => "MED",
        Loss::ExternalPreferred => "external over internal",
        Loss::Cost { .. } => "cost of the next hop",
        Loss::RouterId { .. } => "router id",
        Loss::ClusterListLength { .. } => "cluster list length",
        Loss::PeerAddress { .. } => "peer address",
        Loss::PathId { .. } => "path id",
    }
}

/// The step at which a path lost, with both values.
fn lost(loss: &Loss) -> String {
    let values = match loss {
        Loss::LongLivedStale => return format!("{}: the best is not", step(loss)),
        Loss::LocalOrigin => return format!("{}: the best is from here", step(loss)),
        Loss::ExternalPreferred => return format!("{}: the best is external", step(loss)),
        Loss::LocalPref { ours, best } | Loss::Med { ours, best } => {
            [ours, best].map(u32::to_string)
        }
        Loss::Cost { ours, best } | Loss::PathId { ours, best } => [ours, best].map(u32::to_string),
        Loss::AsPathHops { ours, best } => [ours, best].map(usize::to_string),
        Loss::ClusterListLength { ours, best } => [ours, best].map(usize::to_string),
        Loss::Origin { ours, best } => [word(ours), word(best)],
        Loss::RouterId { ours, best } => [ours.to_string(), best.to_string()],
        Loss::PeerAddress { ours, best } => [ours.to_string(), best.to_string()],
    };
    let [ours, best] = values;
    format!("{}: {ours}, best has {best}", step(loss))
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AsLoop => "our AS is in the path".to_owned(),
        Refusal::OwnOriginator => "it began here".to_owned(),
        Refusal::ClusterLoop => "our cluster is in the list".to_owned(),
        Refusal::FirstAs => "the path does not begin with the peer's AS".to_owned(),
        Refusal::NextHop => "the next hop is ours, or none".to_owned(),
        Refusal::NotItsBlock => "the prefix lies in no Block of that node".to_owned(),
        Refusal::NotItsNextHop => "the next hop is no address of that node".to_owned(),
        Refusal::ZoneBlock => "a Block of the zone, which only its node may announce".to_owned(),
        Refusal::OwnBlock => "inside a Block of this node".to_owned(),
        Refusal::NoFilter => "no import filter for an external peer".to_owned(),
        Refusal::Filter(Some(rule)) => format!("by rule {rule:?}"),
        Refusal::Filter(None) => "no rule accepts it".to_owned(),
    }
}

/// BGP in the status; nothing of an agent that does not know it.
pub(super) fn section(bgp: &BgpStatus) -> String {
    if bgp.part.is_empty() {
        return String::new();
    }
    let by_family = |counts: &BTreeMap<Family, usize>| {
        joined(
            counts
                .iter()
                .map(|(family, count)| format!("{count} {family}")),
        )
    };
    let sessions = bgp
        .sessions
        .map(|s| format!("{} of {} established", s.established, s.all));
    let mut rows = vec![row(&["BGP", &bgp.part])];
    let known = [
        ("AS", bgp.asn.map(|asn| asn.to_string())),
        ("Router id", bgp.router_id.map(|id| id.to_string())),
        ("Cluster id", bgp.cluster_id.map(|id| id.to_string())),
        ("Sessions", sessions),
        (
            "Learned",
            (!bgp.learned.is_empty()).then(|| by_family(&bgp.learned)),
        ),
    ];
    for (name, value) in known {
        rows.extend(value.map(|value| row(&[name, &value])));
    }
    rows.extend(
        bgp.pending
            .iter()
            .map(|(family, why)| row(&[&format!("{family} pending"), why])),
    );
    aligned(&rows)
}

#[cfg(test)]
mod tests;
