//! Reflectors that die, that are cut off, and that lose their label (laws 10 and 11).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::tables::{self, Tables};
use gingham_integration::topology::{Cores, Duty, Role, Timers, Zones, reference};
use gingham_integration::{Flow, Lab, Node, Pod, Store, Topology, Traffic, on_both_stores};
use gingham_model::{Family, Prefix};
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::zones::{
    Watch, aggregates, asked, blocks, lost, peers, sessions, settled, wait_for_all,
    wait_for_sessions, without, without_hops,
};
use world::{PATIENCE, change, get, says, wait, wait_for_status};

on_both_stores! {
    a_reflector_of_each_zone_dies_and_comes_back,
    without_any_reflector_the_zone_is_whole_and_others_are_known_for_a_time,
    an_isolated_reflector_stops_announcing_the_aggregate,
    a_zone_whose_reflectors_lose_their_label_keeps_them,
    a_worker_that_gets_the_label_reflects,
}

/// What may be waited for where nothing is to happen: short, but for what takes a while on a busy
/// machine.
const TIMERS: Timers = Timers {
    hold_seconds: 9,
    restart_seconds: 15,
    long_lived_stale_seconds: 25,
};

/// The nodes of zone 1 that do not reflect.
const LEFT: [&str; 4] = ["z1w1", "z1w2", "z1i1", "z1i2"];
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
fn a_reflector_of_each_zone_dies_and_comes_back(store: Store) {
    let lab = settled(store, topology());
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

/// Traffic both ways in both families.
fn flows(pods: [&Pod; 2]) -> Vec<Traffic> {
    let [a, b] = pods;
    let pairs = [(a, b), (b, a)];
    let each = pairs.map(|(from, to)| {
        Family::ALL.map(|family| Traffic::start(from, to, Flow { family, rate: 100 }).unwrap())
    });
    each.into_iter().flatten().collect()
}

fn count_lost(flows: Vec<Traffic>) -> Vec<u64> {
    let counts = flows.into_iter().map(|flow| flow.stop().unwrap());
    counts.map(|count| count.lost()).collect()
}

/// The tables when nobody tells any more what zone 1 has, and nobody tells it what others have. Those of
/// the masters themselves stay: nobody takes anything away there.
fn without_reflectors_in_zone_1(lab: &Lab) -> Tables {
    let mut left = tables::expected(lab.topology());
    let masters = ["z1m1", "z1m2"];
    let blocks = LEFT
        .iter()
        .chain(&masters)
        .flat_map(|name| blocks(lab, name));
    without(&mut left, "c1", &blocks.collect::<Vec<_>>());
    let aggregates = aggregates(lab, "z1w1");
    let routers = ["c1", "c2", "bb1", "bb2"];
    let others = lab.topology().nodes();
    let others = others.filter(|node| node.zone.as_str() != "z1");
    for name in routers
        .into_iter()
        .chain(others.map(|node| node.name.as_str()))
    {
        without(&mut left, name, &aggregates);
    }
    for name in LEFT {
        let by_core = |line: &String| {
            let learned = !line.starts_with("default ");
            learned && (line.ends_with(" via 10.1.0.1") || line.ends_with(" via fd00:1::1"))
        };
        left.get_mut(name).unwrap().retain(|line| !by_core(line));
    }
    left
}

/// FRR 8.4.4 shares no load among paths that are long-lived stale, so that of the aggregate one next hop
/// is left: blocks have one anyway.
fn assert_core_has_every_block(lab: &Lab) {
    let seen = tables::seen(lab.at("c1").unwrap()).unwrap();
    for name in LEFT.iter().chain(&["z1m1", "z1m2"]) {
        let blocks = blocks(lab, name).into_iter().zip(addresses(lab, name));
        for (block, node) in blocks {
            let line = format!("{block} via {node}");
            assert!(seen.contains(&line), "{line}: {seen:#?}");
        }
    }
}

/// What the zone's nodes know of each other comes from the cluster objects. What they know of others
/// stays for the long-lived stale time, and so does at the core what it knows of them: forwarding goes
/// on both ways.
fn without_any_reflector_the_zone_is_whole_and_others_are_known_for_a_time(store: Store) {
    let lab = settled(store, topology());
    let node = |name| lab.node(name).unwrap();
    let near = node("z1w1").add_pod("near").unwrap();
    let next = node("z1w2").add_pod("next").unwrap();
    let far = node("z2w1").add_pod("far").unwrap();
    let dead = ["z1m1", "z1m2"];

    let inside = flows([&near, &next]);
    let across = flows([&near, &far]);
    let watch = Watch::over(&lab, &LEFT);
    let died = Instant::now();
    kill_agents(&lab, &dead);
    sleep(restart_time() + restart_time() / 2);
    watch.assert_silent("while what they learned is long-lived stale");
    assert_core_has_every_block(&lab);
    assert_eq!(count_lost(across), [0; 4], "across zones");
    assert!(died.elapsed() < retention(), "looked too late");

    wait_for_sweep(&lab, &without_reflectors_in_zone_1(&lab));
    assert!(died.elapsed() > retention(), "{:?}", died.elapsed());
    assert_eq!(count_lost(inside), [0; 4], "inside the zone");

    start_agents(&lab, &dead);
    wait_for_all(&lab);
    let (inside, across) = (flows([&near, &next]), flows([&near, &far]));
    sleep(restart_time());
    assert_eq!(
        count_lost(inside),
        [0; 4],
        "the control run inside the zone"
    );
    assert_eq!(count_lost(across), [0; 4], "the control run across zones");
}

/// The nodes and the other reflector do not answer it any more, the core does.
fn an_isolated_reflector_stops_announcing_the_aggregate(store: Store) {
    let lab = settled(store, topology());
    let m1 = lab.node("z1m1").unwrap();
    let nodes = fellows_of_m1(&lab);
    isolate(&m1);

    let mut left = tables::expected(lab.topology());
    let hops = addresses(&lab, "z1m1");
    without_hops(&mut left, "c1", (&aggregates(&lab, "z1m1"), &hops));
    wait_for_sweep(&lab, &left);
    let theirs: Vec<_> = nodes.iter().flat_map(|name| blocks(&lab, name)).collect();
    let rib = asked(&m1, &["rib"]).unwrap();
    let held = |prefix: &Prefix| rib_holds(&rib, prefix);
    assert!(!theirs.iter().any(held), "{rib:#}");
    assert!(blocks(&lab, "z1m1").iter().all(held), "{rib:#}");
    assert!(!aggregates(&lab, "z1m1").iter().any(held), "{rib:#}");

    m1.exec(&["nft", "delete", "table", "inet", "isolation"])
        .unwrap();
    wait_for_all(&lab);
}

/// The other nodes of the zone of z1m1.
fn fellows_of_m1(lab: &Lab) -> Vec<&str> {
    let nodes = lab.topology().nodes();
    let others = nodes.filter(|node| node.zone.as_str() == "z1" && node.name.as_str() != "z1m1");
    others.map(|node| node.name.as_str()).collect()
}

/// Drops what BGP says to a node of zone 1, but for its core.
fn isolate(node: &Node) {
    let rules = "table inet isolation {
        chain input {
            type filter hook input priority 0;
            ip saddr 10.1.0.1 accept
            ip6 saddr fd00:1::1 accept
            tcp dport 179 drop
            tcp sport 179 drop
        }
    }";
    node.command(&["nft", "-f", "-"])
        .stdin(rules.to_owned())
        .text()
        .unwrap();
}

fn rib_holds(rib: &Value, prefix: &Prefix) -> bool {
    let prefixes = rib["prefixes"].as_array().into_iter().flatten();
    let mut prefixes = prefixes.map(|line| &line["prefix"]);
    prefixes.any(|held| *held == prefix.to_string())
}

fn has_notice(status: &Value, words: &str) -> bool {
    says(&status["notices"], &[words])
}

/// Labels vanish by mistake: nothing follows but a notice (law 11).
fn a_zone_whose_reflectors_lose_their_label_keeps_them(store: Store) {
    let lab = settled(store, reference(Zones::Two, Cores::One).unwrap());
    let nodes = [fellows_of_m1(&lab), vec!["z1m1"]].concat();
    let nodes: Vec<Node> = nodes.iter().map(|name| lab.node(name).unwrap()).collect();
    nodes.iter().for_each(wait_for_sessions);
    let before: Vec<_> = nodes.iter().map(sessions).collect();
    let watch = Watch::over(&lab, &["c1", "bb1", "z1m1", "z1m2", "z1w1", "z2w1"]);
    let masters = ["z1m1", "z1m2"];
    let objects = masters.map(|name| get(&lab, "nodes", name));

    // Not both at once: each agent hears of one while the other still has its own.
    for name in masters {
        change(&lab, ("nodes", name), |node| {
            let labels = node["metadata"]["labels"].as_object_mut().unwrap();
            labels.remove(LABEL).unwrap();
        });
        sleep(Duration::from_secs(1));
    }
    let notice = "zone z1 has no reflector any more";
    for node in &nodes {
        wait_for_status(node, "the notice", |status| has_notice(status, notice));
    }
    objects.iter().for_each(|object| lab.put(object).unwrap());
    for node in &nodes {
        wait_for_status(node, "no notice", |status| !has_notice(status, notice));
    }
    watch.assert_silent("without labels");
    let after: Vec<_> = nodes.iter().map(sessions).collect();
    assert_eq!(after, before);
    wait_for_all(&lab);
}

/// The tables while z1w2 reflects: it has a sink for the aggregate, and nobody takes it for more.
fn with_z1w2_as_reflector(lab: &Lab) -> Tables {
    let mut promoted = lab.topology().clone();
    for plan in &mut promoted.boxes {
        if let Role::Node(node) = &mut plan.role
            && node.name.as_str() == "z1w2"
        {
            node.duty = Duty::Master;
        }
    }
    let own = tables::expected(&promoted).remove("z1w2").unwrap();
    let mut tables = tables::expected(lab.topology());
    tables.insert("z1w2".to_owned(), own);
    tables
}

/// Whether both sessions of a node with z1w2 are up.
fn speaks_with_z1w2(node: &Node) -> Result<()> {
    let peers = peers(node)?;
    let up = |peer: &&Value| peer["node"] == "z1w2" && peer["state"] == "Established";
    ensure!(peers.iter().filter(up).count() == 2, "{peers:#?}");
    Ok(())
}

/// The core does not know it and refuses it, which harms nothing. Its own sessions begin anew, so that for
/// a moment only the aggregate leads to its block; nobody else's do.
fn a_worker_that_gets_the_label_reflects(store: Store) {
    let lab = settled(store, reference(Zones::Two, Cores::One).unwrap());
    let node = |name| lab.node(name).unwrap();
    let (new, near) = (node("z1w2"), node("z1w1"));
    let here = new.add_pod("here").unwrap();
    let there = node("z2w1").add_pod("there").unwrap();
    let become_one = |part: &str, change_labels: fn(&mut Map<String, Value>)| {
        change(&lab, ("nodes", "z1w2"), |node| {
            change_labels(node["metadata"]["labels"].as_object_mut().unwrap());
        });
        wait_for_status(&new, part, |status| status["bgp"]["part"] == part);
    };
    wait_for_sessions(&near);
    let before = sessions(&near);
    let watch = Watch::over(&lab, &["bb1", "z1w1", "z1m1", "z2w1"]);

    let (gone, took) = lost([&here, &there], || {
        become_one("reflector", |labels| {
            labels.insert(LABEL.to_owned(), json!(""));
        });
        for name in fellows_of_m1(&lab) {
            if name != "z1w2" {
                wait(name, || speaks_with_z1w2(&node(name)));
            }
        }
        tables::wait_for(&lab, &with_z1w2_as_reflector(&lab), PATIENCE).unwrap();
        let with = sessions(&near);
        let untouched = before.iter().all(|session| with.contains(session));
        assert!(untouched, "{with:?}");
        become_one("node", |labels| drop(labels.remove(LABEL)));
        wait_for_all(&lab);
        wait("z1w1 forgets it", || {
            let after = sessions(&near);
            ensure!(after == before, "{after:?}");
            Ok(())
        });
    });
    watch.assert_silent("while z1w2 reflected");
    let (undisturbed, _) = lost([&here, &there], || sleep(took));
    assert_eq!(undisturbed, 0, "the control run loses some itself");
    assert_eq!(gone, 0, "to and from z1w2");
}
