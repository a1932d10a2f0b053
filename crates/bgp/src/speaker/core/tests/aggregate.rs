//! Aggregates: announced as long as a part of them is held from a node of the zone, and no longer.

use super::lab::{Lab, long_lived, open};
use crate::rib::Provenance;
use crate::session::ConnectionId;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

const AGGREGATES: [&str; 2] = ["10.64.0.0/16", "10.64.8.0/21"];
const NODES: [u8; 3] = [9, 10, 11];

/// Aggregates, and nodes that hold the block of their number, but for one.
fn yaml(aggregates: &[&str], without: Option<u8>) -> String {
    let announced = aggregates
        .iter()
        .map(|it| format!("{{prefix: {it}, when: contributed, med: 3}}"));
    let announced: Vec<String> = announced.collect();
    let held = NODES.iter().filter(|node| Some(**node) != without);
    let blocks =
        held.map(|it| format!("10.64.{it}.0/24: {{node: n{it}, addresses: [10.0.0.{it}]}}"));
    let blocks: Vec<String> = blocks.collect();
    format!(
        "{{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'],
        gracefulRestart: {{longLivedStaleSeconds: 500, stalePathSeconds: 60}},
        neighbours: [{{name: core, address: 10.0.0.5, asn: 64512, connect: passive, role: client, scope: outside}}],
        ranges: [{{name: nodes, prefix: 10.0.0.8/29, asn: 64512, role: client, scope: node}}],
        announce: [{{prefix: 10.64.1.0/24}}, {}],
        territory: {{node: n1, blocks: {{10.64.1.0/24: {{node: n1, addresses: [10.0.0.1]}}, {}}}}}}}",
        announced.join(", "),
        blocks.join(", "),
    )
}

fn node(lab: &mut Lab, node: u8, forwarding: bool) -> ConnectionId {
    lab.peer(
        &format!("10.0.0.{node}"),
        long_lived(64512, node, forwarding),
    )
}

#[test]
fn an_aggregate_comes_with_its_first_part_and_goes_with_its_last() {
    let mut lab = Lab::new(&yaml(&AGGREGATES[..1], None));
    let core = lab.peer("10.0.0.5", open(64512, 5));
    let nine = node(&mut lab, 9, false);
    let ten = node(&mut lab, 10, false);
    lab.announce(core, &["10.64.77.0/24"]);
    lab.announce(nine, &["10.64.10.0/24"]);
    let told = lab.heard(core);
    assert!(
        told.is_empty(),
        "neither ours nor one from outside nor one refused is a part: {told:?}"
    );
    lab.announce(nine, &["10.64.9.0/24"]);
    assert_eq!(lab.heard(core), ["10.64.0.0/16", "10.64.9.0/24"]);
    lab.announce(ten, &["10.64.10.0/24"]);
    lab.withdraw(nine, &["10.64.9.0/24"]);
    assert_eq!(lab.heard(core), ["10.64.10.0/24", "not 10.64.9.0/24"]);
    lab.withdraw(ten, &["10.64.10.0/24"]);
    let mut told = lab.heard(core);
    told.sort();
    assert_eq!(told, ["not 10.64.0.0/16", "not 10.64.10.0/24"]);
}

#[test]
fn a_block_that_is_all_of_an_aggregate_is_a_part_of_it() {
    let mut lab = Lab::new(&yaml(&["10.64.9.0/24"], None));
    let nine = node(&mut lab, 9, false);
    lab.announce(nine, &["10.64.9.0/24"]);
    let own = |lab: &Lab| {
        let best = lab.core.rib.select("10.64.9.0/24".parse().unwrap());
        best.best()
            .is_some_and(|best| best.provenance == Provenance::Own)
    };
    assert!(own(&lab));
    lab.withdraw(nine, &["10.64.9.0/24"]);
    assert!(!own(&lab));
}

#[test]
fn a_part_may_be_stale_or_long_lived_stale() {
    let mut lab = Lab::new(&yaml(&AGGREGATES[..1], None));
    let core = lab.peer("10.0.0.5", long_lived(64512, 5, true));
    let nine = node(&mut lab, 9, false);
    lab.announce(nine, &["10.64.9.0/24"]);
    lab.heard(core);
    lab.lose(nine);
    lab.pass(599);
    let told = lab.heard(core);
    assert_eq!(
        told,
        ["10.64.9.0/24 with llgr-stale"],
        "the aggregate itself is as good as ever"
    );
    lab.pass(2);
    let mut told = lab.heard(core);
    told.sort();
    assert_eq!(told, ["not 10.64.0.0/16", "not 10.64.9.0/24"]);
}

#[derive(Clone, Debug)]
enum Step {
    Announce(u8, &'static str),
    Withdraw(u8, &'static str),
    Lose(u8),
    /// A node is back, with its forwarding state or without.
    Return(u8, bool),
    EndOfRib(u8),
    Pass(u64),
    Configure(Vec<&'static str>, Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || select(&NODES[..]);
    let prefix = || {
        select(vec![
            "10.64.9.0/24",
            "10.64.10.0/24",
            "10.64.10.64/26",
            "10.64.11.0/24",
            "10.65.0.0/24",
        ])
    };
    let aggregates = prop::sample::subsequence(AGGREGATES.to_vec(), 0..=2);
    prop_oneof![
        6 => (node(), prefix()).prop_map(|(node, prefix)| Step::Announce(node, prefix)),
        2 => (node(), prefix()).prop_map(|(node, prefix)| Step::Withdraw(node, prefix)),
        2 => node().prop_map(Step::Lose),
        2 => (node(), any::<bool>()).prop_map(|(node, kept)| Step::Return(node, kept)),
        1 => node().prop_map(Step::EndOfRib),
        1 => (0..700u64).prop_map(Step::Pass),
        2 => (aggregates, prop::option::of(node())).prop_map(|(aggregates, without)| Step::Configure(aggregates, without)),
    ]
}

struct Trial {
    lab: Lab,
    up: BTreeMap<u8, ConnectionId>,
    aggregates: Vec<&'static str>,
}

impl Trial {
    fn step(&mut self, step: Step) {
        let Trial { lab, up, .. } = self;
        match step {
            Step::Announce(it, prefix) => {
                if let Some(peer) = up.get(&it) {
                    lab.announce(*peer, &[prefix]);
                }
            }
            Step::Withdraw(it, prefix) => {
                if let Some(peer) = up.get(&it) {
                    lab.withdraw(*peer, &[prefix]);
                }
            }
            Step::Lose(it) => {
                if let Some(peer) = up.remove(&it) {
                    lab.lose(peer);
                }
            }
            Step::Return(it, forwarding) => {
                up.entry(it).or_insert_with(|| node(lab, it, forwarding));
            }
            Step::EndOfRib(it) => {
                if let Some(peer) = up.get(&it) {
                    lab.end_of_rib(*peer);
                }
            }
            Step::Pass(seconds) => lab.pass(seconds),
            Step::Configure(aggregates, without) => {
                lab.configure(&yaml(&aggregates, without));
                self.aggregates = aggregates;
            }
        }
    }

    /// What the core is told of aggregates.
    fn told(&mut self) -> Vec<String> {
        let told = self.lab.core.report_told("core").unwrap();
        let told = told.iter().map(|it| it.prefix.to_string());
        told.filter(|it| AGGREGATES.contains(&it.as_str()))
            .collect()
    }

    /// What it ought to be told, by what is held.
    fn expected(&self) -> Vec<String> {
        let held = self.lab.table();
        let part = |line: &&String, aggregate: &str| {
            let prefix = line.split(' ').next().unwrap().parse().unwrap();
            let aggregate: gingham_model::Prefix = aggregate.parse().unwrap();
            aggregate.covers(prefix) && !line.contains("NotIts")
        };
        let contributed = self
            .aggregates
            .iter()
            .filter(|it| held.iter().any(|line| part(&line, it)));
        contributed.map(|it| (*it).to_owned()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn an_aggregate_is_announced_if_and_only_if_a_part_of_it_is_held(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut lab = Lab::new(&yaml(&AGGREGATES, None));
        lab.peer("10.0.0.5", long_lived(64512, 5, true));
        let mut trial = Trial { lab, up: BTreeMap::new(), aggregates: AGGREGATES.to_vec() };
        for step in steps {
            trial.step(step);
            prop_assert_eq!(trial.told(), trial.expected());
        }
    }
}
