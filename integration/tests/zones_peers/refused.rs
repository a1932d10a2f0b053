//! What a core or a node may not say is refused with a reason that is counted, and harms nobody.

use crate::hand::{
    CORE, REFLECTORS, Verb, announce_at_c1, announce_at_c1_to_all, assert_tables, peers, settle,
    two_zones, up, wait_for, with,
};
use crate::world::{PATIENCE, wait};
use anyhow::ensure;
use gingham_integration::tables::{Tables, expected};
use gingham_integration::{Binaries, Lab, Node, Process, Store, on_both_stores};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

on_both_stores! {
    what_a_core_may_not_say_is_refused_counted_and_harms_nobody,
    what_a_node_may_not_say_is_refused_by_origin_and_harms_only_itself,
}

/// What would have spread within this time.
const A_WHILE: Duration = Duration::from_secs(2);

/// Prefixes the core may not announce, and why not.
const FORBIDDEN: [(&str, &str); 10] = [
    ("0.0.0.0/0", "default-route"),
    ("10.101.0.0/16", "own-pool"),
    ("10.1.0.128/25", "own-node-subnet"),
    ("10.101.21.0/24", "zoneBlock"),
    ("169.254.7.0/24", "martian"),
    ("::/0", "default-route"),
    ("fd00:101::/48", "own-pool"),
    ("fd00:1:0:0:8000::/65", "own-node-subnet"),
    ("fd00:101:0:21::/64", "zoneBlock"),
    ("ff05:7::/32", "martian"),
];

/// The paths of each family that are refused now, by reason, as `peers` has them.
fn refused(node: &Node, peer: &str) -> Value {
    let peers = peers(node);
    let families = peers[peer]["families"].as_object().unwrap();
    let mut families = families.values();
    families.next().unwrap()["refused"].clone()
}

/// The samples of `gingham_bgp_paths_refused_total` for a peer, as `reason value`.
fn refused_in_metrics(lab: &Lab, node: &Node, peer: &str) -> Vec<(String, u64)> {
    let address = node.plan().internal_ips[0].to_string();
    let get = format!(
        "exec 3<>/dev/tcp/{address}/9179 && \
         printf 'GET /metrics HTTP/1.0\\r\\nHost: {address}\\r\\n\\r\\n' >&3 && cat <&3"
    );
    let text = lab.at("c1").unwrap().exec(&["bash", "-c", &get]).unwrap();
    let lines = text.lines().filter_map(|line| {
        let labels = line.strip_prefix("gingham_bgp_paths_refused_total{")?;
        let (labels, value) = labels.split_once("} ")?;
        labels.contains(&format!("peer=\"{peer}\"")).then_some(())?;
        let (_, reason) = labels.split_once("reason=\"")?;
        Some((reason.split('"').next()?.to_owned(), value.parse().ok()?))
    });
    lines.collect()
}

/// Waits until exactly these are refused, and each reason is counted at least as often in the report
/// and in the metrics.
fn wait_for_refusals(lab: &Lab, node: &Node, (peer, series): (&str, &str), wanted: &Value) {
    wait(&format!("{}: {peer}: refused", node.name()), || {
        let now = refused(node, peer);
        ensure!(now == *wanted, "{now}");
        Ok(())
    });
    let counters = peers(node)[peer]["refused"].clone();
    let samples = refused_in_metrics(lab, node, series);
    for (reason, now) in wanted.as_object().unwrap() {
        let now = now.as_u64().unwrap();
        assert!(
            counters[reason].as_u64() >= Some(now),
            "{reason}: {counters}"
        );
        let sample = samples.iter().find(|(of, _)| of == reason);
        assert!(
            sample.is_some_and(|(_, count)| *count >= now),
            "{reason}: {samples:?}"
        );
    }
}

/// A core that announces a prefix gives up the path it had learned, which is its own harm; the tables
/// without what it gave up.
fn without_what_the_core_gave_up(lab: &Lab) -> Tables {
    let mut tables = expected(lab.topology());
    let gave_up = |line: &String| {
        FORBIDDEN
            .iter()
            .any(|(prefix, _)| line.starts_with(&format!("{prefix} ")))
    };
    tables.get_mut("c1").unwrap().retain(|line| !gave_up(line));
    tables
}

fn what_a_core_may_not_say_is_refused_counted_and_harms_nobody(store: Store) {
    let lab = up(store, two_zones());
    let before = json!({"own-node-subnet": 1});
    let after = json!({
        "default-route": 1, "martian": 1, "own-node-subnet": 2, "own-pool": 1, "zoneBlock": 1,
    });
    wait_for_refusals_of_the_core(&lab, &before);
    let forbidden = |wanted: fn(&str) -> bool| -> Vec<&str> {
        let all = FORBIDDEN.iter().filter(|(_, reason)| wanted(reason));
        all.map(|(prefix, _)| *prefix).collect()
    };
    // The backbone has the pool by this core anyway, and must not lose it.
    let pool = forbidden(|reason| reason == "own-pool");
    let others = forbidden(|reason| reason != "own-pool");
    announce_at_c1_to_all(&lab, &pool, Verb::Announce);
    announce_at_c1(&lab, &others, Verb::Announce);
    wait_for_refusals_of_the_core(&lab, &after);
    wait_for(&lab, &without_what_the_core_gave_up(&lab));
    sleep(A_WHILE);
    assert_tables(&lab, &without_what_the_core_gave_up(&lab));
    announce_at_c1_to_all(&lab, &pool, Verb::Withdraw);
    announce_at_c1(&lab, &others, Verb::Withdraw);
    settle(&lab);
    inside_a_block(&lab);
    specifics_and_supernets(&lab);
}

/// Waits until both reflectors refuse exactly these paths of each family to the core.
fn wait_for_refusals_of_the_core(lab: &Lab, wanted: &Value) {
    for name in REFLECTORS {
        for peer in CORE {
            wait_for_refusals(lab, &lab.node(name).unwrap(), (peer, peer), wanted);
        }
    }
}

/// A part of a block would win over the zone's own route by its length: its reflector refuses it, and so
/// does every other.
fn inside_a_block(lab: &Lab) {
    let prefix = ["10.101.11.128/25"];
    announce_at_c1(lab, &prefix, Verb::Announce);
    for (name, reason) in [("z1m1", "ownBlock"), ("z1m2", "zoneBlock")] {
        let wanted = json!({"own-node-subnet": 1, reason: 1});
        wait_for_refusals(lab, &lab.node(name).unwrap(), (CORE[0], CORE[0]), &wanted);
    }
    sleep(A_WHILE);
    let mut tables = expected(lab.topology());
    tables.remove("c1");
    assert_tables(lab, &tables);
    announce_at_c1(lab, &prefix, Verb::Withdraw);
    settle(lab);
}

/// What a core may say every node of the zone learns.
fn specifics_and_supernets(lab: &Lab) {
    let prefixes = ["198.18.0.0/24", "10.96.0.0/11", "2001:db8:77::/48"];
    announce_at_c1(lab, &prefixes, Verb::Announce);
    let mut tables = expected(lab.topology());
    for node in lab.nodes() {
        if node.plan().zone.as_str() == "z1" {
            let lines = [
                "198.18.0.0/24 via 10.1.0.1",
                "10.96.0.0/11 via 10.1.0.1",
                "2001:db8:77::/48 via fd00:1::1",
            ];
            with(&mut tables, node.name(), &lines);
        }
    }
    wait_for(lab, &tables);
    announce_at_c1(lab, &prefixes, Verb::Withdraw);
    settle(lab);
}

/// A speaker at the address of z1w2, whose agent is gone, that announces another node's block, and its
/// own with a next hop that is not its own.
fn impostor(lab: &Lab) -> Process {
    let node = lab.node("z1w2").unwrap();
    node.stop_agent(Signal::SIGKILL).unwrap();
    let neighbours = ["10.1.0.11", "10.1.0.12"].map(|address| {
        json!({
            "name": address, "address": address, "localAddress": "10.1.0.22", "asn": 64601,
            "connect": "active", "holdSeconds": 9,
        })
    });
    let config = json!({
        "asn": 64601,
        "routerId": "10.1.0.22",
        "neighbours": neighbours,
        "announce": [
            {"prefix": "10.101.21.0/24"},
            {"prefix": "10.101.22.0/24", "nextHop": "10.1.0.99"},
        ],
    });
    let path = "/run/impostor.yaml";
    std::fs::write(node.host().path(path), config.to_string()).unwrap();
    let speaker = Binaries::speaker().unwrap().display().to_string();
    node.host().spawn("impostor", &[&speaker, path]).unwrap()
}

fn what_a_node_may_not_say_is_refused_by_origin_and_harms_only_itself(store: Store) {
    let lab = up(store, two_zones());
    let impostor = impostor(&lab);
    let (peer, series) = ("nodes-10.1.0.0-24/10.1.0.22", "nodes-10.1.0.0-24");
    for name in REFLECTORS {
        let node = lab.node(name).unwrap();
        wait(&format!("{name}: the impostor's session"), || {
            ensure!(peers(&node).contains_key(peer), "none");
            Ok(())
        });
        let wanted = json!({"notItsBlock": 1, "notItsNextHop": 1});
        wait_for_refusals(&lab, &node, (peer, series), &wanted);
    }
    let mut tables = expected(lab.topology());
    let core = tables.get_mut("c1").unwrap();
    let own = core
        .iter()
        .position(|line| line == "10.101.22.0/24 via 10.1.0.22");
    core.remove(own.unwrap());
    wait_for(&lab, &tables);
    sleep(A_WHILE);
    assert_tables(&lab, &tables);
    impostor.stop(Signal::SIGTERM, PATIENCE).unwrap();
    let node = lab.node("z1w2").unwrap();
    node.start_agent().unwrap();
    node.wait_ready(PATIENCE).unwrap();
    settle(&lab);
}
