//! Keys of sessions (RFC 2385), from files and Secrets; and changes of sessions that touch no others.

use crate::hand::{
    CORE, REFLECTORS, configure_c1, established, peers, put_peer, settle, up,
    wait_for_all_sessions, zone_one,
};
use crate::world::{change, wait};
use anyhow::ensure;
use gingham_integration::kubernetes::NAMESPACE;
use gingham_integration::{Lab, Node, Store, on_both_stores};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

on_both_stores! {
    keys_and_timers_concern_their_own_sessions_only,
}

/// The addresses of the reflectors, as the core has them.
const ENDS: [&str; 4] = ["10.1.0.11", "10.1.0.12", "fd00:1::11", "fd00:1::12"];

/// Puts a key where the agents of these nodes look for it: in a file of each, or in a Secret, which is
/// everybody's.
fn put_keys(lab: &Lab, nodes: &[Node], (secret, key): (&str, &str)) {
    let Ok(api) = lab.api() else {
        return nodes.iter().for_each(|node| put_key(node, secret, key));
    };
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "namespace": NAMESPACE},
        "stringData": {"password": format!("{key}\n")},
    });
    api.put(&secret).unwrap();
}

/// Puts a key where the agent of a node looks for it.
fn put_key(node: &Node, secret: &str, key: &str) {
    let folder = node.host().path(&format!("/etc/gingham/secrets/{secret}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("password"), format!("{key}\n")).unwrap();
}

/// The sessions whose count of establishments is another now.
fn renewed(before: &BTreeMap<String, u64>, lab: &Lab) -> Vec<String> {
    let now = established(lab);
    let changed = now
        .iter()
        .filter(|(name, count)| before.get(*name) != Some(count));
    changed.map(|(name, _)| name.clone()).collect()
}

/// Waits until each of the core's sessions has been established anew.
fn wait_for_new_core_sessions(lab: &Lab, before: &BTreeMap<String, u64>) {
    let of_core = |name: &String| CORE.iter().any(|core| name.ends_with(core));
    wait("the core's sessions are new", || {
        let renewed = renewed(before, lab);
        let new = renewed.iter().filter(|name| of_core(name)).count();
        ensure!(new == 4, "{renewed:?}");
        Ok(())
    });
    settle(lab);
    let others: Vec<_> = renewed(before, lab)
        .into_iter()
        .filter(|name| !of_core(name))
        .collect();
    assert_eq!(others, [""; 0]);
}

fn keys_and_timers_concern_their_own_sessions_only(store: Store) {
    let lab = up(store, zone_one());
    let before = established(&lab);
    put_peer(
        &lab,
        "cores",
        &json!({"defaultGateway": {}, "holdSeconds": 6}),
    );
    wait_for_new_core_sessions(&lab, &before);

    let reflectors = REFLECTORS.map(|name| lab.node(name).unwrap());
    put_keys(&lab, &reflectors, ("core", "two-colours"));
    let before = established(&lab);
    let keyed = json!({"defaultGateway": {}, "holdSeconds": 6, "passwordSecret": "core"});
    put_peer(&lab, "cores", &keyed);
    wait("the core without the key stays outside", || {
        let waiting = lab.router("c1").unwrap().waits_for()?.len();
        ensure!(waiting == 4, "{waiting}");
        Ok(())
    });
    let passwords = ENDS.map(|end| format!("neighbor {end} password two-colours"));
    configure_c1(&lab, &passwords.each_ref().map(String::as_str));
    wait_for_new_core_sessions(&lab, &before);

    the_zone_has_a_key_of_its_own(&lab);
    // A Secret is the same for all.
    if store == Store::Directory {
        a_wrong_key_is_one_nodes_own_trouble(&lab);
    }
}

fn the_zone_has_a_key_of_its_own(lab: &Lab) {
    put_keys(lab, &lab.nodes(), ("zone", "warp"));
    let before = established(lab);
    change(lab, ("routingconfigs", "default"), |object| {
        object["spec"]["reflectors"] = json!({"passwordSecret": "zone"});
    });
    wait("the sessions inside the zone are new", || {
        let renewed = renewed(&before, lab);
        // Between reflectors one session a family, which both ends count; with nodes two ends each.
        ensure!(renewed.len() == 4 + 4 * 2 * 4, "{renewed:?}");
        Ok(())
    });
    wait_for_all_sessions(lab);
    settle(lab);
    let of_core = |name: &&String| CORE.iter().any(|core| name.ends_with(core));
    let renewed = renewed(&before, lab);
    assert_eq!(renewed.iter().find(of_core), None);
}

fn a_wrong_key_is_one_nodes_own_trouble(lab: &Lab) {
    let node = lab.node("z1w2").unwrap();
    let before = established(lab);
    put_key(&node, "zone", "weft");
    wait("z1w2 has no session, and says that nobody answers", || {
        for (name, peer) in peers(&node) {
            let error = peer["lastError"].as_str().unwrap_or_default();
            let unanswered = ["the dial timed out", "no answer"].contains(&error);
            ensure!(
                unanswered && peer["state"] != "Established",
                "{name}: {peer:#}"
            );
        }
        Ok(())
    });
    let status = node.agent_status().unwrap();
    assert_eq!(
        status["bgp"]["sessions"],
        json!({"established": 0, "all": 4})
    );
    assert_eq!(renewed(&before, lab), [""; 0]);
    let others = lab
        .nodes()
        .into_iter()
        .filter(|other| other.name() != node.name());
    for other in others {
        for (name, peer) in peers(&other) {
            let up = peer["state"] == "Established";
            assert_eq!(
                up,
                peer["node"] != "z1w2",
                "{}: {name}: {peer:#}",
                other.name()
            );
        }
    }
    put_key(&node, "zone", "warp");
    wait_for_all_sessions(lab);
    settle(lab);
}
