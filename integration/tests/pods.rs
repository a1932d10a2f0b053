//! Pods reach each other: in their zone and across zones, in both families, as themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::{Pod, Store, topology};
use gingham_model::Family;
use nix::sys::signal::Signal;
use world::{Wanted, one_zone, routes, start_agents, up, wait, wait_for_route, without_agents};

#[track_caller]
fn assert_reaches(from: &Pod, to: &Pod) {
    for address in to.addresses() {
        let result = from.ping(*address, 3).unwrap();
        assert_eq!(
            result.received,
            3,
            "{} to {} {address}: {result:?}",
            from.name(),
            to.name()
        );
    }
}

#[test]
fn pods_reach_each_other_in_their_zone_and_across_zones() {
    let lab = up(Store::Directory, topology::static_routes().unwrap());
    let pod = |node: &str, name: &str| lab.node(node).unwrap().add_pod(name).unwrap();
    let (near, neighbour) = (pod("z1w1", "near"), pod("z1w1", "neighbour"));
    let (beside, far) = (pod("z1w2", "beside"), pod("z3w2", "far"));
    for other in [&neighbour, &beside, &far] {
        assert_reaches(&near, other);
        assert_reaches(other, &near);
    }

    // In the zone straight to the other node, across zones through the core.
    let z1w1 = lab.node("z1w1").unwrap();
    for (pod, v4, v6) in [
        (&beside, "10.1.0.22", "fd00:1::22"),
        (&far, "10.1.0.1", "fd00:1::1"),
    ] {
        for (family, via) in [(Family::V4, v4), (Family::V6, v6)] {
            let to = pod.address(family).unwrap().to_string();
            let route = z1w1.exec(&["ip", "route", "get", &to]).unwrap();
            assert!(route.contains(&format!("via {via} dev eth0")), "{route}");
        }
    }

    // Full packets pass: no encapsulation takes a share of the MTU.
    for (family, payload) in [(Family::V4, 1500 - 20 - 8), (Family::V6, 1500 - 40 - 8)] {
        let to = far.address(family).unwrap().to_string();
        let size = payload.to_string();
        near.exec(&["ping", "-c", "1", "-W", "5", "-M", "do", "-s", &size, &to])
            .unwrap();
    }

    // The wire between the zones carries the pods' own addresses.
    let core = lab.at("c1").unwrap();
    for (family, kind) in [(Family::V4, "icmp"), (Family::V6, "icmp6")] {
        let (from, to) = (near.address(family).unwrap(), far.address(family).unwrap());
        let filter = format!("{kind} and src host {from} and dst host {to}");
        let dump = ["tcpdump", "-n", "-l", "-c", "3", "-i", "backbone", &filter];
        let capture = core.spawn(&format!("tcpdump-{kind}"), &dump).unwrap();
        wait("tcpdump listens", || {
            let log = capture.printed()?;
            ensure!(log.contains("listening on"), "{log:?}");
            Ok(())
        });
        assert_eq!(near.ping(to, 3).unwrap().received, 3);
        wait("three packets seen", || {
            let seen = capture.printed()?;
            let count = seen.matches(&format!("{from} > {to}")).count();
            ensure!(count >= 3, "{seen}");
            Ok(())
        });
    }
}

#[test]
fn a_node_has_exactly_the_routes_of_its_zone() {
    let lab = up(Store::Directory, topology::static_routes().unwrap());
    let node = lab.node("z1w1").unwrap();
    assert_eq!(
        routes(&node, 201),
        [
            "10.101.22.0/24 via 10.1.0.22 dev eth0 metric 12",
            "fd00:101:0:22::/64 via fd00:1::22 dev eth0 metric 12 pref medium",
        ]
    );
    assert_eq!(
        routes(&node, 203),
        [
            "unreachable 10.101.21.0/24 metric 4000000000",
            "unreachable fd00:101:0:21::/64 dev lo metric 4000000000 pref medium",
        ]
    );
}

#[test]
fn an_address_nobody_holds_is_unreachable_instead_of_looping() {
    let lab = up(Store::Directory, one_zone());
    let pod = lab.node("z1w1").unwrap().add_pod("p").unwrap();
    for (address, words) in [
        ("10.101.22.99", "Destination Host Unreachable"),
        ("fd00:101:0:22::99", "Destination unreachable: No route"),
    ] {
        let output = pod
            .command(&["ping", "-c", "3", "-W", "5", address])
            .output()
            .unwrap();
        assert!(output.stdout.contains(words), "{output:?}");
    }
}

#[test]
fn pods_start_and_stop_while_no_agent_runs() {
    let lab = up(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    let other = lab.node("z1w2").unwrap().add_pod("other").unwrap();
    node.stop_agent(Signal::SIGTERM).unwrap();
    let pod = node.add_pod("alone").unwrap();
    assert_reaches(&pod, &other);
    node.del_pod("alone").unwrap();
    let left = node
        .exec(&["ip", "-o", "link", "show", "group", "26472"])
        .unwrap();
    assert_eq!(left, "");
    assert_eq!(routes(&node, 200), [""; 0]);
}

#[test]
fn a_node_outgrows_its_first_block() {
    let mut topology = one_zone();
    for plan in &mut topology.boxes {
        if let topology::Role::Node(node) = &mut plan.role {
            node.blocks.clear();
        }
    }
    let lab = without_agents(Store::Directory, topology);
    world::edit(&lab, ("zonepools", "z1"), "v4: 24", "v4: 28");
    world::edit(&lab, ("zonepools", "z1"), "v6: 64", "v6: 124");
    start_agents(&lab);

    let (node, other) = (lab.node("z1w1").unwrap(), lab.node("z1w2").unwrap());
    let first = blocks_of(&lab, "z1w1");
    assert_eq!(
        first.len(),
        2,
        "one block of each family to start with: {first:?}"
    );
    let outside = other.add_pod("outside").unwrap();
    // A runtime tries again when the node is full for the moment.
    let pods: Vec<Pod> = (0..40)
        .map(|index| wait("room for a pod", || node.add_pod(&format!("p{index}"))))
        .collect();
    let blocks = blocks_of(&lab, "z1w1");
    assert!(
        blocks.len() >= 6,
        "40 pods need three blocks of 16 in each family: {blocks:?}"
    );
    for block in &blocks {
        wait_for_route(&other, 201, block, Wanted::Present);
    }
    for pod in [pods.first().unwrap(), pods.last().unwrap()] {
        assert_reaches(&outside, pod);
    }
    let addresses: std::collections::BTreeSet<_> = pods.iter().flat_map(Pod::addresses).collect();
    assert_eq!(addresses.len(), 80);
}

/// Prefixes of the blocks whose object names this node.
fn blocks_of(lab: &gingham_integration::Lab, node: &str) -> Vec<String> {
    let mut blocks = lab.list("blocks").unwrap();
    blocks.retain(|block| block["spec"]["node"] == node);
    let cidrs = blocks.iter().map(|block| block["spec"]["cidr"].as_str());
    let mut blocks: Vec<String> = cidrs.map(|cidr| cidr.unwrap().to_owned()).collect();
    blocks.sort();
    blocks
}
