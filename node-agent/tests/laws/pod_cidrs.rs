//! podCIDR mode: blocks are what Nodes list, and the other kind of block only empties itself.

use crate::make::{apply, block, cluster, edit_config, me, node, object, planned, pool};
use gingham_agent::claim::{self, Step, Unlisted, Wanted, wanted};
use gingham_agent::cluster::Cluster;
use gingham_agent::config::PodCidrs;
use gingham_agent::firewall::Firewall;
use gingham_agent::give_back::{GiveBack, Holding, Situation, TOLD, Waiting, give_back};
use gingham_agent::manifest::{manifest, of_value, parse};
use gingham_agent::objects::{Kind, Object};
use gingham_agent::store::Event;
use gingham_ipam::{NodeBlockState, Usage, capacity};
use gingham_model::{Block, BlockState, Family, PoolName, Prefix};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const V4: &str = "10.244.1.0/24";
const V6: &str = "fd00:244:0:1::/64";

/// A cluster in podCIDR mode whose node w1 lists these.
fn mirroring(listed: &[&str], blocks: &[Block]) -> Cluster {
    let mut index = cluster(blocks);
    list(&mut index, listed);
    switch_on(&mut index);
    index
}

fn list(index: &mut Cluster, listed: &[&str]) {
    let mut own = node("w1", &["10.1.0.1", "fd00:1::1"]);
    let read = |text: &&str| text.parse().map_err(|_| (*text).to_owned());
    own.pod_cidrs = listed.iter().map(read).collect();
    index.apply(apply(Object::Node(own)));
}

fn switch_on(index: &mut Cluster) {
    edit_config(index, |config| config.pod_cidrs = Some(settings()));
}

fn switch_off(index: &mut Cluster) {
    edit_config(index, |config| config.pod_cidrs = None);
}

fn settings() -> PodCidrs {
    PodCidrs {
        cluster_cidrs: ["10.244.0.0/16", "fd00:244::/48"]
            .map(|cidr| cidr.parse().unwrap())
            .into(),
        nat_outgoing: true,
        cooldown_seconds: 30,
    }
}

/// The block that mirrors a podCIDR of a node.
fn mirror(cidr: &str, node: &str) -> Block {
    let ips = match node {
        "w1" => ["10.1.0.1", "fd00:1::1"],
        _ => ["10.1.0.2", "fd00:1::2"],
    };
    Block {
        pool: PoolName::node_pod_cidrs(),
        ..block(cidr, node, &ips)
    }
}

fn mirrors() -> Vec<Block> {
    vec![mirror(V4, "w1"), mirror(V6, "w1")]
}

fn old(cidr: &str) -> Block {
    block(cidr, "w1", &["10.1.0.1", "fd00:1::1"])
}

fn usage(capacity: u64, free: u64) -> Usage {
    Usage {
        capacity,
        held: capacity - free,
        resting: 0,
        free,
    }
}

fn decide(index: &Cluster) -> Wanted {
    decide_by(index, &Unlisted::default())
}

/// With blocks that are full: nothing is carved for that.
fn decide_by(index: &Cluster, unlisted: &Unlisted) -> Wanted {
    wanted(&claim::Situation {
        me: &me(),
        cluster: index,
        complete: index.complete(&me()).unwrap(),
        unlisted,
        reserved: &BTreeSet::new(),
        usage: &BTreeMap::from([(Family::V4, usage(254, 0))]),
    })
}

/// What the plugin is told: each block with its state.
fn told(index: &Cluster) -> Vec<(String, NodeBlockState)> {
    let state = planned(index).node_state.unwrap();
    let blocks = state.blocks.into_iter();
    let told = blocks.map(|block| (block.cidr.to_string(), block.state));
    told.collect()
}

#[test]
fn each_podcidr_is_claimed_once_and_nothing_is_carved() {
    let index = mirroring(&[V4, V6, V4], &[]);
    let claims: Vec<Step> = mirrors().into_iter().map(Step::Claim).collect();
    let first = decide(&index);
    assert_eq!((first.steps, first.obstacles), (claims, vec![]));

    let mut unlisted = Unlisted::default();
    let now = Instant::now();
    for block in mirrors() {
        unlisted.note(block, now);
    }
    assert_eq!(decide_by(&index, &unlisted), Wanted::default());
    let settled = mirroring(&[V4, V6], &mirrors());
    assert_eq!(decide(&settled), Wanted::default());
    let active = [V4, V6].map(|cidr| (cidr.to_owned(), NodeBlockState::Active));
    assert_eq!(told(&settled), active);
    let state = planned(&settled).node_state.unwrap();
    assert_eq!(state.cooldown_seconds, 30);
    assert!(state.blocks.iter().all(|b| b.pool.is_node_pod_cidrs()));
}

#[test]
fn an_own_block_of_the_same_addresses_is_rewritten_and_never_drains() {
    let mut before = [old(V4), old(V6)];
    before[1].state = BlockState::Draining;
    let index = mirroring(&[V4, V6], &before);
    let updates: Vec<Step> = mirrors().into_iter().map(Step::Update).collect();
    assert_eq!(decide(&index).steps, updates);
    assert_eq!(told(&index)[0], (V4.to_owned(), NodeBlockState::Active));
}

#[test]
fn what_cannot_be_taken_is_said_by_name_and_the_rest_is_taken() {
    let outside = "10.9.0.0/24";
    let index = mirroring(&["10.244.1.1/24", outside, V6], &[]);
    let decided = decide(&index);
    assert_eq!(decided.steps, [Step::Claim(mirror(V6, "w1"))]);
    let said = [
        "Node w1: spec.podCIDRs[0]: prefix 10.244.1.1/24: has bits set behind its length; \
         10.244.1.0/24 is meant?",
        "Node w1: spec.podCIDRs[1]: 10.9.0.0/24 lies outside of spec.podCIDRs.clusterCIDRs of \
         RoutingConfig default: 10.244.0.0/16, fd00:244::/48",
    ];
    assert_eq!(decided.obstacles, said);

    let none = mirroring(&[outside], &[]);
    assert_eq!(
        planned(&none).node_state.unwrap_err(),
        [
            "Node w1 has no spec.podCIDRs inside spec.podCIDRs.clusterCIDRs of RoutingConfig default \
          and of a family it has an InternalIP of"
        ]
    );
}

#[test]
fn what_another_node_holds_is_waited_for_and_then_taken() {
    let mut orphaned = mirror(V4, "w2");
    orphaned.state = BlockState::Orphaned;
    let name = Block::object_name(orphaned.cidr);
    let mut index = mirroring(&[V4, V6], &[orphaned.clone(), mirror(V6, "w1")]);
    let waits = decide(&index);
    assert_eq!(waits.steps, []);
    let said = "podCIDR 10.244.1.0/24 of Node w1 is in the hands of node w2 (Orphaned)";
    assert_eq!(waits.obstacles, [said]);
    index.apply(Event::Delete(Kind::Block, name));
    assert_eq!(decide(&index).steps, [Step::Claim(mirror(V4, "w1"))]);

    // Of another zone, so no list shows it: the store is asked again once its answer is old.
    let mut unlisted = Unlisted::default();
    let now = Instant::now();
    unlisted.note(orphaned, now);
    assert_eq!(decide_by(&index, &unlisted).obstacles, [said]);
    unlisted.prune(&index, now + Duration::from_secs(60));
    assert_eq!(decide_by(&index, &unlisted).steps.len(), 1);
}

#[test]
fn no_address_is_in_two_blocks() {
    let cases = [
        (
            old("10.244.1.64/26"),
            "overlaps Block 10.244.1.64/26 of this node",
        ),
        (
            mirror("10.244.0.0/20", "w2"),
            "overlaps Block 10.244.0.0/20 of node w2",
        ),
    ];
    for (met, why) in cases {
        let index = mirroring(&[V4, V6], &[met, mirror(V6, "w1")]);
        let decided = decide(&index);
        assert_eq!(decided.steps, []);
        assert_eq!(
            decided.obstacles,
            [format!("podCIDR {V4} of Node w1 {why}")]
        );
    }
    let mut index = mirroring(&[V4, V6], &[mirror(V6, "w1")]);
    index.apply(crate::make::refused(Kind::Block, "10-244-1-0-24"));
    assert_eq!(
        decide(&index).obstacles,
        [format!(
            "podCIDR {V4} of Node w1 overlaps Block {V4}, of which no valid version is known"
        )]
    );
}

#[test]
fn either_way_what_is_left_of_the_other_drains_and_keeps_its_routes() {
    let pools = [old("10.64.0.0/26"), old("fd00:10::/122")];
    let mut index = mirroring(&[V4, V6], &[&pools[..], &mirrors()[..]].concat());
    let states = |index: &Cluster, state| {
        let told = told(index).into_iter();
        let of_state = told.filter(|(_, of)| *of == state).map(|(cidr, _)| cidr);
        of_state.collect::<Vec<_>>()
    };
    let (from_pools, listed) = (["10.64.0.0/26", "fd00:10::/122"], [V4, V6]);
    assert_eq!(states(&index, NodeBlockState::Draining), from_pools);
    assert_eq!(states(&index, NodeBlockState::Active), listed);
    assert_eq!(planned(&index).routes.len(), 4);

    switch_off(&mut index);
    assert_eq!(states(&index, NodeBlockState::Draining), listed);
    assert_eq!(states(&index, NodeBlockState::Active), from_pools);
    assert_eq!(planned(&index).routes.len(), 4);
    assert_eq!(decide(&index).steps.len(), 1, "the pool's block is full");

    switch_on(&mut index);
    list(&mut index, &[V6]);
    assert_eq!(states(&index, NodeBlockState::Active), [V6]);
    let families = planned(&index).node_state.unwrap().families;
    assert_eq!(families, [Family::V6], "a pod gets what is listed");
}

/// What is decided once every block has been empty, and the plugin told, for long enough.
fn given_back(index: &Cluster, in_use: &[&str]) -> Vec<GiveBack> {
    let told = planned(index).node_state.unwrap();
    let active = told.blocks.iter();
    let active = active.filter(|block| block.state == NodeBlockState::Active);
    let mut usages: BTreeMap<Family, Usage> = BTreeMap::new();
    for block in active {
        let all = usages.entry(block.cidr.family()).or_default();
        let more = capacity(block.cidr);
        *all = usage(
            all.capacity.saturating_add(more),
            all.free.saturating_add(more),
        );
    }
    let holding = Holding {
        usage: usages,
        in_use: in_use.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        told,
    };
    let (mut waiting, start) = (Waiting::default(), Instant::now());
    let now = start + TOLD.max(index.config().empty_block);
    waiting.observe(Some(&holding), start);
    waiting.observe(Some(&holding), now);
    give_back(&Situation {
        me: &me(),
        cluster: index,
        complete: index.complete(&me()).unwrap(),
        holding: &holding,
        waiting: &waiting,
        now,
    })
}

#[test]
fn what_a_node_lists_is_never_given_back_and_what_it_no_longer_lists_is() {
    let second = "10.244.2.0/24";
    let blocks = [&mirrors()[..], &[mirror(second, "w1")]].concat();
    let mut index = mirroring(&[V4, second, V6], &blocks);
    assert_eq!(given_back(&index, &[]), [], "two empty ones of a family");

    list(&mut index, &[second, V6]);
    assert_eq!(given_back(&index, &[V4]), [], "a pod has it");
    let mut gone = mirror(V4, "w1");
    gone.state = BlockState::Draining;
    let drain = GiveBack::Drain(gone.clone());
    assert_eq!(drain.cause(&index), "its Node does not list it");
    assert_eq!(given_back(&index, &[]), std::slice::from_ref(&drain));
    index.apply(apply(Object::Block(gone.clone())));
    assert_eq!(given_back(&index, &[]), [GiveBack::Release(gone)]);
    switch_off(&mut index);
    assert_eq!(drain.cause(&index), "blocks come from ZonePools now");
    let from_pool = GiveBack::Drain(old("10.64.0.0/26"));
    switch_on(&mut index);
    assert_eq!(from_pool.cause(&index), "blocks are podCIDRs now");
}

#[test]
fn pods_see_each_other_as_they_are_whichever_way_blocks_come() {
    let mut index = mirroring(&[V4, V6], &mirrors());
    let set = |cidrs: &[&str]| -> BTreeSet<Prefix> {
        cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect()
    };
    let firewall = |index: &Cluster| Firewall::of(index, &me());
    let spares = |index: &Cluster, cidr: &str| {
        let cidr: Prefix = cidr.parse().unwrap();
        let spared = firewall(index).spared;
        spared.iter().any(|spared| spared.covers(cidr))
    };
    assert_eq!(firewall(&index).masqueraded, set(&[V4, V6]));
    for cidr in ["10.244.0.0/16", "fd00:244::/48", "10.64.0.0/16"] {
        assert!(spares(&index, cidr), "{cidr}");
    }
    edit_config(&mut index, |config| {
        let settings = config.pod_cidrs.as_mut().unwrap();
        settings.nat_outgoing = false;
    });
    assert_eq!(firewall(&index).masqueraded, set(&[]));
    switch_off(&mut index);
    assert!(
        spares(&index, V4) && spares(&index, V6),
        "pods are there yet"
    );
    assert!(!spares(&index, "10.244.0.0/16"));
}

#[test]
fn a_pool_that_meets_the_podcidrs_is_refused_and_so_is_one_of_their_name() {
    let mut index = mirroring(&[V4], &[]);
    index.apply(apply(pool("wide", &[("10.240.0.0/12", "Active")])));
    assert_eq!(index.pools().len(), 1);
    let refusals = index.refusals();
    assert_eq!(refusals[0].name, "wide");
    assert_eq!(
        refusals[0].error,
        "spec.cidrs[0].cidr 10.240.0.0/12: overlaps 10.244.0.0/16 of spec.podCIDRs.clusterCIDRs of \
         RoutingConfig default"
    );
    switch_off(&mut index);
    assert_eq!(index.pools().len(), 2);

    let text = "{apiVersion: gingham.dev/v1alpha1, kind: ZonePool, \
                metadata: {name: node-pod-cidrs}, spec: {zone: z1, cidrs: [{cidr: 10.3.0.0/16}]}}";
    let refused = parse(Kind::ZonePool, "node-pod-cidrs", text).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "metadata.name: node-pod-cidrs is kept for the podCIDRs of Nodes"
    );
}

#[test]
fn the_settings_are_refused_by_field_and_value_and_survive_being_written() {
    let refused = |spec: &str| {
        let text = format!(
            "{{apiVersion: gingham.dev/v1alpha1, kind: RoutingConfig, metadata: {{name: default}}, \
             spec: {{podCIDRs: {spec}}}}}"
        );
        parse(Kind::RoutingConfig, "default", &text)
            .unwrap_err()
            .to_string()
    };
    let expected = [
        ("{}", "spec.podCIDRs: missing field `clusterCIDRs`"),
        (
            "{clusterCIDRs: []}",
            "spec.podCIDRs.clusterCIDRs: must hold at least one CIDR",
        ),
        (
            "{clusterCIDRs: [10.0.0.0/8, 127.0.0.0/16]}",
            "spec.podCIDRs.clusterCIDRs[1]: 127.0.0.0/16 overlaps 127.0.0.0/8, which pods cannot use",
        ),
        (
            "{clusterCIDRs: [10.0.0.0/8, 10.1.0.0/16]}",
            "spec.podCIDRs.clusterCIDRs[1]: 10.1.0.0/16 overlaps 10.0.0.0/8",
        ),
        (
            "{clusterCIDRs: [10.0.0.1/8]}",
            "spec.podCIDRs.clusterCIDRs[0]: prefix 10.0.0.1/8: has bits set behind its length; \
             10.0.0.0/8 is meant?",
        ),
        (
            "{clusterCIDRs: [10.0.0.0/8], cooldownSeconds: -1}",
            "spec.podCIDRs.cooldownSeconds: invalid value: integer `-1`, expected u32",
        ),
    ];
    for (spec, error) in expected {
        assert_eq!(refused(spec), error);
    }
    let spec = "{podCIDRs: {clusterCIDRs: [10.0.0.0/8]}}";
    let Object::Config(config) = object(Kind::RoutingConfig, "default", spec) else {
        panic!("no RoutingConfig");
    };
    let read = config.pod_cidrs.as_ref().unwrap();
    assert!(read.nat_outgoing && read.cooldown_seconds == 120);

    let index = mirroring(&[V4, "x"], &mirrors());
    let me = me();
    let saved = index.saved(&me);
    let again = saved.map(|object| of_value(&manifest(object)).unwrap().object);
    let mut back = Cluster::default();
    back.remember(again.collect());
    assert_eq!(back.config(), index.config());
    assert_eq!(back.node(&me), index.node(&me));
    assert_eq!(back.pod_cidrs(), Some(&settings()));
}

/// A few podCIDRs and blocks that may meet each other.
fn any_cidr() -> impl Strategy<Value = String> {
    prop_oneof![
        (0u8..4).prop_map(|n| format!("10.244.{n}.0/24")),
        (0u8..4).prop_map(|n| format!("10.244.1.{}/26", n * 64)),
        (0u8..2).prop_map(|n| format!("10.244.{}.0/23", n * 2)),
        (0u8..2).prop_map(|n| format!("fd00:244:0:{n}::/64")),
    ]
}

proptest! {
    /// Whatever is there: what is claimed meets nothing, and what is listed and meets nothing is
    /// claimed.
    #[test]
    fn what_is_claimed_meets_no_other_block(
        listed in proptest::collection::vec(any_cidr(), 0..4),
        present in proptest::collection::btree_map(any_cidr(), 0u8..3, 0..4),
    ) {
        let owner = |n: &u8| ["w1", "w2", "w3"][usize::from(*n)];
        let blocks: Vec<Block> = present.iter().map(|(cidr, n)| mirror(cidr, owner(n))).collect();
        let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        let index = mirroring(&listed, &blocks);
        let decided = decide(&index);
        let mut all: Vec<Prefix> = blocks.iter().map(|block| block.cidr).collect();
        for step in &decided.steps {
            if let Step::Claim(block) = step {
                prop_assert!(all.iter().all(|other| !other.overlaps(block.cidr)));
                all.push(block.cidr);
            }
        }
        for cidr in listed.iter().map(|cidr| cidr.parse::<Prefix>().unwrap()) {
            let met = all.iter().any(|other| other.overlaps(cidr));
            prop_assert!(met, "{} is free and not claimed", cidr);
        }
    }
}
