//! BGPPeer and RouteFilter objects as they change.

use crate::hand::{
    CORE, REFLECTORS, Verb, announce_at_c1, established, peers, put, put_peer, remove, settle,
    stand, start, try_to_put_peer, up, wait_for, wait_for_notice, wait_for_session, with, zone_one,
};
use crate::world::{self, wait, wait_for_status};
use anyhow::ensure;
use gingham_integration::tables::{Tables, expected};
use gingham_integration::{Lab, Store, on_both_stores};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

on_both_stores! {
    filters_change_what_is_learned_and_no_session,
    a_core_is_found_by_gateway_by_address_and_by_selector,
}

/// What was going to happen would have within this time.
const A_WHILE: Duration = Duration::from_secs(2);

fn put_filter(lab: &Lab, name: &str, import: &Value) {
    put(lab, ("RouteFilter", name), &json!({"import": import}));
}

/// The tables with these lines at every node.
fn at_every_node(lab: &Lab, lines: &[&str]) -> Tables {
    let mut tables = expected(lab.topology());
    for node in lab.nodes() {
        with(&mut tables, node.name(), lines);
    }
    tables
}

/// The sessions with the core of zone 1, by address: name of the object and `spec.peerIP`.
const BY_ADDRESS: [(&str, &str); 2] = [("c1-v4", "10.1.0.1"), ("c1-v6", "fd00:1::1")];

/// No node has a default route but by BGP. The core announces one.
fn filters_change_what_is_learned_and_no_session(store: Store) {
    let mut topology = zone_one();
    for plan in &mut topology.boxes {
        if plan.node().is_some() {
            plan.routes.clear();
        }
    }
    let lab = stand(store, topology);
    remove(&lab, "bgppeers", "cores");
    let filters = |names: &[&str]| {
        for (name, address) in BY_ADDRESS {
            put_peer(&lab, name, &json!({"peerIP": address, "filters": names}));
        }
    };
    filters(&[]);
    start(&lab);
    let sessions = established(&lab);
    announce_at_c1(
        &lab,
        &["0.0.0.0/0", "::/0", "198.18.0.0/24"],
        Verb::Announce,
    );
    let specific = "198.18.0.0/24 via 10.1.0.1";
    wait_for(&lab, &at_every_node(&lab, &[specific]));

    let rule = |prefixes: &[&str], then: &str| {
        let prefixes: Vec<Value> = prefixes.iter().map(|p| json!({"prefix": p})).collect();
        json!([{"name": "only", "prefixes": prefixes, "then": then}])
    };
    put_filter(&lab, "defaults", &rule(&["0.0.0.0/0", "::/0"], "accept"));
    put_filter(&lab, "no-tests", &rule(&["198.18.0.0/24"], "reject"));
    let learned = ["default via 10.1.0.1", "default via fd00:1::1"];
    filters(&["defaults"]);
    wait_for(
        &lab,
        &at_every_node(&lab, &[&learned[..], &[specific]].concat()),
    );
    filters(&["defaults", "no-tests"]);
    wait_for(&lab, &at_every_node(&lab, &learned));
    // One that is not there is no filter less: what was in force stays.
    filters(&["defaults", "no-tests", "nobodys"]);
    for reflector in REFLECTORS {
        let words = [
            "spec.filters[2]",
            "nobodys",
            "its sessions stay as they were",
        ];
        wait_for_notice(&lab.node(reflector).unwrap(), &words);
    }
    sleep(A_WHILE);
    wait_for(&lab, &at_every_node(&lab, &learned));
    filters(&[]);
    wait_for(&lab, &at_every_node(&lab, &[specific]));
    assert_eq!(established(&lab), sessions);
}

/// Waits until the reflectors have sessions with the core under these names.
fn wait_for_core(lab: &Lab, names: [&str; 2]) {
    for reflector in REFLECTORS {
        for name in names {
            wait_for_session(&lab.node(reflector).unwrap(), name);
        }
    }
    settle(lab);
}

/// Waits until the reflectors have no session with the core.
fn wait_for_no_core(lab: &Lab) {
    for reflector in REFLECTORS {
        let node = lab.node(reflector).unwrap();
        wait(&format!("{reflector}: no session with the core"), || {
            let peers = peers(&node);
            let core = |peer: &&Value| BY_ADDRESS.iter().any(|(_, ip)| peer["address"] == *ip);
            ensure!(
                !peers.values().any(|peer| core(&peer)),
                "{:?}",
                peers.keys()
            );
            Ok(())
        });
    }
}

fn by_address(lab: &Lab, selected: &Value) {
    for (name, address) in BY_ADDRESS {
        let spec = json!({
            "zone": "z1", "peerIP": address, "asNumber": 64601, "nodeSelector": selected,
        });
        put_peer(lab, name, &spec);
    }
}

fn a_core_is_found_by_gateway_by_address_and_by_selector(store: Store) {
    let lab = up(store, zone_one());
    wait_for_core(&lab, CORE);

    put_peer(&lab, "cores", &json!({"zone": "z9", "defaultGateway": {}}));
    wait_for_no_core(&lab);
    let reflectors = json!({"matchExpressions": [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
    ]});
    by_address(&lab, &reflectors);
    wait_for_core(&lab, ["c1-v4-10.1.0.1", "c1-v6-fd00:1::1"]);

    a_selector_that_matches_nothing_keeps_the_sessions(&lab, &reflectors);
    a_bad_object_is_refused_and_its_last_version_stays(&lab);

    for (name, _) in BY_ADDRESS {
        remove(&lab, "bgppeers", name);
    }
    wait_for_no_core(&lab);
    lab.put(&core_as_a_node()).unwrap();
    let core = json!({"matchLabels": {"example.org/role": "core"}});
    put_peer(&lab, "selected", &json!({"peerSelector": core}));
    wait_for_core(&lab, ["selected-10.1.0.1", "selected-fd00:1::1"]);
}

/// A Node object of the core, of the kind of which every agent knows all: one for traffic from outside.
fn core_as_a_node() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "c1",
            "uid": "uid-of-c1",
            "labels": {
                "topology.kubernetes.io/zone": "z1",
                "node-restriction.kubernetes.io/gingham-ingress": "",
                "example.org/role": "core",
            },
        },
        "status": {"addresses": [
            {"type": "InternalIP", "address": "10.1.0.1"},
            {"type": "InternalIP", "address": "fd00:1::1"},
        ]},
    })
}

fn a_selector_that_matches_nothing_keeps_the_sessions(lab: &Lab, reflectors: &Value) {
    let before = established(lab);
    by_address(lab, &json!({"matchLabels": {"example.org/role": "none"}}));
    for reflector in REFLECTORS {
        let node = lab.node(reflector).unwrap();
        let words = [
            "BGPPeer c1-v6: spec.nodeSelector: example.org/role=none matches no Node",
            "its sessions stay as they were",
        ];
        wait_for_notice(&node, &words);
    }
    sleep(A_WHILE);
    settle(lab);
    assert_eq!(established(lab), before);
    by_address(lab, reflectors);
    for reflector in REFLECTORS {
        let node = lab.node(reflector).unwrap();
        wait_for_status(&node, "no notice", |status| {
            !world::says(&status["notices"], &["matches no Node"])
        });
    }
    assert_eq!(established(lab), before);
}

/// Waits until the reflectors refuse an object, and say why.
fn wait_for_refusal(lab: &Lab, name: &str, why: &str) {
    for reflector in REFLECTORS {
        let node = lab.node(reflector).unwrap();
        wait_for_status(&node, why, |status| {
            world::says(&status["refused"], &[name, why])
        });
    }
}

fn a_bad_object_is_refused_and_its_last_version_stays(lab: &Lab) {
    let before = established(lab);
    for (bad, why) in [
        (
            json!({"peerIP": "10.1.0.1", "defaultGateway": {}}),
            "spec: must have exactly one of peerIP, peerSelector and defaultGateway, has peerIP and \
             defaultGateway",
        ),
        (
            json!({"peerIP": "10.1.0.1", "asNumber": 0}),
            "spec.asNumber: 0",
        ),
    ] {
        match lab.api() {
            // The API server refuses it, in words of its own.
            Ok(_) => {
                let refusal = try_to_put_peer(lab, "c1-v4", &bad).unwrap_err();
                let refusal = format!("{refusal:#}");
                assert!(
                    refusal.contains("BGPPeer") && refusal.contains("spec"),
                    "{refusal}"
                );
            }
            Err(_) => {
                put_peer(lab, "c1-v4", &bad);
                wait_for_refusal(lab, "c1-v4", why);
            }
        }
        sleep(A_WHILE);
        settle(lab);
        assert_eq!(established(lab), before, "{why}");
    }
}
