//! Agents over a real API server: while it is dead, when it is back, when it forgets, and when many
//! ask it at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::kubernetes::Entry;
use gingham_integration::topology::{Cores, Place, Role, Topology, Zones, reference};
use gingham_integration::{Flow, Lab, Node, Pod, RouteMonitor, Store, Traffic, eventually};
use gingham_model::{Block, Family, Prefix};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::zones::{
    Watch, blocks, lost, sessions, settled, wait_for_all, wait_for_sessions, without,
};
use world::{
    PATIENCE, Wanted, block, get, ip, one_zone, routes, says, start_agents, up, wait,
    wait_for_repair, wait_for_route, wait_for_status, without_agents,
};

/// How long the API server is dead.
const DEAD: Duration = Duration::from_secs(75);
/// What was going to happen would have within this time.
const A_WHILE: Duration = Duration::from_secs(5);
/// Until an agent has noticed that the API server is back, and more: after long it asks every half
/// minute.
const HEARD: Duration = Duration::from_secs(120);
/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(20);
/// How long an operator takes at least to restore etcd.
const RESTORING: Duration = Duration::from_secs(15);
/// More pods than a /28 has addresses.
const MANY: usize = 20;
/// The file by which an operator has a node withdraw.
const WITHDRAW: &str = "/run/gingham/withdraw";

fn two_zones() -> Topology {
    reference(Zones::Two, Cores::One).unwrap()
}

/// What agents have asked of the API server.
fn asked(lab: &Lab) -> Vec<Entry> {
    let mut entries = lab.api().unwrap().audit().unwrap();
    let of_agents = "system:serviceaccount:gingham-system:";
    entries.retain(|entry| entry.user().starts_with(of_agents));
    entries
}

/// What agents have written, refused or not, but for what they tell of themselves.
fn written(lab: &Lab) -> Vec<String> {
    let entries = asked(lab).into_iter();
    let tells = |entry: &Entry| {
        let tells = ["leases", "events"].contains(&entry.resource());
        tells || entry.object_ref["subresource"] == "status"
    };
    let writes = entries.filter(|entry| entry.writes() && !tells(entry));
    writes
        .map(|entry| format!("{} {} {}", entry.verb, entry.uri, entry.code()))
        .collect()
}

/// Whether the agent says of its sources that they are in this state.
fn all_sources_are(status: &Value, state: &str) -> bool {
    let sources = status["sources"].as_array().unwrap();
    sources.iter().all(|source| source["state"] == state)
}

/// Pods start, damage is repaired and BGP goes on, by what the agents know.
#[test]
fn a_minute_without_the_api_server_is_nothing_to_pods_routes_and_sessions() {
    let lab = settled(Store::Kubernetes, two_zones());
    let (api, nodes) = (lab.api().unwrap(), lab.nodes());
    nodes.iter().for_each(wait_for_sessions);
    let before: Vec<_> = nodes.iter().map(sessions).collect();
    let node = |name| lab.node(name).unwrap();
    let (near, far) = (node("z1w1"), node("z2w1"));
    let watch = Watch::over(&lab, &["c2", "bb1", "z1w2", "z1m1", "z2m1"]);
    let writes = written(&lab);

    api.kill().unwrap();
    let dead = Instant::now();
    let (a, b) = (near.add_pod("a").unwrap(), far.add_pod("b").unwrap());
    ip(near.host(), &["route delete 10.101.22.0/24 proto 201"]);
    wait_for_repair("a route, without the API server", || {
        let routes = routes(&near, 201);
        let there = routes
            .iter()
            .any(|route| route.starts_with("10.101.22.0/24 "));
        ensure!(there, "{routes:#?}");
        Ok(())
    });
    for node in &nodes {
        let status = wait_for_status(node, "a lost store", |status| {
            all_sources_are(status, "Lost")
        });
        assert_eq!(status["ready"], true, "{status:#}");
        let since = &status["sources"][0]["since"];
        assert!(since.is_string(), "{status:#}");
    }
    let (gone, _) = lost([&a, &b], || sleep(DEAD.saturating_sub(dead.elapsed())));
    assert_eq!(gone, 0);
    watch.assert_silent("while the API server was dead");
    let after: Vec<_> = nodes.iter().map(sessions).collect();
    assert_eq!(after, before);

    // What one node says to the others needs no API server either.
    let withdraw = node("z1w2").host().path(WITHDRAW);
    let mut withdrawn = gingham_integration::tables::expected(lab.topology());
    without(&mut withdrawn, "c1", &blocks(&lab, "z1w2"));
    fs::write(&withdraw, "").unwrap();
    gingham_integration::tables::wait_for(&lab, &withdrawn, PATIENCE).unwrap();
    fs::remove_file(&withdraw).unwrap();
    wait_for_all(&lab);

    api.restart().unwrap();
    let back = Instant::now();
    for node in &nodes {
        eventually("all is heard again", HEARD, || {
            let status = node.agent_status()?;
            let heard = all_sources_are(&status, "Synced") && status["ready"] == true;
            ensure!(heard, "{}: {status:#}", node.name());
            Ok(())
        })
        .unwrap();
    }
    println!(
        "all is heard {:?} after the API server was ready",
        back.elapsed()
    );
    assert_eq!(written(&lab), writes);
    // The policies of an API server that has just started know no parameters for a moment.
    let block = serde_saphyr::from_str(&block("10.101.99.0/24", "z1w9", "10.1.0.99")).unwrap();
    wait("a block is taken", || lab.put(&block));
    wait_for_route(&near, 201, "10.101.99.0/24", Wanted::Present);
}

/// It knows its routes by the kernel, and its blocks by what it left on disk.
#[test]
fn an_agent_that_starts_without_the_api_server_changes_nothing_and_pods_start() {
    let lab = up(Store::Kubernetes, one_zone());
    let (node, other) = (lab.node("z1w1").unwrap(), lab.node("z1w2").unwrap());
    let far = other.add_pod("far").unwrap();
    let (api, before) = (lab.api().unwrap(), routes(&node, 201));
    let writes = written(&lab);
    node.stop_agent(Signal::SIGKILL).unwrap();
    api.kill().unwrap();
    let monitor = RouteMonitor::start(node.host()).unwrap();
    node.start_agent().unwrap();
    let status = wait_for_status(&node, "a round", |status| {
        status["round"]["number"].as_u64() > Some(0)
    });
    assert_eq!(status["ready"], false, "{status:#}");
    assert!(says(&status["reasons"], &["blocks"]), "{status:#}");
    sleep(A_WHILE);
    assert_eq!(routes(&node, 201), before);
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
    let pod = node.add_pod("pod").unwrap();
    assert!(
        pod.ping(far.address(Family::V4).unwrap(), 3)
            .unwrap()
            .complete()
    );

    let monitor = RouteMonitor::start(node.host()).unwrap();
    api.restart().unwrap();
    node.wait_ready(PATIENCE).unwrap();
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
    assert_eq!(written(&lab), writes);
}

/// How many nodes ask for their first blocks at one time.
const CROWD: u8 = 50;

/// One zone of many workers, without blocks. Its pool has little more than it takes.
fn crowd() -> Topology {
    let mut topology = one_zone();
    for number in 0..CROWD - 2 {
        let place = Place {
            zone: 1,
            octet: 100 + number,
        };
        topology.add_worker(place, &format!("x{number}")).unwrap();
    }
    // The way out is everybody's.
    let first = topology.boxes.iter().find(|plan| plan.name == "z1w1");
    let routes = first.unwrap().routes.clone();
    let new = topology.boxes.iter_mut();
    for plan in new.filter(|plan| plan.name.starts_with("z1x")) {
        plan.routes.clone_from(&routes);
    }
    without_blocks(&mut topology);
    for cidr in &mut topology.zones[0].pod_cidrs {
        if cidr.family() == Family::V4 {
            *cidr = "10.101.0.0/18".parse().unwrap();
        }
    }
    topology
}

fn without_blocks(topology: &mut Topology) {
    for plan in &mut topology.boxes {
        if let Role::Node(node) = &mut plan.role {
            node.blocks.clear();
        }
    }
}

/// The blocks at the API server, by owner.
fn owners(lab: &Lab) -> Result<BTreeMap<String, Vec<Block>>> {
    let mut owners: BTreeMap<String, Vec<Block>> = BTreeMap::new();
    for object in lab.list("blocks")? {
        let block: Block = serde_json::from_value(object["spec"].clone())?;
        owners
            .entry(block.node.to_string())
            .or_default()
            .push(block);
    }
    Ok(owners)
}

#[test]
fn fifty_agents_that_claim_at_once_get_a_block_each() {
    let lab = without_agents(Store::Kubernetes, crowd());
    let start = Instant::now();
    start_agents(&lab);
    println!("{CROWD} agents are ready after {:?}", start.elapsed());
    let owners = owners(&lab).unwrap();
    assert_eq!(owners.len(), usize::from(CROWD));
    let mut all = Vec::new();
    for node in lab.nodes() {
        let own = &owners[node.name()];
        let of = |family| {
            own.iter()
                .filter(|block| block.cidr.family() == family)
                .count()
        };
        assert_eq!(Family::ALL.map(of), [1, 1], "{own:#?}");
        assert!(own.iter().all(|block| block.node_uid == node.plan().uid));
        all.extend(own.iter().map(|block| block.cidr));
    }
    all.sort();
    assert!(
        all.windows(2).all(|pair| !pair[0].overlaps(pair[1])),
        "{all:?}"
    );
    let creates = asked(&lab).into_iter();
    let creates = creates.filter(|entry| entry.verb == "create" && entry.resource() == "blocks");
    let (made, taken): (Vec<Entry>, Vec<Entry>) = creates.partition(|entry| entry.code() == 201);
    println!("{} blocks created, {} were taken", made.len(), taken.len());
    assert_eq!(made.len(), 2 * usize::from(CROWD));
    assert!(taken.iter().all(|entry| entry.code() == 409), "{taken:#?}");

    // And everybody has a way to everybody.
    for node in lab.nodes() {
        wait("all routes", || {
            let routes = routes(&node, 201);
            ensure!(
                routes.len() == 2 * usize::from(CROWD - 1),
                "{}",
                routes.len()
            );
            Ok(())
        });
    }
}

/// Traffic between two pods, both ways, in both families.
fn flows(a: &Pod, b: &Pod) -> Vec<Traffic> {
    let flow = |family| Flow { family, rate: 100 };
    let ways = [(a, b), (b, a)].into_iter();
    let all = ways.flat_map(|(a, b)| Family::ALL.map(|family| (a, b, flow(family))));
    all.map(|(a, b, flow)| Traffic::start(a, b, flow).unwrap())
        .collect()
}

fn count_lost(flows: Vec<Traffic>) -> u64 {
    let counts = flows.into_iter().map(|flow| flow.stop().unwrap());
    counts.map(|count| count.lost()).sum()
}

#[test]
fn a_node_that_is_deleted_and_registered_again_keeps_its_blocks_and_loses_no_packet() {
    let lab = settled(Store::Kubernetes, two_zones());
    let node = |name| lab.node(name).unwrap();
    let (gone, near, far) = (node("z1w2"), node("z1w1"), node("z2w1"));
    let pods = [&gone, &near, &far].map(|node| node.add_pod("pod").unwrap());
    let watch = Watch::over(&lab, &["c1", "c2", "bb1", "z1w1", "z1w2", "z1m1", "z2w1"]);
    let flows = [flows(&pods[0], &pods[1]), flows(&pods[0], &pods[2])];

    let object = get(&lab, "nodes", "z1w2");
    lab.remove("nodes", "z1w2").unwrap();
    wait_for_status(&gone, "no Node", |status| {
        let sources = status["sources"].to_string();
        says(&status["reasons"], &["z1w2"])
            || says(&status["notices"], &["z1w2"])
            || sources.contains("z1w2")
    });
    sleep(A_WHILE);
    lab.put(&object).unwrap();
    let uid = get(&lab, "nodes", "z1w2")["metadata"]["uid"].clone();
    assert_ne!(uid, object["metadata"]["uid"]);
    wait("its blocks are those of the new Node", || {
        let owners = owners(&lab)?;
        let own = &owners["z1w2"];
        ensure!(own.len() == 2, "{own:#?}");
        ensure!(
            own.iter().all(|block| json!(block.node_uid) == uid),
            "{own:#?}"
        );
        Ok(())
    });
    gone.wait_ready(PATIENCE).unwrap();
    for flows in flows {
        assert_eq!(count_lost(flows), 0);
    }
    watch.assert_silent("while there was no Node");
    wait_for_all(&lab);
}

/// One zone whose nodes have no blocks yet, and get small ones.
fn small_blocks() -> Lab {
    let mut topology = one_zone();
    without_blocks(&mut topology);
    let lab = without_agents(Store::Kubernetes, topology);
    // An API server lets no pool change its size of blocks.
    let mut pool = get(&lab, "zonepools", "z1");
    pool["spec"]["blockSize"]["v4"] = json!(28);
    lab.remove("zonepools", "z1").unwrap();
    lab.put(&pool).unwrap();
    start_agents(&lab);
    lab
}

/// The IPv4 blocks of a node at the API server.
fn v4_blocks(lab: &Lab, node: &Node) -> Result<Vec<Prefix>> {
    let owners = owners(lab)?;
    let own = owners.get(node.name()).into_iter().flatten();
    let v4 = own.filter(|block| block.cidr.family() == Family::V4);
    Ok(v4.map(|block| block.cidr).collect())
}

/// Adds pods until one has an address of another block than `first`.
fn outgrow(node: &Node, first: Prefix) -> Pod {
    for number in 0..MANY {
        // A runtime tries again when the node is full for the moment.
        let add = || node.add_pod(&format!("p{number}"));
        let pod = eventually("room for a pod", HEARD, add).unwrap();
        if !first.contains(pod.address(Family::V4).unwrap()) {
            return pod;
        }
    }
    panic!("{}: {MANY} pods and no other block", node.name())
}

/// Blocks that were claimed since are forgotten, and their pods live on: nobody else may carve them.
#[test]
fn blocks_that_etcd_has_forgotten_are_created_again_before_anyone_takes_them() {
    let lab = small_blocks();
    let (z1w1, z1w2) = (lab.node("z1w1").unwrap(), lab.node("z1w2").unwrap());
    let (api, other) = (lab.api().unwrap(), z1w2.add_pod("other").unwrap());
    let [first, first_of_other] = [&z1w1, &z1w2].map(|node| v4_blocks(&lab, node).unwrap()[0]);
    api.stop().unwrap();
    let snapshot = api.snapshot("before").unwrap();
    api.restart().unwrap();

    let pod = outgrow(&z1w1, first);
    let own = wait("another block", || {
        let own = v4_blocks(&lab, &z1w1)?;
        ensure!(own.len() == 2, "{own:?}");
        Ok(own)
    });
    let forgotten = own.into_iter().find(|block| *block != first).unwrap();
    wait_for_route(&z1w2, 201, &forgotten.to_string(), Wanted::Present);
    let flows = flows(&pod, &other);

    api.stop().unwrap();
    api.restore(&snapshot).unwrap();
    sleep(RESTORING);
    api.restart().unwrap();
    // The other node is in need of a block at the same time.
    outgrow(&z1w2, first_of_other);
    eventually("the forgotten block is there again", HEARD, || {
        let own = v4_blocks(&lab, &z1w1)?;
        ensure!(own.contains(&forgotten), "{forgotten} is not in {own:?}");
        Ok(())
    })
    .unwrap();
    let theirs = v4_blocks(&lab, &z1w2).unwrap();
    assert!(!theirs.contains(&forgotten), "{theirs:?}");
    wait_for_route(&z1w2, 201, &forgotten.to_string(), Wanted::Present);
    for node in [&z1w1, &z1w2] {
        node.wait_ready(PATIENCE).unwrap();
    }
    assert!(
        pod.ping(other.address(Family::V4).unwrap(), 3)
            .unwrap()
            .complete()
    );
    println!("{} packets lost while etcd went back", count_lost(flows));
}

/// No agent ever reads all Nodes or all Blocks (law 15), and none asks for anything when nothing happens.
#[test]
fn every_list_and_watch_of_nodes_and_blocks_carries_a_selector() {
    let lab = settled(Store::Kubernetes, two_zones());
    let lists = |entries: &[Entry]| -> Vec<String> {
        let of_many = entries.iter().filter(|entry| {
            ["list", "watch"].contains(&&*entry.verb)
                && ["nodes", "blocks"].contains(&entry.resource())
        });
        of_many
            .map(|entry| format!("{} {}", entry.user(), entry.uri))
            .collect()
    };
    let entries = asked(&lab);
    let all = lists(&entries);
    let bare =
        |line: &&String| !line.contains("labelSelector=") && !line.contains("fieldSelector=");
    assert_eq!(all.iter().find(bare), None);
    let agents = lab.nodes().len();
    assert!(all.len() >= 3 * agents, "{agents} agents: {all:#?}");
    println!(
        "{agents} agents: {} lists and watches of Nodes and Blocks",
        all.len()
    );

    eventually("nothing is asked", HEARD, || {
        let before = asked(&lab).len();
        sleep(QUIET);
        let entries = asked(&lab).split_off(before);
        let others: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.resource() != "leases")
            .collect();
        ensure!(others.is_empty(), "{others:#?}");
        Ok(())
    })
    .unwrap();
}
