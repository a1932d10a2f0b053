//! Agents that restart, that withdraw, and that start while the cluster store is silent (laws 2 and 12).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::tables::{self, Tables};
use gingham_integration::topology::{Cores, Zones, reference};
use gingham_integration::{Lab, Node, Store, on_both_stores};
use gingham_model::Prefix;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, SystemTime};
use world::zones::{
    Alone, Watch, aggregates, asked, blocks, lost, peers, sessions, settled, wait_for_all,
    wait_for_sessions, without, without_hops,
};
use world::{PATIENCE, change, get, says, wait, wait_for_status};

on_both_stores! {
    restarts_lose_no_packet_and_write_no_route,
    a_node_that_goes_away_withdraws_what_it_announced,
    a_reflector_that_goes_away_is_gone_at_once,
    sessions_and_announcements_need_no_store,
    after_a_reboot_blocks_are_announced_before_the_store_answers_only_if_it_was_heard_lately,
}

/// How long no agent runs each time.
const GAP: Duration = Duration::from_millis(500);
/// What would happen after a store is back has happened by then.
const SETTLED: Duration = Duration::from_secs(3);
/// Longer than a block of a vanished node is kept for it.
const LONG_AGO: Duration = Duration::from_secs(11 * 60);
/// The file by which an operator has a node withdraw.
const WITHDRAW: &str = "/run/gingham/withdraw";
/// What the agent remembers the cluster by.
const MEMORY: &str = "/var/lib/gingham/cluster.json";

fn two_zones(store: Store) -> Alone {
    settled(store, reference(Zones::Two, Cores::One).unwrap())
}

fn restart(node: &Node, signal: Signal) {
    node.stop_agent(signal).unwrap();
    sleep(GAP);
    node.start_agent().unwrap();
    node.wait_ready(PATIENCE).unwrap();
    wait_for_sessions(node);
    let status = node.agent_status().unwrap();
    assert_eq!(status["round"]["appliedSinceStart"], 0, "{status:#}");
}

/// An upgrade is a restart by SIGTERM with another binary.
#[expect(
    clippy::print_stdout,
    reason = "a figure for who reads a test's output"
)]
fn restarts_lose_no_packet_and_write_no_route(store: Store) {
    let lab = two_zones(store);
    let node = |name| lab.node(name).unwrap();
    let (worker, reflector, far) = (node("z1w1"), node("z1m1"), node("z2w1"));
    let (here, there) = (
        worker.add_pod("here").unwrap(),
        far.add_pod("there").unwrap(),
    );
    let watch = Watch::over(&lab, &["z1w1", "z1m1", "z1m2", "c1", "bb1", "c2", "z2w1"]);
    for (node, who) in [(&worker, "worker"), (&reflector, "reflector")] {
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            let during = format!("{signal} and start of a {who}");
            let (gone, took) = lost([&here, &there], || restart(node, signal));
            watch.assert_silent(&during);
            let (undisturbed, _) = lost([&here, &there], || sleep(took));
            assert_eq!(undisturbed, 0, "the control run loses some itself");
            assert_eq!(gone, 0, "{during}");
            println!("{during}: {took:?}, nothing lost");
        }
    }
    wait_for_all(&lab);
}

/// What a node that withdraws takes from the tables: the core's way to its blocks. Those in the zone know
/// them from the cluster objects, those outside the zone's aggregate only.
fn without_blocks(lab: &Lab, node: &str) -> Tables {
    let mut left = tables::expected(lab.topology());
    without(&mut left, "c1", &blocks(lab, node));
    left
}

fn wait_for_tables(lab: &Lab, wanted: &Tables) {
    tables::wait_for(lab, wanted, PATIENCE).unwrap();
}

fn wait_for_notice(node: &Node, words: &str) {
    wait_for_status(node, words, |status| says(&status["notices"], &[words]));
}

fn held_at(node: &Node, prefix: &Prefix) -> Vec<Value> {
    let said = asked(node, &["rib", &prefix.to_string()]).unwrap();
    said["paths"].as_array().cloned().unwrap_or_default()
}

/// By a file on the node and by what its Node object says. Its routes would be kept for minutes if it
/// ended its sessions without a word.
fn a_node_that_goes_away_withdraws_what_it_announced(store: Store) {
    let lab = two_zones(store);
    let node = lab.node("z1w2").unwrap();
    let gone = without_blocks(&lab, "z1w2");
    let before = sessions(&node);
    let watch = Watch::over(&lab, &["z1w1", "z1w2", "z1m1", "c2", "bb1", "z2w1"]);

    let request = node.host().path(WITHDRAW);
    fs::write(&request, "").unwrap();
    wait_for_tables(&lab, &gone);
    wait_for_notice(&node, "/run/gingham/withdraw exists");
    fs::remove_file(&request).unwrap();
    wait_for_all(&lab);

    let object = get(&lab, "nodes", "z1w2");
    change(&lab, ("nodes", "z1w2"), |node| {
        node["status"]["conditions"] = json!([{
            "type": "Ready",
            "status": "False",
            "reason": "KubeletNotReady",
            "message": "node is shutting down",
        }]);
    });
    wait_for_tables(&lab, &gone);
    wait_for_notice(&node, "says that it is shutting down");
    lab.put(&object).unwrap();
    wait_for_all(&lab);
    assert_eq!(sessions(&node), before);
    watch.assert_silent("withdrawn and back");

    // With nothing to hear between the two, so that the end itself has to withdraw.
    fs::write(&request, "").unwrap();
    node.stop_agent(Signal::SIGTERM).unwrap();
    wait_for_tables(&lab, &gone);
    for name in ["z1m1", "z1m2"] {
        let reflector = lab.node(name).unwrap();
        for block in blocks(&lab, "z1w2") {
            assert_eq!(held_at(&reflector, &block), [json!(null); 0], "{name}");
        }
        let peers = peers(&reflector).unwrap();
        assert!(
            !peers.iter().any(|peer| peer["node"] == "z1w2"),
            "{peers:#?}"
        );
    }
    fs::remove_file(&request).unwrap();
    node.start_agent().unwrap();
    wait_for_all(&lab);
}

/// A reflector that goes away leaves the other one's paths, and nothing stale.
fn a_reflector_that_goes_away_is_gone_at_once(store: Store) {
    let lab = two_zones(store);
    let reflector = lab.node("z1m1").unwrap();
    let mut gone = without_blocks(&lab, "z1m1");
    let (aggregates, hops) = (aggregates(&lab, "z1m1"), &reflector.plan().internal_ips);
    without_hops(&mut gone, "c1", (&aggregates, hops));
    let watch = Watch::over(&lab, &["z1w1", "z1m1", "c2", "bb1", "z2w1"]);
    fs::write(reflector.host().path(WITHDRAW), "").unwrap();
    reflector.stop_agent(Signal::SIGTERM).unwrap();
    wait_for_tables(&lab, &gone);
    let worker = lab.node("z1w1").unwrap();
    wait("z1w1 keeps nothing of it", || {
        for peer in peers(&worker)? {
            let families = peer["families"].as_object().into_iter().flatten();
            let stale = families.map(|(_, family)| family["stale"].clone());
            ensure!(stale.clone().all(|stale| stale == 0), "{peer:#}");
            let held = peer["node"] == "z1m1" && peer["state"] == "Established";
            ensure!(!held, "{peer:#}");
        }
        Ok(())
    });
    watch.assert_silent("as z1m1 went away");
    fs::remove_file(reflector.host().path(WITHDRAW)).unwrap();
    reflector.start_agent().unwrap();
    wait_for_all(&lab);
}

/// Waits until a node remembers the whole cluster.
fn wait_for_memory(node: &Node) {
    wait(&format!("{} remembers", node.name()), || {
        let text = fs::read_to_string(node.host().path(MEMORY))?;
        let memory: Value = serde_json::from_str(&text)?;
        let reflectors = memory["reflectors"].as_array().map_or(0, Vec::len);
        ensure!(reflectors == 2, "{memory:#}");
        Ok(())
    });
}

/// What a node knew of the cluster outlives its agent, so that BGP needs no cluster store to begin.
fn sessions_and_announcements_need_no_store(store: Store) {
    let lab = two_zones(store);
    let nodes = ["z1w1", "z1m1"].map(|name| lab.node(name).unwrap());
    nodes.iter().for_each(wait_for_memory);
    let watch = Watch::over(&lab, &["c1", "bb1", "z1w1", "z1w2", "z1m1", "z1m2", "z2w1"]);
    lab.hide_store().unwrap();
    for node in &nodes {
        node.stop_agent(Signal::SIGKILL).unwrap();
        node.start_agent().unwrap();
        wait_for_sessions(node);
        // That it does not know the cluster is what keeps it from being ready, and it says so.
        wait_for_status(node, "not ready", |status| {
            status["ready"] == false && says(&status["reasons"], &["blocks"])
        });
    }
    wait_for_all(&lab);
    watch.assert_silent("without a cluster store");
    lab.show_store().unwrap();
    for node in &nodes {
        node.wait_ready(PATIENCE).unwrap();
    }
    sleep(SETTLED);
    watch.assert_silent("when the cluster store was back");
    wait_for_all(&lab);
}

/// A node boots: of the run before only the disk is left. `heard` is how long ago the store was heard.
fn reboot(node: &Node, heard: Duration) {
    node.stop_agent(Signal::SIGKILL).unwrap();
    let boot = format!("00000000-0000-4000-8000-{:012}", heard.as_secs());
    node.host().set_boot_id(&boot).unwrap();
    for family in ["-4", "-6"] {
        for protocol in ["200", "201", "202", "203"] {
            let flush = ["ip", family, "route", "flush", "proto", protocol];
            node.exec(&flush).unwrap();
        }
    }
    fs::remove_dir_all(node.host().path("/run/gingham")).unwrap();
    let memory = node.host().path(MEMORY);
    let memory = fs::File::options().append(true).open(memory).unwrap();
    memory.set_modified(SystemTime::now() - heard).unwrap();
    node.start_agent().unwrap();
    wait_for_sessions(node);
}

/// A node that boots while the cluster store is silent speaks BGP by what it remembers. Long after, its
/// blocks may be another node's (law 2), so that it announces none of them.
fn after_a_reboot_blocks_are_announced_before_the_store_answers_only_if_it_was_heard_lately(
    store: Store,
) {
    let lab = two_zones(store);
    let node = lab.node("z1w2").unwrap();
    wait_for_memory(&node);
    let watch = Watch::over(&lab, &["z1w1", "z1m1", "c2", "bb1", "z2w1"]);
    lab.hide_store().unwrap();
    reboot(&node, Duration::from_secs(60));
    wait_for_all(&lab);

    reboot(&node, LONG_AGO);
    let mut gone = without_blocks(&lab, "z1w2");
    without(&mut gone, "z1w2", &blocks(&lab, "z1w2"));
    wait_for_tables(&lab, &gone);
    for name in ["z1m1", "z1m2"] {
        for block in blocks(&lab, "z1w2") {
            let held = held_at(&lab.node(name).unwrap(), &block);
            assert_eq!(held, [json!(null); 0], "{name}");
        }
    }
    watch.assert_silent("before the store answered");
    lab.show_store().unwrap();
    node.wait_ready(PATIENCE).unwrap();
    wait_for_all(&lab);
}
