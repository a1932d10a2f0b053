//! podCIDR mode: blocks are what Nodes list. It is switched on and off under traffic, a Node comes
//! back with another podCIDR, and one lists what another node still holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;
mod zones_world;

use anyhow::{Result, ensure};
use gingham_integration::topology::{Cores, Role, Zones, reference};
use gingham_integration::{Flow, Lab, Node, Pod, Store, Traffic, eventually, on_both_stores};
use gingham_model::{Family, Prefix};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use world::{
    Wanted, agent_command, change, get, one_zone, routes, start_agents, wait, wait_for_route,
    wait_for_status, without_agents,
};
use zones_world::reach;

on_both_stores! {
    the_mode_goes_on_and_off_under_traffic,
    a_podcidr_of_a_node_that_is_gone_goes_to_the_node_that_lists_it_next,
}

/// Giving back takes 30 s at least, which is how long the plugin must know about it.
const PATIENCE: Duration = Duration::from_secs(240);
const CLUSTER_CIDRS: [&str; 2] = ["10.244.0.0/16", "fd00:244::/48"];
/// The route protocols of ours.
const DIRECT: u8 = 201;
const LEARNED: u8 = 202;
const SINK: u8 = 203;

/// What a Node lists: podCIDR number `number` of each family.
fn pod_cidrs(number: u8) -> [String; 2] {
    [
        format!("10.244.{number}.0/24"),
        format!("fd00:244:0:{number:x}::/64"),
    ]
}

fn prefixes(number: u8) -> [Prefix; 2] {
    pod_cidrs(number).map(|cidr| cidr.parse().unwrap())
}

/// The number of a node's podCIDRs: its zone, and its last octet.
fn number(node: &Node) -> u8 {
    let octets = match node.plan().internal_ips[0] {
        std::net::IpAddr::V4(v4) => v4.octets(),
        other => panic!("{other}"),
    };
    octets[1] * 100 + octets[3]
}

/// Makes a Node list what is its own by [`number`], as the controller of a cluster does.
fn allocate(lab: &Lab, node: &Node) {
    list(lab, node.name(), &pod_cidrs(number(node)));
}

fn list(lab: &Lab, node: &str, cidrs: &[String]) {
    change(lab, ("nodes", node), |object| {
        object["spec"] = json!({"podCIDR": cidrs[0], "podCIDRs": cidrs});
    });
}

/// The Node is gone and comes back as another one under its name.
fn register_again(lab: &Lab, node: &str, cidrs: &[String]) {
    let mut object = get(lab, "nodes", node);
    lab.remove("nodes", node).unwrap();
    sleep(Duration::from_secs(1));
    object["metadata"]["uid"] = json!(format!("again-{node}"));
    object["spec"] = json!({"podCIDRs": cidrs});
    lab.put(&object).unwrap();
}

fn switch(lab: &Lab, settings: Value) {
    change(lab, ("routingconfigs", "default"), |object| {
        object["spec"]["podCIDRs"] = settings;
    });
}

fn on() -> Value {
    json!({"clusterCIDRs": CLUSTER_CIDRS, "cooldownSeconds": 1})
}

/// Little is waited for.
fn quick(lab: &Lab) {
    change(lab, ("routingconfigs", "default"), |object| {
        object["spec"]["emptyBlockSeconds"] = json!(1);
    });
    for zone in &lab.topology().zones {
        change(lab, ("zonepools", zone.pool.as_str()), |object| {
            object["spec"]["cooldownSeconds"] = json!(1);
        });
    }
}

/// The blocks of a node that are in this state, as its agent tells them.
fn blocks(status: &Value, state: &str) -> Vec<String> {
    let blocks = status["blocks"].as_array().into_iter().flatten();
    let of_state = blocks.filter(|block| block["state"] == state);
    let cidrs = of_state.map(|block| block["cidr"].as_str().unwrap_or_default().to_owned());
    cidrs.collect()
}

/// Waits until the agent of a node has these Active blocks, and these that drain, and is ready.
fn wait_for_blocks(node: &Node, active: &[String], draining: &[String]) {
    let what = format!("{}: {active:?}, {draining:?} drain", node.name());
    eventually(&what, PATIENCE, || {
        let status = node.agent_status()?;
        let found = (blocks(&status, "Active"), blocks(&status, "Draining"));
        if found != (active.to_vec(), draining.to_vec()) {
            // The agent looks every half minute, and whenever something happens in its folder.
            node.exec(&["touch", "/run/gingham/node.json"])?;
            sleep(Duration::from_millis(500));
        }
        ensure!(found.0 == active && found.1 == draining, "{status:#}");
        ensure!(status["ready"] == true, "{status:#}");
        Ok(())
    })
    .unwrap();
}

#[track_caller]
fn assert_inside(pod: &Pod, cidrs: &[Prefix]) {
    for family in Family::ALL {
        let address = pod.address(family).unwrap();
        let inside = cidrs.iter().any(|cidr| cidr.contains(address));
        assert!(inside, "{}: {address} is in none of {cidrs:?}", pod.name());
    }
}

fn own(node: &Node) -> Vec<String> {
    node.plan().blocks.iter().map(Prefix::to_string).collect()
}

/// Both ways, both families.
fn flows(pairs: &[(&Pod, &Pod)]) -> Vec<Traffic> {
    let flow = |family| Flow { family, rate: 50 };
    let pairs = pairs.iter();
    let all = pairs.flat_map(|(a, b)| Family::ALL.map(|family| (a, b, flow(family))));
    all.map(|(a, b, flow)| Traffic::start(a, b, flow).unwrap())
        .collect()
}

/// Two zones with real routers. What pods hold lives on either way, and what is new has its addresses
/// out of what its Node lists, for all zones to see.
fn the_mode_goes_on_and_off_under_traffic(store: Store) -> Result<()> {
    let lab = zones_world::up(store, reference(Zones::Two, Cores::One)?)?;
    quick(&lab);
    let [w11, w12, w21] = ["z1w1", "z1w2", "z2w1"].map(|name| lab.node(name).unwrap());
    let (a, b, c) = (w11.add_pod("a")?, w12.add_pod("b")?, w21.add_pod("c")?);
    let traffic = flows(&[(&a, &b), (&a, &c), (&c, &b)]);

    for node in lab.nodes() {
        allocate(&lab, &node);
    }
    let text = json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": "RoutingConfig",
        "metadata": {"name": "default"},
        "spec": {"podCIDRs": on(), "zones": get(&lab, "routingconfigs", "default")["spec"]["zones"]},
    });
    let plan = agent_command(&w11, &["plan", "-f", "-"]).stdin(text.to_string());
    let plan = plan.output()?.stdout;
    let drains = format!("{} Draining", own(&w11)[0]);
    assert!(plan.contains(&drains), "{plan}");

    switch(&lab, on());
    for node in [&w11, &w12, &w21] {
        wait_for_blocks(node, &pod_cidrs(number(node)), &own(node));
    }
    // No pod is there, so it is left with what it lists.
    let empty = lab.node("z2w2")?;
    wait_for_blocks(&empty, &pod_cidrs(number(&empty)), &[]);
    let (d, e, f) = (w11.add_pod("d")?, w12.add_pod("e")?, w21.add_pod("f")?);
    for pod in [&d, &e, &f] {
        assert_inside(pod, &prefixes(number(pod.node())));
    }
    // In the zone by the objects, beyond it by BGP: each for itself, and nothing for all.
    for cidr in pod_cidrs(number(&w12)) {
        wait_for_route(&w11, DIRECT, &cidr, Wanted::Present);
        wait_for_route(&w21, LEARNED, &cidr, Wanted::Present);
    }
    for cidr in CLUSTER_CIDRS {
        for node in lab.nodes() {
            let routes = [LEARNED, SINK]
                .map(|protocol| routes(&node, protocol))
                .concat();
            assert!(!routes.iter().any(|r| r.contains(cidr)), "{routes:#?}");
        }
    }
    let all = [&a, &b, &c, &d, &e, &f];
    wait("every pod answers every other", || {
        for from in all {
            let others = all.into_iter().filter(|to| to.name() != from.name());
            for to in others {
                reach(from, std::slice::from_ref(to))?;
            }
        }
        Ok(())
    });
    let table = w11.exec(&["nft", "list", "table", "inet", "gingham"])?;
    for cidr in CLUSTER_CIDRS
        .into_iter()
        .map(str::to_owned)
        .chain(pod_cidrs(number(&w11)))
    {
        assert!(table.contains(&cidr), "{cidr} is not in {table}");
    }
    let more = flows(&[(&d, &e), (&f, &d), (&d, &c)]);

    switch(&lab, Value::Null);
    for node in [&w11, &w12, &w21] {
        wait_for_blocks(node, &own(node), &pod_cidrs(number(node)));
    }
    // It gave back all its pool gave it, and now has blocks anew.
    eventually("z2w2: blocks of its pool", PATIENCE, || {
        let status = empty.agent_status()?;
        let listed = blocks(&status, "Draining");
        ensure!(blocks(&status, "Active").len() == 2, "{status:#}");
        ensure!(listed.is_empty(), "{status:#}");
        Ok(())
    })?;
    let g = w11.add_pod("g")?;
    let before: Vec<Prefix> = w11.plan().blocks.clone();
    assert_inside(&g, &before);
    for to in [a, b, c, d, e, f] {
        reach(&g, &[to])?;
    }
    for flow in traffic.into_iter().chain(more) {
        let count = flow.stop()?;
        assert_eq!(count.lost(), 0, "{count:?}");
    }
    Ok(())
}

/// As a cluster's controller does: the Node of a dead host is deleted, and another one gets its podCIDRs long
/// before anybody else's block would be free. A reflector frees them, the node creates them.
fn a_podcidr_of_a_node_that_is_gone_goes_to_the_node_that_lists_it_next(
    store: Store,
) -> Result<()> {
    let mut topology = reference(Zones::Two, Cores::One)?;
    for plan in &mut topology.boxes {
        if let Role::Node(node) = &mut plan.role {
            node.blocks.clear();
        }
    }
    let lab = without_agents(store, topology);
    quick(&lab);
    let (gone, next, other) = (lab.node("z1w1")?, lab.node("z1w2")?, lab.node("z1i1")?);
    for node in lab.nodes().iter().filter(|node| node.name() != next.name()) {
        allocate(&lab, node);
    }
    switch(&lab, on());
    // One that has no block is not ready.
    for node in lab.nodes() {
        node.start_agent()?;
    }
    let theirs = pod_cidrs(number(&gone));
    wait_for_blocks(&gone, &theirs, &[]);
    for cidr in &theirs {
        wait_for_route(&other, DIRECT, cidr, Wanted::Present);
    }

    gone.stop_agent(Signal::SIGKILL)?;
    gone.exec(&["ip", "link", "set", "eth0", "down"])?;
    lab.remove("nodes", gone.name())?;
    list(&lab, next.name(), &theirs);
    wait_for_status(&next, "whose they are", |status| {
        world::says(
            &status["claims"],
            &["is in the hands of node z1w1", &theirs[0]],
        )
    });
    wait_for_blocks(&next, &theirs, &[]);
    for block in lab.list("blocks")? {
        let (cidr, node) = (&block["spec"]["cidr"], &block["spec"]["node"]);
        let is_theirs = theirs.iter().any(|their| *cidr == json!(their));
        assert_eq!(is_theirs, *node == next.name(), "{block:#}");
    }
    let (here, there) = (next.add_pod("here")?, other.add_pod("there")?);
    assert_inside(&here, &prefixes(number(&gone)));
    wait("it is reached at the new node", || {
        reach(&there, std::slice::from_ref(&here))
    });
    Ok(())
}

/// A lab of one zone in podCIDR mode, whose nodes never had other blocks.
fn mirroring() -> Lab {
    let mut topology = one_zone();
    for plan in &mut topology.boxes {
        if let Role::Node(node) = &mut plan.role {
            node.blocks.clear();
        }
    }
    let lab = without_agents(Store::Directory, topology);
    quick(&lab);
    for node in lab.nodes() {
        allocate(&lab, &node);
    }
    switch(&lab, on());
    start_agents(&lab);
    lab
}

/// In a directory only: an API server lets no Node change its podCIDRs, nor list more than one of a family.
/// While a pod of it is there, nobody else gets its old block, and its pods keep their addresses.
#[test]
fn a_node_that_is_registered_again_changes_its_podcidr_and_another_one_waits_for_the_old() {
    let lab = mirroring();
    let (z1w1, z1w2) = (lab.node("z1w1").unwrap(), lab.node("z1w2").unwrap());
    let (before, after) = (pod_cidrs(number(&z1w1)), pod_cidrs(200));
    let own = pod_cidrs(number(&z1w2));
    wait_for_blocks(&z1w1, &before, &[]);
    wait_for_blocks(&z1w2, &own, &[]);
    let (old, other) = (z1w1.add_pod("old").unwrap(), z1w2.add_pod("other").unwrap());
    assert_inside(&old, &prefixes(number(&z1w1)));
    let traffic = flows(&[(&old, &other)]);

    register_again(&lab, "z1w1", &after);
    wait_for_blocks(&z1w1, &after, &before);
    let new = z1w1.add_pod("new").unwrap();
    assert_inside(&new, &prefixes(200));
    for to in [&old, &other] {
        wait("they reach each other", || {
            reach(&new, std::slice::from_ref(to))
        });
    }

    let both = [&own[..1], &before[..1], &own[1..]].concat();
    list(
        &lab,
        "z1w2",
        &[&own[..], &before[..1], &["10.9.0.0/24".to_owned()]].concat(),
    );
    let status = wait_for_status(&z1w2, "whose it is", |status| {
        let waits = format!(
            "podCIDR {} of Node z1w2 is in the hands of node z1w1 (Active)",
            before[0]
        );
        world::says(&status["claims"], &[&waits])
    });
    assert!(
        world::says(
            &status["claims"],
            &["Node z1w2: spec.podCIDRs[3]: 10.9.0.0/24 lies outside"]
        ),
        "{status:#}"
    );
    assert_eq!(status["ready"], true, "{status:#}");
    for flow in traffic {
        let count = flow.stop().unwrap();
        assert_eq!(count.lost(), 0, "{count:?}");
    }

    z1w1.del_pod("old").unwrap();
    wait_for_blocks(&z1w1, &after, &[]);
    let mut sorted = both;
    sorted.sort();
    wait_for_blocks(&z1w2, &sorted, &[]);
    wait_for_route(&z1w1, DIRECT, &before[0], Wanted::Present);
    wait_for_route(&z1w2, SINK, &before[0], Wanted::Present);
}
