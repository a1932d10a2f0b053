//! A cluster that suddenly looks empty, or a node that for a moment has no zone, costs no route.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::{Lab, Node, RouteMonitor, Store, on_both_stores};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::{agent, change, edit, one_zone, put_block, routes, says, wait, without_agents};

on_both_stores! {
    a_mass_removal_is_held_and_forgotten_when_the_blocks_are_back,
    a_mass_removal_is_held_by_an_agent_that_starts_into_it,
    a_mass_removal_that_lasts_is_carried_out,
    a_mass_removal_that_an_operator_confirms_is_carried_out_at_once,
    a_few_blocks_may_go_at_any_time,
    a_zone_label_stripped_for_a_moment_costs_no_route,
}

/// Blocks of nodes that need not exist.
const OTHERS: u8 = 20;
/// What is waited for to see that something does not happen.
const WHILE: Duration = Duration::from_secs(5);

/// A zone of some twenty blocks, seen from one of its nodes.
fn crowd(store: Store) -> (Lab, Node) {
    let lab = without_agents(store, one_zone());
    for number in 100..100 + OTHERS {
        let (cidr, via) = (format!("10.101.{number}.0/24"), format!("10.1.0.{number}"));
        put_block(&lab, &cidr, &format!("far{number}"), &via);
    }
    let node = lab.node("z1w1").unwrap();
    // Alone: an agent whose own blocks are taken away would claim others.
    node.start_agent().unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    assert_eq!(routes(&node, 201).len(), usize::from(OTHERS) + 2);
    (lab, node)
}

/// All Blocks but those of `node`.
fn others(lab: &Lab, node: &Node) -> Vec<Value> {
    let mut blocks = lab.list("blocks").unwrap();
    blocks.retain(|block| block["spec"]["node"] != node.name());
    blocks
}

/// Takes Blocks away at once: one by one the first few nodes would be too few to be held.
fn take_away(lab: &Lab, blocks: &[Value]) {
    lab.at_once(|| {
        for block in blocks {
            let name = block["metadata"]["name"].as_str().unwrap();
            lab.remove("blocks", name).unwrap();
        }
    });
}

fn put_back(lab: &Lab, blocks: &[Value]) {
    lab.at_once(|| blocks.iter().for_each(|block| lab.put(block).unwrap()));
}

fn removals(seen: &[String]) -> Vec<&String> {
    seen.iter()
        .filter(|line| line.starts_with("Deleted"))
        .collect()
}

fn wait_until_held(node: &Node) {
    world::wait_for_status(node, "a mass removal that is held", |status| {
        says(&status["removalsHeld"], &["removal"])
    });
}

fn wait_until_well(node: &Node) {
    world::wait_for_status(node, "nothing held, all well", |status| {
        status["removalsHeld"] == json!([]) && status["ready"] == true
    });
}

fn a_mass_removal_is_held_and_forgotten_when_the_blocks_are_back(store: Store) {
    let (lab, node) = crowd(store);
    let before = routes(&node, 201);
    let monitor = RouteMonitor::start(node.host()).unwrap();
    let blocks = others(&lab, &node);
    take_away(&lab, &blocks);
    wait_until_held(&node);
    sleep(WHILE);
    assert_eq!(routes(&node, 201), before);

    put_back(&lab, &blocks);
    wait_until_well(&node);
    assert_eq!(routes(&node, 201), before);
    let seen = monitor.seen().unwrap();
    assert!(removals(&seen).is_empty(), "{seen:#?}");
}

fn a_mass_removal_is_held_by_an_agent_that_starts_into_it(store: Store) {
    let (lab, node) = crowd(store);
    let before = routes(&node, 201);
    let blocks = others(&lab, &node);
    node.stop_agent(Signal::SIGKILL).unwrap();
    take_away(&lab, &blocks);
    node.start_agent().unwrap();
    wait_until_held(&node);
    sleep(WHILE);
    assert_eq!(routes(&node, 201), before);
    put_back(&lab, &blocks);
    wait_until_well(&node);
    assert_eq!(routes(&node, 201), before);
}

#[expect(
    clippy::print_stdout,
    reason = "a figure for who reads a test's output"
)]
fn a_mass_removal_that_lasts_is_carried_out(store: Store) {
    let (lab, node) = crowd(store);
    change(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["massRemovalHoldSeconds"] = json!(5);
    });
    sleep(Duration::from_secs(1));
    let start = Instant::now();
    take_away(&lab, &others(&lab, &node));
    wait("the end of the routes", || {
        let left = routes(&node, 201);
        ensure!(left.is_empty(), "{left:#?}");
        Ok(())
    });
    let held = start.elapsed();
    assert!(held > Duration::from_secs(4), "held for only {held:?}");
    println!("held for {held:?} with massRemovalHoldSeconds: 5");
    wait_until_well(&node);
}

fn a_mass_removal_that_an_operator_confirms_is_carried_out_at_once(store: Store) {
    let (lab, node) = crowd(store);
    let confirm = || agent(&node, &["confirm-removals"]);
    let none = confirm();
    assert_eq!(none.stdout, "no mass removal is held\n", "{none:?}");
    assert!(none.status.success(), "{none:?}");

    let before = routes(&node, 201).len();
    take_away(&lab, &others(&lab, &node));
    wait("all of them held", || {
        let held = node.agent_status()?["routes"]["held"].clone();
        ensure!(held == before, "{held} of {before}");
        Ok(())
    });
    let confirmed = confirm();
    let said = format!("{before} routes will be removed\n");
    assert_eq!(confirmed.stdout, said, "{confirmed:?}");
    assert!(confirmed.status.success(), "{confirmed:?}");
    world::wait_for_repair("routes that an operator let go", || {
        let left = routes(&node, 201);
        ensure!(left.is_empty(), "{left:#?}");
        Ok(())
    });
    wait_until_well(&node);
    assert_eq!(confirm().stdout, none.stdout);
}

fn a_few_blocks_may_go_at_any_time(store: Store) {
    let (lab, node) = crowd(store);
    let gone = "10.101.100.0/24";
    lab.remove("blocks", &world::block_name(gone)).unwrap();
    world::wait_for_route(&node, 201, gone, world::Wanted::Absent);
    assert_eq!(routes(&node, 201).len(), usize::from(OTHERS) + 1);
    wait_until_well(&node);
}

fn a_zone_label_stripped_for_a_moment_costs_no_route(store: Store) {
    let (lab, node) = crowd(store);
    let (monitor, before) = (
        RouteMonitor::start(node.host()).unwrap(),
        routes(&node, 201),
    );
    let (key, other) = ("topology.kubernetes.io/zone", "example.com/zone");
    edit(&lab, ("nodes", "z1w1"), key, other);
    sleep(WHILE);
    assert_eq!(routes(&node, 201), before);
    edit(&lab, ("nodes", "z1w1"), other, key);
    wait_until_well(&node);
    assert_eq!(routes(&node, 201), before);
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
}
