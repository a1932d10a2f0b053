//! A block is never in two hands (law 17): what becomes of the blocks of nodes that are gone, and of
//! blocks whose objects are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::topology::{Duty, Place, Role, Timers, Topology};
use gingham_integration::{Lab, Node, eventually};
use gingham_model::Family;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::zones::wait_for_sessions;
use world::{
    Wanted, change, file, one_zone, says, wait_for_route, wait_for_status, without_agents, write,
};

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
fn zone() -> Lab {
    let lab = without_agents(topology());
    change(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["blockReleaseDelaySeconds"] = json!(DELAY);
        config["spec"]["emptyBlockSeconds"] = json!(3600);
    });
    world::start_agents(&lab);
    lab
}

fn block_files(lab: &Lab, node: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(lab.cluster_dir().join("blocks")).unwrap();
    let mut own: Vec<PathBuf> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .filter(|path| read(path).is_ok_and(|block| block["spec"]["node"] == node))
        .collect();
    own.sort();
    own
}

fn read(path: &std::path::Path) -> Result<Value> {
    Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?)
}

fn take_away(lab: &Lab, kind: &str, name: &str) -> String {
    let path = file(lab, kind, name);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    text
}

fn wait_until_orphaned(files: &[PathBuf]) {
    for path in files {
        eventually(&format!("{}: orphaned", path.display()), PATIENCE, || {
            let block = read(path)?;
            ensure!(block["spec"]["state"] == "Orphaned", "{block:#}");
            ensure!(block["status"]["orphanedSince"].is_string(), "{block:#}");
            Ok(())
        })
        .unwrap();
    }
}

fn wait_until_gone(files: &[PathBuf]) {
    for path in files {
        eventually(&format!("{}: freed", path.display()), PATIENCE, || {
            ensure!(!path.exists(), "{}", fs::read_to_string(path)?);
            Ok(())
        })
        .unwrap();
    }
}

fn node<'a>(lab: &Lab, name: &'a str) -> (Node, &'a str) {
    (lab.node(name).unwrap(), name)
}

/// One story, for the sake of the time it takes to wait.
#[test]
fn blocks_of_a_node_that_is_gone_are_freed_and_those_of_one_that_lives_are_not() {
    let lab = zone();
    let ((dead, gone), (alive, unlisted)) = (node(&lab, "z1w1"), node(&lab, "z1w2"));
    let (theirs, others) = (block_files(&lab, gone), block_files(&lab, unlisted));
    assert_eq!((theirs.len(), others.len()), (2, 2));
    let moved = "z1w3";
    let (stays, other) = (block_files(&lab, moved), lab.node(moved).unwrap());
    for node in lab.nodes() {
        wait_for_sessions(&node);
    }

    // Of the first the Node and everything else is gone; of the second only the Node, its agent
    // and its pods are well; the third has lost its label, which a kubelet gets back.
    dead.stop_agent(Signal::SIGKILL).unwrap();
    dead.host()
        .command(&["ip", "link", "set", "eth0", "down"])
        .text()
        .unwrap();
    let vanished = Instant::now();
    take_away(&lab, "nodes", gone);
    let present = take_away(&lab, "nodes", unlisted);
    change(&lab, ("nodes", moved), |node| {
        let labels = node["metadata"]["labels"].as_object_mut().unwrap();
        labels.remove("topology.kubernetes.io/zone").unwrap();
    });
    wait_until_orphaned(&theirs);
    wait_until_orphaned(&others);
    assert!(theirs.iter().all(|path| path.exists()));
    let master = lab.node("z1m1").unwrap();
    let why = [unlisted, "paths to it are held"];
    eventually("a reflector says why a block stays", PATIENCE, || {
        let said = REFLECTORS.map(|name| lab.node(name).unwrap().agent_status().unwrap());
        let said = said.iter().any(|status| says(&status["notices"], &why));
        ensure!(said, "no reflector says {why:?}");
        Ok(())
    })
    .unwrap();
    wait_until_gone(&theirs);
    let took = vanished.elapsed();
    // By then its paths were stale for as long as they may be.
    let stale = u64::from(TIMERS.restart_seconds) + u64::from(TIMERS.long_lived_stale_seconds);
    assert!(took >= Duration::from_secs(stale.max(DELAY)), "{took:?}");
    for path in theirs.iter().map(|path| prefix_of(path)) {
        wait_for_route(&other, 201, &path, Wanted::Absent);
    }
    sleep(Duration::from_secs(2 * DELAY));
    assert!(others.iter().chain(&stays).all(|path| path.exists()));
    assert!(
        stays
            .iter()
            .all(|path| read(path).unwrap()["spec"]["state"] == "Active")
    );
    wait_for_status(&master, "ready", |status| status["ready"] == true);

    // It is registered anew, and takes its blocks back as another Node of the same name.
    write(
        &file(&lab, "nodes", unlisted),
        &present.replace("uid: ", "uid: again-"),
    );
    for path in &others {
        eventually("the block is its owner's again", PATIENCE, || {
            let block = read(path)?;
            ensure!(block["spec"]["state"] == "Active", "{block:#}");
            let uid = block["spec"]["nodeUID"].as_str().unwrap();
            ensure!(uid.starts_with("again-"), "{block:#}");
            Ok(())
        })
        .unwrap();
    }
    wait_for_status(&alive, "ready", |status| status["ready"] == true);
}

/// `10.101.21.0/24` of its file.
fn prefix_of(path: &std::path::Path) -> String {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let (address, length) = name.rsplit_once('-').unwrap();
    match address.split('-').count() {
        4 => format!("{}/{length}", address.replace('-', ".")),
        _ => {
            let address: std::net::Ipv6Addr = address.replace('-', ":").parse().unwrap();
            format!("{address}/{length}")
        }
    }
}

/// The store is set back to before two nodes claimed their blocks. One of them has pods, the other
/// one carves as soon as it may.
#[test]
fn blocks_that_vanish_from_the_store_are_created_again_before_anyone_carves() {
    let lab = zone();
    let ((holder, name), (other, _)) = (node(&lab, "z1w1"), node(&lab, "z1w2"));
    let pod = holder.add_pod("there").unwrap();
    let far = other.add_pod("far").unwrap();
    let (theirs, others) = (block_files(&lab, name), block_files(&lab, "z1w2"));
    let before: Vec<String> = theirs
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let told = holder.exec(&["cat", "/run/gingham/node.json"]).unwrap();
    for path in theirs.iter().chain(&others) {
        fs::remove_file(path).unwrap();
    }
    for path in theirs.iter().chain(&others) {
        eventually("created again", PATIENCE, || {
            ensure!(path.exists(), "{}", path.display());
            Ok(())
        })
        .unwrap();
    }
    for (path, before) in theirs.iter().zip(before) {
        let before: Value = serde_saphyr::from_str(&before).unwrap();
        assert_eq!(read(path).unwrap()["spec"], before["spec"]);
    }
    assert_eq!(block_files(&lab, name), theirs, "and no other was carved");
    assert_eq!(
        holder.exec(&["cat", "/run/gingham/node.json"]).unwrap(),
        told
    );
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
#[test]
fn a_block_that_is_in_other_hands_by_now_gives_out_nothing_and_is_told_of() {
    let lab = zone();
    let (holder, name) = node(&lab, "z1w1");
    let pod = holder.add_pod("there").unwrap();
    let v4 = pod.address(Family::V4).unwrap();
    let theirs = block_files(&lab, name);
    let path = theirs
        .iter()
        .find(|path| !prefix_of(path).contains(':'))
        .unwrap();
    holder.stop_agent(Signal::SIGKILL).unwrap();
    change(
        &lab,
        ("blocks", path.file_stem().unwrap().to_str().unwrap()),
        |block| {
            block["spec"]["node"] = json!("z1w9");
            block["spec"]["nodeUID"] = json!("uid-of-z1w9");
            block["spec"]["nodeIPs"] = json!(["10.1.0.99"]);
        },
    );
    // It would be taken for one of a node that is gone.
    let mut ninth = read(&file(&lab, "nodes", "z1w2")).unwrap();
    ninth["metadata"]["name"] = json!("z1w9");
    ninth["metadata"]["uid"] = json!("uid-of-z1w9");
    write(&file(&lab, "nodes", "z1w9"), &ninth.to_string());
    holder.start_agent().unwrap();
    let said = ["is in the hands of node z1w9", &prefix_of(path)];
    wait_for_status(&holder, "the notice", |status| {
        says(&status["notices"], &said)
    });
    eventually("the plugin is told", PATIENCE, || {
        let told: Value = serde_json::from_str(&holder.exec(&["cat", "/run/gingham/node.json"])?)?;
        let blocks = told["blocks"].as_array().unwrap().iter();
        let mut lost = blocks.filter(|block| block["cidr"] == prefix_of(path));
        let state = lost.next().map(|block| block["state"].clone());
        ensure!(state == Some(json!("Draining")), "{told:#}");
        Ok(())
    })
    .unwrap();
    // It gets a block it can have, and the pod that was there goes on.
    eventually("another block", PATIENCE, || {
        let own = block_files(&lab, name).len();
        ensure!(own == 2, "{own}");
        Ok(())
    })
    .unwrap();
    wait_for_status(&holder, "ready", |status| status["ready"] == true);
    let new = holder.add_pod("new").unwrap();
    assert_ne!(new.address(Family::V4).unwrap(), v4);
    assert!(
        new.ping(v4, 3).unwrap().complete(),
        "the old one is still there"
    );
    holder.del_pod("there").unwrap();
    holder.del_pod("new").unwrap();
}
