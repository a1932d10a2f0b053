use crate::make::{
    UPLINK, apply, block, boot, cluster, learned, links, me, node, planned, planned_with, pool,
};
use gingham_agent::manifest::parse;
use gingham_agent::objects::{Kind, Object};
use gingham_agent::plan::{Inputs, plan};
use gingham_ipam::NodeBlockState;
use gingham_model::{Block, BlockState, Family, NextHop, Owner, Prefix, Route, Target};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// The reason why `block` gets no route; empty when it gets one.
fn reason(block: Block) -> String {
    let plan = planned(&cluster(std::slice::from_ref(&block)));
    match plan.skipped.as_slice() {
        [] => String::new(),
        [skipped] => {
            assert!(plan.routes.is_empty());
            assert_eq!(skipped.block, block.cidr);
            skipped.reason.clone()
        }
        _ => panic!("one block skipped twice"),
    }
}

#[test]
fn a_neighbours_blocks_are_reached_by_its_addresses() {
    let ips = ["10.1.0.2", "fd00:1::2"];
    let plan = planned(&cluster(&[
        block("10.64.0.0/26", "w2", &ips),
        block("fd00:10::/122", "w2", &ips),
    ]));
    for (cidr, via) in [("10.64.0.0/26", "10.1.0.2"), ("fd00:10::/122", "fd00:1::2")] {
        let route = &plan.routes[&Owner::Direct.key(cidr.parse().unwrap())];
        let hop = NextHop {
            via: via.parse().unwrap(),
            dev: UPLINK,
        };
        assert_eq!(route.target, Target::Via(hop.into()));
    }
    assert_eq!(plan.removals.reasons(), [""; 0]);
}

#[test]
fn no_block_takes_the_nodes_of_another_zone() {
    let text = "{apiVersion: gingham.dev/v1alpha1, kind: RoutingConfig, metadata: {name: default}, \
                spec: {zones: [{name: z2, asNumber: 64512, nodeCIDRs: [10.2.0.0/24]}]}}";
    let config = parse(Kind::RoutingConfig, "default", text).unwrap().object;
    let mut index = cluster(&[block("10.2.0.128/26", "w2", &["10.1.0.2"])]);
    index.apply(apply(config));
    let plan = planned(&index);
    assert!(plan.routes.is_empty());
    let reason = "overlaps 10.2.0.0/24, a node subnet of zone z2";
    assert_eq!(plan.skipped[0].reason, reason);
}

#[test]
fn an_orphaned_block_keeps_its_route() {
    let mut orphan = block("10.64.0.0/26", "w2", &["10.1.0.2"]);
    orphan.state = BlockState::Orphaned;
    assert_eq!(reason(orphan), "");
}

#[test]
fn another_zones_block_is_no_concern_of_ours() {
    let mut far = block("10.64.0.0/26", "w2", &["10.1.0.2"]);
    far.zone = "z2".parse().unwrap();
    let plan = planned(&cluster(&[far]));
    assert!(plan.routes.is_empty() && plan.skipped.is_empty());
}

#[test]
fn a_block_without_a_route_says_why() {
    let at = |cidr: &str, ip: &str| reason(block(cidr, "w2", &[ip]));
    let far = "next hop 10.9.0.2 is on no link of this node";
    assert_eq!(at("10.64.0.0/26", "10.9.0.2"), far);
    let own = "next hop 10.1.0.1 is an address of this node";
    assert_eq!(at("10.64.0.0/26", "10.1.0.1"), own);
    let loopback = "next hop 127.0.0.2 is on no link of this node";
    assert_eq!(at("10.64.0.0/26", "127.0.0.2"), loopback);
    let family = "spec.nodeIPs has no IPv6 address";
    assert_eq!(at("fd00:10::/122", "10.1.0.2"), family);
    let subnet = "overlaps 10.1.0.0/24, the subnet of interface eth0";
    assert_eq!(at("10.1.0.64/26", "10.1.0.2"), subnet);
    assert_eq!(at("10.0.0.0/8", "10.1.0.2"), subnet);
    let all = "overlaps 0.0.0.0/8, which pods cannot use";
    assert_eq!(at("0.0.0.0/0", "10.1.0.2"), all);
    assert_eq!(
        at("::/0", "fd00:1::2"),
        "overlaps ::/127, which pods cannot use"
    );
}

#[test]
fn a_block_that_swallows_others_is_refused_and_they_are_not() {
    let mine = block("10.64.0.0/26", "w1", &["10.1.0.1"]);
    let plan = planned(&cluster(&[
        mine,
        block("10.64.0.32/28", "w2", &["10.1.0.2"]),
        block("10.65.0.0/16", "w2", &["10.1.0.2"]),
        block("10.65.7.0/26", "w3", &["10.1.0.3"]),
    ]));
    let reasons: Vec<&str> = plan.skipped.iter().map(|s| s.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "overlaps block 10.64.0.0/26 of this node",
            "covers block 10.65.7.0/26 of node w3"
        ]
    );
    let routes: Vec<String> = plan
        .routes
        .keys()
        .map(|key| key.prefix.to_string())
        .collect();
    assert_eq!(routes, ["10.64.0.0/26", "10.65.7.0/26"]);
}

#[test]
fn the_plugin_is_told_what_it_may_give_out() {
    let mut index = cluster(&[
        block("10.64.0.0/26", "w1", &["10.1.0.1"]),
        block("fd00:10::/122", "w1", &["10.1.0.1"]),
    ]);
    let cidrs = [("10.64.0.0/16", "Draining"), ("fd00:10::/48", "Active")];
    index.apply(apply(pool("z1", &cidrs)));
    let state = planned(&index).node_state.unwrap();
    assert_eq!(state.families, Family::ALL);
    assert_eq!((state.mtu, state.cooldown_seconds), (1500, 120));
    let states: Vec<_> = state.blocks.iter().map(|block| block.state).collect();
    assert_eq!(states, [NodeBlockState::Draining, NodeBlockState::Active]);
}

#[test]
fn the_plugin_is_told_nothing_before_every_family_has_a_block() {
    let only = |node: &str| cluster(&[block("10.64.0.0/26", node, &["10.1.0.1"])]);
    let reasons = planned(&only("w1")).node_state.unwrap_err();
    assert_eq!(reasons, ["this node has no IPv6 block yet"]);
    let mut taken_over = only("w1");
    taken_over.apply(apply(Object::Node(gingham_agent::objects::Node {
        uid: "another".to_owned(),
        ..node("w1", &["10.1.0.1"])
    })));
    let plan = planned(&taken_over);
    assert_eq!(
        plan.node_state.unwrap_err(),
        ["this node has no IPv4 block yet"]
    );
    assert_eq!(plan.routes.len(), 1, "its sink stands");
}

#[test]
fn a_pause_holds_removals_and_nothing_else() {
    let mut index = cluster(&[block("10.64.0.0/26", "w2", &["10.1.0.2"])]);
    index.apply(apply(Object::Config(
        gingham_agent::config::RoutingConfig {
            paused: true,
            ..Default::default()
        },
    )));
    let plan = planned(&index);
    let reasons = ["RoutingConfig default: spec.paused is set"];
    assert_eq!(plan.removals.reasons(), reasons);
    assert_eq!(plan.routes.len(), 1);
}

fn via(hops: &[&str]) -> Target {
    let hops = hops.iter().map(|hop| NextHop {
        via: hop.parse().unwrap(),
        dev: UPLINK,
    });
    Target::Via(hops.collect())
}

#[test]
fn a_learned_prefix_is_reached_by_every_next_hop_that_is_a_neighbour() {
    let plan = planned_with(
        &cluster(&[]),
        &learned(&[
            ("10.65.0.0/16", &["10.1.0.9", "10.1.0.8", "10.1.0.9"]),
            ("10.66.0.0/16", &["10.9.0.9", "10.1.0.8"]),
            ("10.67.0.0/16", &["10.9.0.9", "10.1.0.1"]),
            ("fd00:102::/48", &["fd00:1::9"]),
        ]),
    );
    let expected = [
        ("10.65.0.0/16", via(&["10.1.0.8", "10.1.0.9"])),
        ("10.66.0.0/16", via(&["10.1.0.8"])),
        ("fd00:102::/48", via(&["fd00:1::9"])),
    ];
    let expected =
        expected.map(|(prefix, target)| Route::of(Owner::Learned, prefix.parse().unwrap(), target));
    assert_eq!(plan.routes.into_values().collect::<Vec<_>>(), expected);
    let unresolved = plan.unresolved.iter();
    let unresolved: Vec<String> = unresolved.map(|(p, why)| format!("{p}: {why}")).collect();
    let why = "next hop 10.9.0.9 is on no link of this node; next hop 10.1.0.1 is an address of \
               this node";
    assert_eq!(unresolved, [format!("10.67.0.0/16: {why}")]);
}

#[test]
fn what_the_zones_objects_say_wins_over_what_bgp_says() {
    let blocks = [
        block("10.64.0.0/26", "w1", &["10.1.0.1"]),
        block("10.64.0.64/26", "w2", &["10.1.0.2"]),
        block("10.64.0.128/26", "w3", &["10.9.0.3"]),
    ];
    let all: [(&str, &[&str]); 4] = [
        ("10.64.0.0/26", &["10.1.0.9"]),
        ("10.64.0.64/26", &["10.1.0.9"]),
        ("10.64.0.128/26", &["10.1.0.9"]),
        ("10.64.0.0/16", &["10.1.0.9"]),
    ];
    let plan = planned_with(&cluster(&blocks), &learned(&all));
    let learned = plan
        .routes
        .keys()
        .filter(|key| **key == Owner::Learned.key(key.prefix));
    let learned: Vec<String> = learned.map(|key| key.prefix.to_string()).collect();
    // The third is on no link, so that BGP's way there is better than none.
    assert_eq!(learned, ["10.64.0.0/16", "10.64.0.128/26"]);
    assert_eq!(plan.routes.len(), 4);
}

#[test]
fn an_aggregate_has_a_sink_and_no_learned_route() {
    let aggregates = ["10.64.0.0/16", "fd00:10::/48"].map(|text| text.parse().unwrap());
    let plan = plan(&Inputs {
        me: &me(),
        cluster: &cluster(&[block("10.64.0.0/26", "w1", &["10.1.0.1"])]),
        retained: &Default::default(),
        links: &links(),
        boot: &boot(),
        learned: &learned(&[("10.64.0.0/16", &["10.1.0.9"])]),
        aggregates: &aggregates.into(),
    });
    let block: Prefix = "10.64.0.0/26".parse().unwrap();
    let mut sinks = vec![block, aggregates[0], aggregates[1]];
    sinks.sort();
    let sinks: Vec<Route> = sinks
        .into_iter()
        .map(|sink| Route::of(Owner::Sink, sink, Target::Unreachable))
        .collect();
    assert_eq!(plan.routes.into_values().collect::<Vec<_>>(), sinks);
    assert_eq!(plan.owners.len(), 1, "an aggregate is nobody's block");
}

fn any_block() -> impl Strategy<Value = Block> {
    let cidr = (any::<u32>(), 0u8..=32)
        .prop_map(|(bits, length)| Prefix::containing(Ipv4Addr::from(bits).into(), length));
    let near = (0u8..4, 20u8..=28).prop_map(|(third, length)| {
        Prefix::containing(Ipv4Addr::new(10, 64, third, 0).into(), length)
    });
    let ip = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
        (0u8..=255).prop_map(|last| IpAddr::from(Ipv4Addr::new(10, 1, 0, last))),
        (0u8..=255).prop_map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last))),
    ];
    (prop_oneof![cidr, near], ip, 0u8..5).prop_map(|(cidr, ip, owner)| Block {
        cidr: cidr.unwrap(),
        node_ips: vec![ip],
        ..block("10.64.0.0/26", &format!("w{owner}"), &[])
    })
}

proptest! {
    /// Whatever nodes write: a direct route leads to a neighbour on a link, never to ourselves,
    /// and into no subnet we stand in; no two of them overlap; every block is routed, ours, or
    /// skipped by name.
    #[test]
    fn a_plan_harms_nobody(blocks in proptest::collection::vec(any_block(), 0..12)) {
        let index = cluster(&blocks);
        let plan = planned(&index);
        let mine: Vec<Prefix> =
            index.blocks().filter(|b| b.node == me()).map(|b| b.cidr).collect();
        let mut direct: Vec<Prefix> = Vec::new();
        for (key, route) in &plan.routes {
            match &route.target {
                Target::Via(hops) => {
                    let hop = hops.first().unwrap();
                    prop_assert!("10.1.0.0/24".parse::<Prefix>().unwrap().contains(hop.via));
                    prop_assert_ne!(hop.via, "10.1.0.1".parse::<IpAddr>().unwrap());
                    prop_assert!(!mine.contains(&key.prefix));
                    prop_assert!(!key.prefix.overlaps("10.1.0.0/24".parse().unwrap()));
                    prop_assert!(!direct.iter().any(|other| other.overlaps(key.prefix)));
                    direct.push(key.prefix);
                }
                Target::Unreachable => prop_assert!(mine.contains(&key.prefix)),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        for block in index.blocks() {
            let routed = plan.routes.keys().any(|key| key.prefix == block.cidr);
            let skipped = plan.skipped.iter().any(|skipped| skipped.block == block.cidr);
            prop_assert!(routed != skipped);
        }
    }
}
