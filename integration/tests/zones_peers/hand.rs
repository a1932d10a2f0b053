//! A settled lab, and a hand on its cores and in its objects.

use crate::world::{self, PATIENCE, agent, start_agents, wait, without_agents};
use anyhow::{Result, ensure};
use gingham_integration::tables::{self, Tables, expected};
use gingham_integration::topology::{Cores, Duty, Role, Topology, Zones, reference};
use gingham_integration::{Lab, Node, Store};
use gingham_model::{Family, Prefix};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The reflectors of zone 1.
pub(crate) const REFLECTORS: [&str; 2] = ["z1m1", "z1m2"];
/// The sessions of each reflector with the core of its zone, by family, as BGPPeer `cores` has them.
pub(crate) const CORE: [&str; 2] = ["cores-10.1.0.1", "cores-fd00:1::1"];

/// Two zones.
pub(crate) fn two_zones() -> Topology {
    reference(Zones::Two, Cores::One).unwrap()
}

/// The reference lab with zone 1 only.
pub(crate) fn zone_one() -> Topology {
    let mut topology = two_zones();
    let stays = |name: &str| !name.starts_with("z2") && !["c2", "sw2"].contains(&name);
    topology.zones.truncate(1);
    topology.boxes.retain(|plan| stays(&plan.name));
    topology
        .links
        .retain(|link| stays(&link.a.on) && stays(&link.b.on));
    for plan in &mut topology.boxes {
        plan.addresses.retain(|a| a.interface != "c2");
        if let Role::BgpRouter(router) = &mut plan.role {
            router.neighbours.retain(|peer| stays(&peer.on));
        }
    }
    topology
}

/// A lab whose routers and agents all know everything.
pub(crate) fn up(store: Store, topology: Topology) -> Lab {
    let lab = stand(store, topology);
    start(&lab);
    lab
}

/// A lab in which nobody speaks yet.
pub(crate) fn stand(store: Store, topology: Topology) -> Lab {
    without_agents(store, topology)
}

/// Starts all speakers, and waits for all sessions and tables.
pub(crate) fn start(lab: &Lab) {
    for router in lab.routers() {
        router.start().unwrap();
    }
    start_agents(lab);
    wait_for_all_sessions(lab);
    settle(lab);
}

/// Waits for the sessions of all agents: those of a node with both its reflectors, too.
pub(crate) fn wait_for_all_sessions(lab: &Lab) {
    for node in lab.nodes() {
        let least = match node.plan().duty {
            // Four nodes, the other reflector and the core.
            Duty::Master => (4 + 1 + 1) * 2,
            Duty::Worker | Duty::Ingress => 2 * 2,
        };
        wait(&format!("{}: all sessions", node.name()), || {
            let peers = peers(&node);
            let up = |peer: &&Value| peer["state"] == "Established";
            let up = peers.values().filter(up).count();
            ensure!(up == least && peers.len() == least, "{up} of {least}");
            Ok(())
        });
    }
}

/// Waits for the sessions of all routers, and all tables.
pub(crate) fn settle(lab: &Lab) {
    for router in lab.routers() {
        router.wait_established(PATIENCE, |_| true).unwrap();
    }
    wait_for(lab, &expected(lab.topology()));
}

pub(crate) fn wait_for(lab: &Lab, wanted: &Tables) {
    tables::wait_for(lab, wanted, PATIENCE).unwrap();
}

/// Whether the tables are these at this moment.
pub(crate) fn assert_tables(lab: &Lab, wanted: &Tables) {
    for (name, wanted) in wanted {
        let seen = tables::seen(lab.at(name).unwrap()).unwrap();
        if let Err(error) = tables::compare(&seen, wanted) {
            panic!("{name}: {error}");
        }
    }
}

/// Adds lines to the table of a box.
pub(crate) fn with(tables: &mut Tables, name: &str, lines: &[&str]) {
    let table = tables.get_mut(name).unwrap();
    table.extend(lines.iter().map(|line| (*line).to_owned()));
    table.sort_by_key(|line| destination(line));
}

/// The prefix of a line of a table.
fn destination(line: &str) -> Prefix {
    let word = line.split(' ').find(|word| word.contains('/'));
    let family = match line.contains(':') {
        true => Family::V6,
        false => Family::V4,
    };
    word.map_or(Prefix::default_of(family), |word| word.parse().unwrap())
}

/// What a command of the agent's on a node prints.
pub(crate) fn said(node: &Node, arguments: &[&str]) -> String {
    let output = agent(node, arguments);
    assert!(
        output.status.success(),
        "{}: {arguments:?}: {output:?}",
        node.name()
    );
    output.stdout
}

/// As JSON.
pub(crate) fn asked(node: &Node, arguments: &[&str]) -> Value {
    let said = said(node, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&said).unwrap()
}

/// The peers of a node, by name.
pub(crate) fn peers(node: &Node) -> BTreeMap<String, Value> {
    let said = asked(node, &["peers"]);
    let all = said["peers"].as_array().unwrap().iter();
    all.map(|peer| (peer["name"].as_str().unwrap().to_owned(), peer.clone()))
        .collect()
}

/// How often each session of each node was established, by `NODE PEER`.
pub(crate) fn established(lab: &Lab) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for node in lab.nodes() {
        for (peer, report) in peers(&node) {
            let count = report["established"].as_u64().unwrap();
            counts.insert(format!("{} {peer}", node.name()), count);
        }
    }
    counts
}

/// Waits until a session is established.
pub(crate) fn wait_for_session(node: &Node, peer: &str) {
    wait(&format!("{}: session {peer}", node.name()), || {
        let peers = peers(node);
        let state = &peers.get(peer).unwrap_or(&Value::Null)["state"];
        ensure!(state == "Established", "{state} of {:?}", peers.keys());
        Ok(())
    });
}

/// Changes the configuration of the FRR on c1, in these words below `router bgp`.
pub(crate) fn configure_c1(lab: &Lab, commands: &[&str]) {
    let begin = ["configure terminal", "router bgp 64601"];
    let router = lab.router("c1").unwrap();
    router.ask(&[&begin[..], commands].concat()).unwrap();
}

/// Has c1 announce prefixes to its reflectors only, or take them back.
pub(crate) fn announce_at_c1(lab: &Lab, prefixes: &[&str], verb: Verb) {
    let map = [
        "configure terminal",
        "route-map zone-only permit 1",
        "set community no-export",
    ];
    lab.router("c1").unwrap().ask(&map).unwrap();
    networks_of_c1(lab, (prefixes, " route-map zone-only"), verb);
}

/// Has c1 announce prefixes to the backbone too, or take them back.
pub(crate) fn announce_at_c1_to_all(lab: &Lab, prefixes: &[&str], verb: Verb) {
    networks_of_c1(lab, (prefixes, ""), verb);
}

fn networks_of_c1(lab: &Lab, (prefixes, map): (&[&str], &str), verb: Verb) {
    let no = match verb {
        Verb::Announce => "",
        Verb::Withdraw => "no ",
    };
    let mut commands = vec!["no bgp network import-check".to_owned()];
    for prefix in prefixes {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        commands.push(format!("address-family {family} unicast"));
        commands.push(format!("{no}network {prefix}{map}"));
        commands.push("exit-address-family".to_owned());
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    configure_c1(lab, &commands);
}

/// What becomes of a prefix.
#[derive(Clone, Copy)]
pub(crate) enum Verb {
    Announce,
    Withdraw,
}

/// Writes an object of Gingham's own.
pub(crate) fn put(lab: &Lab, (kind, name): (&str, &str), spec: &Value) {
    try_to_put(lab, (kind, name), spec).unwrap();
}

fn try_to_put(lab: &Lab, (kind, name): (&str, &str), spec: &Value) -> Result<()> {
    let object = json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    lab.put(&object)
}

/// Writes a BGPPeer, if that is allowed.
pub(crate) fn try_to_put_peer(lab: &Lab, name: &str, spec: &Value) -> Result<()> {
    try_to_put(lab, ("BGPPeer", name), spec)
}

/// Writes a BGPPeer.
pub(crate) fn put_peer(lab: &Lab, name: &str, spec: &Value) {
    put(lab, ("BGPPeer", name), spec);
}

/// Waits until a node says all of `words` in one of its notices.
pub(crate) fn wait_for_notice(node: &Node, words: &[&str]) {
    world::wait_for_status(node, &format!("notice {words:?}"), |status| {
        world::says(&status["notices"], words)
    });
}

/// Removes an object.
pub(crate) fn remove(lab: &Lab, folder: &str, name: &str) {
    lab.remove(folder, name).unwrap();
}
