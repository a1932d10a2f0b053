//! A zone whose blocks change hands: what peers may say follows, and nothing else does.

use super::lab::{Lab, open};
use crate::session::ConnectionId;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Peers by the last octet of their address: nodes out of a range, another reflector, a core, and one
/// that may say everything.
const FELLOW: u8 = 4;
const CORE: u8 = 5;
const PEERS: [u8; 6] = [9, 10, 11, FELLOW, CORE, 6];

fn yaml(territory: &str) -> String {
    format!(
        "{{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'], filters: {{
            all: {{otherwise: accept}},
            nodes: {{rules: [{{name: outside, provenance: [outside], then: accept}}]}},
            cores: {{rules: [{{name: not nine, originNodes: [n9], then: reject}}], otherwise: accept}}}},
        neighbours: [
            {{name: fellow, address: 10.0.0.{FELLOW}, asn: 64512, connect: passive, scope: fellow}},
            {{name: core, address: 10.0.0.{CORE}, asn: 64512, connect: passive, role: client, scope: outside,
                export: cores}},
            {{name: any, address: 10.0.0.6, asn: 64512, connect: passive}}],
        ranges: [{{name: nodes, prefix: 10.0.0.8/29, asn: 64512, role: client, scope: node, export: nodes}}],
        announce: [{{prefix: 10.64.1.0/24}}],
        territory: {{node: n1, blocks: {{{territory}}}}}}}"
    )
}

/// Blocks of these nodes, whose address is that of their number.
fn blocks(of: &[(&str, u8)]) -> String {
    let one = |(block, node): &(&str, u8)| {
        format!("{block}: {{node: n{node}, addresses: [10.0.0.{node}]}}")
    };
    of.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn zone() -> String {
    blocks(&[
        ("10.64.1.0/24", 1),
        ("10.64.4.0/24", 4),
        ("10.64.9.0/24", 9),
    ])
}

fn lab(territory: &str) -> (Lab, BTreeMap<u8, ConnectionId>) {
    let mut lab = Lab::new(&yaml(territory));
    let peers = PEERS.map(|it| (it, lab.peer(&format!("10.0.0.{it}"), open(64512, it))));
    (lab, BTreeMap::from(peers))
}

#[test]
fn peers_are_believed_as_far_as_their_scope_goes() {
    let (mut lab, peers) = lab(&zone());
    let all = [
        "10.64.9.0/24",
        "10.64.9.64/26",
        "10.64.1.8/32",
        "10.64.0.0/16",
    ];
    lab.announce(peers[&9], &all);
    lab.announce(peers[&CORE], &all);
    lab.announce(
        peers[&FELLOW],
        &["10.64.4.0/24", "10.64.9.0/24", "10.80.0.0/16"],
    );
    lab.announce_as(peers[&9], &["10.64.9.128/25"], |it| {
        it.next_hop = [10, 0, 0, 10].into()
    });
    let mut table = lab.table();
    table.sort();
    assert_eq!(
        table,
        [
            "10.64.0.0/16 from core via 10.0.0.5",
            "10.64.0.0/16 from nodes/10.0.0.9 via 10.0.0.9, NotItsBlock",
            "10.64.1.8/32 from core via 10.0.0.5, OwnBlock",
            "10.64.1.8/32 from nodes/10.0.0.9 via 10.0.0.9, NotItsBlock",
            "10.64.4.0/24 from fellow via 10.0.0.4",
            "10.64.9.0/24 from core via 10.0.0.5, ZoneBlock",
            "10.64.9.0/24 from fellow via 10.0.0.4, NotItsBlock",
            "10.64.9.0/24 from nodes/10.0.0.9 via 10.0.0.9",
            "10.64.9.128/25 from nodes/10.0.0.9 via 10.0.0.10, NotItsNextHop",
            "10.64.9.64/26 from core via 10.0.0.5, ZoneBlock",
            "10.64.9.64/26 from nodes/10.0.0.9 via 10.0.0.9",
            "10.80.0.0/16 from fellow via 10.0.0.4",
        ]
    );
    let told = lab.heard(peers[&10]);
    assert_eq!(
        told,
        ["10.64.0.0/16", "10.80.0.0/16"],
        "what is from outside"
    );
}

#[test]
fn refusals_are_counted_by_reason_and_what_is_refused_now_is_told() {
    let (mut lab, peers) = lab(&zone());
    for _ in 0..2 {
        lab.announce(peers[&9], &["10.64.1.0/24", "10.64.4.0/24", "10.64.9.0/24"]);
    }
    lab.withdraw(peers[&9], &["10.64.1.0/24"]);
    let reports = lab.core.report_peers(crate::Moment::START);
    let nine = reports
        .iter()
        .find(|it| it.name == "nodes/10.0.0.9")
        .unwrap();
    assert_eq!(nine.node.as_ref().map(|node| node.as_str()), Some("n9"));
    assert_eq!(
        nine.counters.refused,
        BTreeMap::from([("notItsBlock".to_owned(), 4)])
    );
    let family = &nine.families[&gingham_model::Family::V4];
    assert_eq!(
        family.refused,
        BTreeMap::from([("notItsBlock".to_owned(), 1)])
    );
    assert_eq!((family.received, family.accepted), (2, 1));
}

#[test]
fn a_block_that_changes_hands_takes_its_paths_along() {
    let (mut lab, peers) = lab(&zone());
    lab.announce(peers[&9], &["10.64.9.0/24"]);
    lab.announce(peers[&10], &["10.64.9.0/24"]);
    let by = |node: u8| format!("10.64.9.0/24 from nodes/10.0.0.{node} via 10.0.0.{node}");
    assert_eq!(lab.table(), [by(9), format!("{}, NotItsBlock", by(10))]);
    let told = lab.heard(peers[&CORE]);
    assert!(
        told.is_empty(),
        "the path of node nine goes to no core: {told:?}"
    );
    lab.configure(&yaml(&blocks(&[("10.64.1.0/24", 1), ("10.64.9.0/24", 10)])));
    assert_eq!(lab.table(), [by(10), format!("{}, NotItsBlock", by(9))]);
    assert_eq!(lab.heard(peers[&CORE]), ["10.64.9.0/24"]);
    assert!(peers.values().all(|peer| lab.is_open(*peer)));
}

#[test]
fn what_no_block_that_changed_concerns_is_not_asked_for_again() {
    let (mut lab, peers) = lab(&zone());
    lab.announce(peers[&9], &["10.64.9.0/24", "10.64.4.0/24"]);
    lab.announce(peers[&CORE], &["10.64.10.0/24", "10.80.0.0/16"]);
    // A filter that was swapped under the speaker shows who is asked.
    let all = crate::policy::FilterName("all".into());
    let nobody = crate::policy::Filter {
        rules: vec![],
        otherwise: crate::policy::Verdict::Reject,
        next: None,
    };
    lab.core.config.filters.insert(all.clone(), nobody);
    for peer in lab.core.peers.values_mut() {
        peer.settings.import = Some(all.clone());
    }
    let mut config = lab.core.config.clone();
    let holder = config.territory.blocks.values().next().unwrap().clone();
    Arc::make_mut(&mut config.territory)
        .blocks
        .insert("10.64.10.0/24".parse().unwrap(), holder);
    lab.core.configure(crate::Moment::START, config);
    lab.settle();
    let mut table = lab.table();
    table.sort();
    assert_eq!(
        table,
        [
            "10.64.10.0/24 from core via 10.0.0.5, OwnBlock",
            "10.64.4.0/24 from nodes/10.0.0.9 via 10.0.0.9, NotItsBlock",
            "10.64.9.0/24 from nodes/10.0.0.9 via 10.0.0.9",
            "10.80.0.0/16 from core via 10.0.0.5",
        ]
    );
}

#[derive(Clone, Debug)]
enum Step {
    Announce(u8, &'static str, u8),
    Withdraw(u8, &'static str),
    Territory(Vec<(&'static str, u8)>),
}

fn territory() -> impl Strategy<Value = Vec<(&'static str, u8)>> {
    let who = || prop::option::of(select(vec![1, FELLOW, 9, 10, 11]));
    let whole =
        (who(), who()).prop_map(|(one, two)| vec![("10.64.1.0/24", one), ("10.64.2.0/24", two)]);
    let halves = (who(), who(), who()).prop_map(|(one, low, high)| {
        vec![
            ("10.64.1.0/24", one),
            ("10.64.2.0/25", low),
            ("10.64.2.128/25", high),
        ]
    });
    prop_oneof![whole, halves].prop_map(|blocks| {
        let held = blocks
            .into_iter()
            .filter_map(|(block, who)| Some((block, who?)));
        held.collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let peer = || select(&PEERS[..]);
    let prefix = || {
        select(vec![
            "10.64.0.0/16",
            "10.64.1.0/24",
            "10.64.1.0/26",
            "10.64.2.0/24",
            "10.64.2.0/25",
            "10.64.2.128/25",
            "10.80.0.0/16",
        ])
    };
    let next_hop = select(vec![9, 10, FELLOW, CORE]);
    prop_oneof![
        4 => (peer(), prefix(), prop::option::of(next_hop))
            .prop_map(|(peer, prefix, hop)| Step::Announce(peer, prefix, hop.unwrap_or(peer))),
        1 => (peer(), prefix()).prop_map(|(peer, prefix)| Step::Withdraw(peer, prefix)),
        2 => territory().prop_map(Step::Territory),
    ]
}

fn say(lab: &mut Lab, peer: ConnectionId, (prefix, next_hop): (&str, u8)) {
    lab.announce_as(peer, &[prefix], |it| {
        it.next_hop = [10, 0, 0, next_hop].into()
    });
}

/// All that can be known of a speaker: every path and how it stands, whose it is, what everybody is told.
fn known(lab: &mut Lab) -> Vec<String> {
    let rib = serde_json::to_string_pretty(&lab.core.report_rib(None)).unwrap();
    let mut known: Vec<String> = rib.lines().map(str::to_owned).collect();
    for (id, peer) in &lab.core.peers {
        let mut paths: Vec<_> = lab.core.rib.of_peer(*id).collect();
        paths.sort_by_key(|(prefix, _)| *prefix);
        let whose = paths.iter().map(|(prefix, path)| {
            format!(
                "{} {prefix} {:?} {:?}",
                peer.name, path.source.node, path.provenance
            )
        });
        known.extend(whose);
    }
    let names: Vec<String> = lab
        .core
        .peers
        .values()
        .map(|peer| peer.name.clone())
        .collect();
    for name in names {
        let told = serde_json::to_string(&lab.core.report_told(&name).unwrap()).unwrap();
        known.push(format!("{name} is told {told}"));
    }
    known
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_territory_that_changed_is_as_good_as_one_from_the_start(
        first in territory(), steps in prop::collection::vec(step(), 1..30),
    ) {
        let (mut changed, peers) = lab(&blocks(&first));
        let mut last = first;
        let mut said: BTreeMap<(u8, &str), u8> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Announce(peer, prefix, next_hop) => {
                    said.insert((peer, prefix), next_hop);
                    say(&mut changed, peers[&peer], (prefix, next_hop));
                }
                Step::Withdraw(peer, prefix) => {
                    said.remove(&(peer, prefix));
                    changed.withdraw(peers[&peer], &[prefix]);
                }
                Step::Territory(territory) => {
                    changed.configure(&yaml(&blocks(&territory)));
                    last = territory;
                }
            }
            let (mut fresh, peers) = lab(&blocks(&last));
            for ((peer, prefix), next_hop) in &said {
                say(&mut fresh, peers[peer], (prefix, *next_hop));
            }
            prop_assert_eq!(known(&mut changed), known(&mut fresh));
        }
        prop_assert!(peers.values().all(|peer| changed.is_open(*peer)));
    }
}
