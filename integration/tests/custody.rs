//! A block is never in two hands (law 17): what becomes of the blocks of nodes that are gone, and of
//! blocks whose objects are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Context, Result, ensure};
use gingham_integration::kubernetes::Entry;
use gingham_integration::topology::{Duty, Place, Role, Timers, Topology};
use gingham_integration::{Lab, Store, eventually, on_both_stores};
use gingham_model::{Family, Prefix};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::zones::wait_for_sessions;
use world::{Wanted, change, get, one_zone, says, wait_for_route, wait_for_status, without_agents};

on_both_stores! {
    blocks_of_a_node_that_is_gone_are_freed_and_those_of_one_that_lives_are_not,
    without_bgp_blocks_of_a_node_that_is_gone_are_freed_after_their_delay,
    blocks_that_vanish_from_the_store_are_created_again_before_anyone_carves,
    a_block_that_is_in_other_hands_by_now_gives_out_nothing_and_is_told_of,
}

const TIMERS: Timers = Timers {
    hold_seconds: 9,
    restart_seconds: 10,
    long_lived_stale_seconds: 15,
};
/// Seconds a block stays its owner's.
const DELAY: u64 = 8;
/// Until everything has been waited for that custody waits for, ten times and more.
const PATIENCE: Duration = Duration::from_secs(180);

const REFLECTORS: [&str; 2] = ["z1m1", "z1m2"];

fn topology() -> Topology {
    let mut topology = one_zone();
    topology.timers = TIMERS;
    for (octet, suffix) in [(11, "m1"), (12, "m2"), (23, "w3")] {
        topology
            .add_worker(Place { zone: 1, octet }, suffix)
            .unwrap();
    }
    let mut boxes = topology.boxes.iter();
    let routes = boxes
        .find(|plan| plan.name == "z1w1")
        .unwrap()
        .routes
        .clone();
    for plan in &mut topology.boxes {
        // Its core is no BGP router, by whose address they would be.
        if let Role::Node(_) = plan.role {
            plan.routes.clone_from(&routes);
        }
        if let Role::Node(node) = &mut plan.role
            && REFLECTORS.contains(&node.name.as_str())
        {
            node.duty = Duty::Master;
        }
    }
    topology
}

/// A zone with two reflectors, in which little is waited for.
fn zone(store: Store) -> Lab {
    let lab = started(store, |_| {});
    lab.nodes().iter().for_each(wait_for_sessions);
    lab
}

fn started(store: Store, configure: fn(&mut Value)) -> Lab {
    let lab = without_agents(store, topology());
    change(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["blockReleaseDelaySeconds"] = json!(DELAY);
        config["spec"]["emptyBlockSeconds"] = json!(3600);
        configure(config);
    });
    world::start_agents(&lab);
    lab
}

/// The Blocks of a node.
fn blocks(lab: &Lab, node: &str) -> Vec<Value> {
    let mut blocks = lab.list("blocks").unwrap();
    blocks.retain(|block| block["spec"]["node"] == node);
    blocks
}

fn name(block: &Value) -> &str {
    block["metadata"]["name"].as_str().unwrap()
}

fn prefix(block: &Value) -> Prefix {
    block["spec"]["cidr"].as_str().unwrap().parse().unwrap()
}

/// Waits until each of these Blocks is as `wanted` says; `None` is one that is gone.
fn wait_for_each(
    lab: &Lab,
    blocks: &[Value],
    what: &str,
    wanted: impl Fn(Option<Value>) -> Result<()>,
) {
    for block in blocks {
        let what = format!("Block {}: {what}", name(block));
        eventually(&what, PATIENCE, || wanted(lab.get("blocks", name(block))?)).unwrap();
    }
}

fn is_orphaned(block: Option<Value>) -> Result<()> {
    let block = block.context("is gone")?;
    ensure!(block["spec"]["state"] == "Orphaned", "{block:#}");
    ensure!(block["status"]["orphanedSince"].is_string(), "{block:#}");
    Ok(())
}

fn is_gone(block: Option<Value>) -> Result<()> {
    match block {
        None => Ok(()),
        Some(block) => anyhow::bail!("{block:#}"),
    }
}

/// What the plugin of a node was told.
fn told(lab: &Lab, node: &str) -> Result<Value> {
    let text = lab.node(node)?.exec(&["cat", "/run/gingham/node.json"])?;
    Ok(serde_json::from_str(&text)?)
}

/// One story, for the sake of the time it takes to wait.
fn blocks_of_a_node_that_is_gone_are_freed_and_those_of_one_that_lives_are_not(store: Store) {
    let lab = zone(store);
    let (gone, unlisted, moved) = ("z1w1", "z1w2", "z1w3");
    let [theirs, others, stays] = [gone, unlisted, moved].map(|node| blocks(&lab, node));
    assert_eq!((theirs.len(), others.len()), (2, 2));

    // Of the first the Node and everything else is gone; of the second only the Node, its agent
    // and its pods are well; the third has lost its label, which a kubelet gets back.
    let dead = lab.node(gone).unwrap();
    dead.stop_agent(Signal::SIGKILL).unwrap();
    let down = ["ip", "link", "set", "eth0", "down"];
    dead.host().command(&down).text().unwrap();
    let vanished = Instant::now();
    let mut present = get(&lab, "nodes", unlisted);
    lab.remove("nodes", gone).unwrap();
    lab.remove("nodes", unlisted).unwrap();
    change(&lab, ("nodes", moved), |node| {
        let labels = node["metadata"]["labels"].as_object_mut().unwrap();
        labels.remove("topology.kubernetes.io/zone").unwrap();
    });
    wait_for_each(&lab, &theirs, "orphaned", is_orphaned);
    wait_for_each(&lab, &others, "orphaned", is_orphaned);
    let why = [unlisted, "paths to it are held"];
    eventually("a reflector says why a block stays", PATIENCE, || {
        for reflector in REFLECTORS {
            if says(&lab.node(reflector)?.agent_status()?["notices"], &why) {
                return Ok(());
            }
        }
        anyhow::bail!("no reflector says {why:?}");
    })
    .unwrap();
    wait_for_each(&lab, &theirs, "freed", is_gone);
    let took = vanished.elapsed();
    // By then its paths were stale for as long as they may be.
    let stale = u64::from(TIMERS.restart_seconds) + u64::from(TIMERS.long_lived_stale_seconds);
    assert!(took >= Duration::from_secs(stale.max(DELAY)), "{took:?}");
    for block in &theirs {
        let other = lab.node(moved).unwrap();
        wait_for_route(&other, 201, &prefix(block).to_string(), Wanted::Absent);
    }
    sleep(Duration::from_secs(2 * DELAY));
    wait_for_each(&lab, &others, "still Orphaned", is_orphaned);
    assert_eq!(states(&lab, moved), ["Active", "Active"]);
    assert_eq!(blocks(&lab, moved).len(), stays.len());

    // It is registered anew, and takes its blocks back as another Node of the same name.
    present["metadata"]["uid"] = json!("registered-anew");
    lab.put(&present).unwrap();
    let uid = get(&lab, "nodes", unlisted)["metadata"]["uid"].clone();
    wait_for_each(&lab, &others, "its owner's again", |block| {
        let block = block.context("is gone")?;
        ensure!(block["spec"]["state"] == "Active", "{block:#}");
        ensure!(block["spec"]["nodeUID"] == uid, "{block:#}");
        Ok(())
    });
    for node in [unlisted, REFLECTORS[0]] {
        let node = lab.node(node).unwrap();
        wait_for_status(&node, "ready", |status| status["ready"] == true);
    }
    if store == Store::Kubernetes {
        for (blocks, each) in [(&theirs, ORPHANED_AND_FREED), (&others, ORPHANED)] {
            for block in blocks {
                assert_eq!(written_by_reflectors(&lab, name(block)), each);
            }
        }
    }
}

/// A zone without an AS has no sessions by which a node could be heard; its Node alone tells.
fn without_bgp_blocks_of_a_node_that_is_gone_are_freed_after_their_delay(store: Store) {
    let lab = started(store, |config| config["spec"]["zones"] = json!([]));
    let (theirs, others) = (blocks(&lab, "z1w1"), blocks(&lab, "z1w2"));
    assert_eq!((theirs.len(), others.len()), (2, 2));
    lab.node("z1w1")
        .unwrap()
        .stop_agent(Signal::SIGKILL)
        .unwrap();
    let vanished = Instant::now();
    lab.remove("nodes", "z1w1").unwrap();
    wait_for_each(&lab, &theirs, "orphaned", is_orphaned);
    wait_for_each(&lab, &theirs, "freed", is_gone);
    let took = vanished.elapsed();
    assert!(took >= Duration::from_secs(DELAY), "{took:?}");
    assert_eq!(states(&lab, "z1w2"), ["Active", "Active"]);
}

/// Of two reflectors one does it, and the other one finds it done.
const ORPHANED: &[&str] = &["update status 200", "update 200"];
const ORPHANED_AND_FREED: &[&str] = &["update status 200", "update 200", "delete 200"];

/// What reflectors have written to a Block of another node, in order.
fn written_by_reflectors(lab: &Lab, block: &str) -> Vec<String> {
    let mut entries = lab.api().unwrap().audit().unwrap();
    entries.retain(|entry| {
        entry.user().ends_with(":gingham-reflector")
            && (entry.resource(), entry.writes()) == ("blocks", true)
            && entry.object_ref["name"] == block
    });
    let line = |entry: &Entry| {
        let part = entry.object_ref["subresource"].as_str().unwrap_or_default();
        format!("{} {part} {}", entry.verb, entry.code()).replace("  ", " ")
    };
    entries.iter().map(line).collect()
}

fn states(lab: &Lab, node: &str) -> Vec<Value> {
    let blocks = blocks(lab, node).into_iter();
    blocks.map(|block| block["spec"]["state"].clone()).collect()
}

/// The store is set back to before two nodes claimed their blocks.
fn blocks_that_vanish_from_the_store_are_created_again_before_anyone_carves(store: Store) {
    let lab = zone(store);
    let [holder, other] = ["z1w1", "z1w2"].map(|name| lab.node(name).unwrap());
    let (pod, far) = (
        holder.add_pod("there").unwrap(),
        other.add_pod("far").unwrap(),
    );
    let both = ["z1w1", "z1w2"];
    let before = both.map(|node| blocks(&lab, node));
    let knew = both.map(|node| told(&lab, node).unwrap());
    for block in before.iter().flatten() {
        lab.remove("blocks", name(block)).unwrap();
    }
    for block in before.iter().flatten() {
        let what = format!("Block {}: created again", name(block));
        eventually(&what, PATIENCE, || {
            let there = lab.get("blocks", name(block))?.context("is gone")?;
            ensure!(there["spec"] == block["spec"], "{there:#}");
            Ok(())
        })
        .unwrap();
    }
    for (node, before) in both.iter().zip(&before) {
        assert_eq!(blocks(&lab, node).len(), before.len(), "another was carved");
    }
    assert_eq!(both.map(|node| told(&lab, node).unwrap()), knew);
    for family in Family::ALL {
        let address = pod.address(family).unwrap();
        eventually("reached again", PATIENCE, || {
            let result = far.ping(address, 1)?;
            ensure!(result.complete(), "{result:?}");
            Ok(())
        })
        .unwrap();
    }
}

/// Worse: somebody has one of them by now. Nothing can make that good, but it must not get worse.
fn a_block_that_is_in_other_hands_by_now_gives_out_nothing_and_is_told_of(store: Store) {
    let lab = zone(store);
    let holder = lab.node("z1w1").unwrap();
    let pod = holder.add_pod("there").unwrap();
    let v4 = pod.address(Family::V4).unwrap();
    let theirs = blocks(&lab, "z1w1");
    let mut lost = theirs.into_iter().find(|block| prefix(block).contains(v4));
    let lost = lost.as_mut().unwrap();
    holder.stop_agent(Signal::SIGKILL).unwrap();
    // It would be taken for one of a node that is gone.
    lab.put(&json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "z1w9",
            "uid": "uid-of-z1w9",
            "labels": {"topology.kubernetes.io/zone": "z1"},
        },
        "status": {"addresses": [{"type": "InternalIP", "address": "10.1.0.99"}]},
    }))
    .unwrap();
    lab.remove("blocks", name(lost)).unwrap();
    lost["metadata"] = json!({"name": name(lost)});
    lost["spec"]["node"] = json!("z1w9");
    lost["spec"]["nodeUID"] = json!("uid-of-z1w9");
    lost["spec"]["nodeIPs"] = json!(["10.1.0.99"]);
    lab.put(lost).unwrap();
    holder.start_agent().unwrap();
    let cidr = prefix(lost).to_string();
    let said = ["is in the hands of node z1w9", &cidr];
    wait_for_status(&holder, "the notice", |status| {
        says(&status["notices"], &said)
    });
    eventually("the plugin is told", PATIENCE, || {
        let told = told(&lab, "z1w1")?;
        let mut blocks = told["blocks"].as_array().into_iter().flatten();
        let state = blocks.find(|block| block["cidr"] == cidr.as_str());
        ensure!(
            state.is_some_and(|block| block["state"] == "Draining"),
            "{told:#}"
        );
        Ok(())
    })
    .unwrap();
    // It gets a block it can have, and the pod that was there goes on.
    eventually("another block", PATIENCE, || {
        let own = blocks(&lab, "z1w1");
        ensure!(own.len() == 2, "{own:#?}");
        Ok(())
    })
    .unwrap();
    eventually("the plugin is told of it", PATIENCE, || {
        let told = told(&lab, "z1w1")?;
        let blocks = told["blocks"].as_array().into_iter().flatten();
        let active = blocks.filter(|block| block["state"] == "Active").count();
        ensure!(active == 2, "{told:#}");
        Ok(())
    })
    .unwrap();
    wait_for_status(&holder, "ready", |status| status["ready"] == true);
    let new = holder.add_pod("new").unwrap();
    assert!(!prefix(lost).contains(new.address(Family::V4).unwrap()));
    assert!(
        new.ping(v4, 3).unwrap().complete(),
        "the old one is still there"
    );
}
