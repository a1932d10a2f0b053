//! Reflectors that die, that are cut off, and that lose their label (laws 10 and 11).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::tables::{self, Tables};
use gingham_integration::topology::{Cores, Duty, Role, Timers, Zones, reference};
use gingham_integration::{Flow, Lab, LabBox, Topology, Traffic, eventually};
use gingham_model::Family;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::zones::{
    Watch, aggregates, blocks, is_to, peers, sessions, settled, wait_for_all, without, without_hops,
};
use world::{PATIENCE, change, wait, wait_for_status};

/// What may be waited for where nothing is to happen: short, but for what takes a while on a busy
/// machine.
const TIMERS: Timers = Timers {
    hold_seconds: 9,
    restart_seconds: 15,
    long_lived_stale_seconds: 15,
};

/// The label of the nodes that reflect.
const LABEL: &str = "node-role.kubernetes.io/control-plane";

fn topology() -> Topology {
    let mut topology = reference(Zones::Two, Cores::One).unwrap();
    topology.timers = TIMERS;
    topology
}

fn restart_time() -> Duration {
    Duration::from_secs(TIMERS.restart_seconds.into())
}

/// Until what a dead neighbour said is gone.
fn retention() -> Duration {
    restart_time() + Duration::from_secs(TIMERS.long_lived_stale_seconds.into())
}

fn addresses(lab: &Lab, node: &str) -> Vec<IpAddr> {
    lab.node(node).unwrap().plan().internal_ips.clone()
}

/// Waits until the boxes are so, as long as routes are kept and more.
fn wait_for_sweep(lab: &Lab, wanted: &Tables) {
    tables::wait_for(lab, wanted, retention() + PATIENCE).unwrap();
}

fn start_agents(lab: &Lab, names: &[&str]) {
    for name in names {
        lab.node(name).unwrap().start_agent().unwrap();
    }
}

fn kill_agents(lab: &Lab, names: &[&str]) {
    for name in names {
        let node = lab.node(name).unwrap();
        node.stop_agent(Signal::SIGKILL).unwrap();
    }
}

/// The core of zone 1 is FRR, that of zone 2 BIRD.
#[test]
fn a_reflector_of_each_zone_dies_and_comes_back() {
    let lab = settled(topology());
    let dead = ["z1m1", "z2m1"];
    let watched = ["c1", "c2", "bb1", "z1w1", "z2w1", "z1m2", "z2m2"];

    let watch = Watch::over(&lab, &watched);
    let died = Instant::now();
    kill_agents(&lab, &dead);
    sleep(restart_time() / 2);
    watch.assert_silent("within the restart time");
    assert!(died.elapsed() < restart_time(), "looked too late");

    let mut left = tables::expected(lab.topology());
    for (core, node) in [("c1", "z1m1"), ("c2", "z2m1")] {
        without(&mut left, core, &blocks(&lab, node));
        let hops = addresses(&lab, node);
        without_hops(&mut left, core, (&aggregates(&lab, node), &hops));
    }
    wait_for_sweep(&lab, &left);
    assert!(died.elapsed() > retention(), "{:?}", died.elapsed());

    start_agents(&lab, &dead);
    wait_for_all(&lab);
}

/// What the zone's nodes know of each other comes from the cluster objects. What they know of others
/// stays for the long-lived stale time, and so does at the core what it knows of them: forwarding goes
/// on both ways.
#[test]
fn without_any_reflector_the_zone_is_whole_and_others_are_known_for_a_time() {
    let lab = settled(topology());
    let node = |name| lab.node(name).unwrap();
    let near = node("z1w1").add_pod("near").unwrap();
    let next = node("z1w2").add_pod("next").unwrap();
    let far = node("z2w1").add_pod("far").unwrap();
    let flows = |pods: [[&Pod; 2]; 2]| {
        let [from, to] = pods;
        let pairs = from.into_iter().zip(to);
        let flows = pairs.flat_map(|(from, to)| {
            let start = move |family| Traffic::start(from, to, Flow { family, rate: 100 });
            Family::ALL.map(|family| start(family).unwrap())
        });
        flows.collect::<Vec<Traffic>>()
    };
    let counted = |flows: Vec<Traffic>| -> Vec<u64> {
        let counts = flows.into_iter().map(|flow| flow.stop().unwrap());
        counts.map(|count| count.lost()).collect()
    };
    let dead = ["z1m1", "z1m2"];
    let nodes = ["z1w1", "z1w2", "z1i1", "z1i2"];
    let whole = tables::expected(lab.topology());

    let inside = flows([[&near, &next], [&next, &near]]);
    let across = flows([[&near, &far], [&far, &near]]);
    let watch = Watch::over(&lab, &nodes);
    let died = Instant::now();
    kill_agents(&lab, &dead);
    sleep(restart_time() + restart_time() / 2);
    watch.assert_silent("while what it learned is long-lived stale");
    assert_eq!(counted(across), [0; 4], "across zones");
    assert!(died.elapsed() < retention(), "looked too late");

    let mut left = whole.clone();
    for (name, table) in &mut left {
        // The pool of zone 1 is announced by nobody.
        if name != "z1m1" && name != "z1m2" {
            for prefix in aggregates(&lab, "z1w1") {
                table.retain(|line| !is_to(line, &prefix));
            }
        }
    }
    for name in nodes.iter().chain(&dead) {
        for block in blocks(&lab, name) {
            left.get_mut("c1").unwrap().retain(|line| !is_to(line, &block));
        }
    }
    for name in nodes {
        let outside = |line: &String| {
            line.contains("via 10.1.0.1") && !line.contains("via 10.1.0.1 ")
        };
        let _ = (name, outside);
    }
    wait_for_sweep(&lab, &left);
    assert!(died.elapsed() > retention(), "{:?}", died.elapsed());
    assert_eq!(counted(inside), [0; 4], "inside the zone");

    start_agents(&lab, &dead);
    wait_for_all(&lab);
}
