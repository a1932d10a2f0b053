//! Blocks come and go with the pods that need them, and a block that lies harms nobody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::{Flow, Lab, Node, Store, Traffic, eventually, on_both_stores};
use gingham_model::{Block, BlockState, Family, Prefix};
use serde_json::{Value, json};
use std::fs;
use std::thread::sleep;
use std::time::Duration;
use world::{
    Wanted, get, one_zone, routes, start_agents, up, wait_for_route, wait_for_status,
    without_agents,
};

on_both_stores! {
    what_nobody_needs_is_given_back_and_nothing_that_is_in_use,
    of_two_nodes_with_one_address_one_is_believed_until_they_agree,
    a_block_that_takes_what_pods_cannot_have_is_refused_and_the_rest_is_installed,
}

/// Giving back takes 30 s at least, which is how long the plugin must know about it.
const PATIENCE: Duration = Duration::from_secs(240);
/// More pods than a /28 has addresses to spare.
const BURST: usize = 13;

/// Changes the `spec` of an object.
fn change(lab: &Lab, object: (&str, &str), with: impl FnOnce(&mut Value)) {
    world::change(lab, object, |object| with(&mut object["spec"]));
}

/// Writes a Block as the agent of `node` would.
fn put(lab: &Lab, prefix: &str, node: &str, via: &str) {
    let spec = Block {
        cidr: prefix.parse().unwrap(),
        pool: "z1".parse().unwrap(),
        zone: "z1".parse().unwrap(),
        node: node.parse().unwrap(),
        node_uid: format!("uid-{node}"),
        node_ips: vec![via.parse().unwrap()],
        state: BlockState::Active,
    };
    let name = Block::object_name(spec.cidr);
    let object = json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": "Block",
        "metadata": {"name": name},
        "spec": spec,
    });
    lab.put(&object).unwrap();
}

/// The IPv4 blocks of a node, as the store has them.
fn blocks_of(lab: &Lab, node: &str) -> Result<Vec<Prefix>> {
    let mut blocks = Vec::new();
    for object in lab.list("blocks")? {
        let block: Block = serde_json::from_value(object["spec"].clone())?;
        if block.node.as_str() == node && block.cidr.family() == Family::V4 {
            blocks.push(block.cidr);
        }
    }
    blocks.sort();
    Ok(blocks)
}

/// Waits until a node has as many IPv4 blocks as `wanted` says.
fn wait_for_blocks(
    lab: &Lab,
    node: &Node,
    what: &str,
    wanted: impl Fn(&[Prefix]) -> bool,
) -> Vec<Prefix> {
    eventually(&format!("{}: {what}", node.name()), PATIENCE, || {
        let blocks = blocks_of(lab, node.name())?;
        if !wanted(&blocks) {
            // The agent looks every half minute, and whenever something happens in its folder.
            node.exec(&["touch", "/run/gingham/node.json"])?;
            sleep(Duration::from_millis(500));
        }
        ensure!(wanted(&blocks), "{blocks:?}");
        Ok(blocks)
    })
    .unwrap()
}

/// A zone with a second CIDR and small blocks, in which little is waited for.
fn small_and_quick(store: Store) -> Lab {
    let mut topology = one_zone();
    let more = "10.111.0.0/16".parse().unwrap();
    topology.zones[0].pod_cidrs.push(more);
    let lab = without_agents(store, topology);
    // An API server lets no pool change its size of blocks.
    let mut pool = get(&lab, "zonepools", "z1");
    pool["spec"]["blockSize"]["v4"] = json!(28);
    pool["spec"]["cooldownSeconds"] = json!(1);
    lab.remove("zonepools", "z1").unwrap();
    lab.put(&pool).unwrap();
    change(&lab, ("routingconfigs", "default"), |spec| {
        spec["emptyBlockSeconds"] = json!(1);
    });
    start_agents(&lab);
    lab
}

/// One story for all, for the sake of the time it takes: a CIDR drains on two nodes. On one of them
/// the last pod of the old block goes, on the other one stays, and many more come and go.
fn what_nobody_needs_is_given_back_and_nothing_that_is_in_use(store: Store) {
    let lab = small_and_quick(store);
    let (z1w1, z1w2) = (lab.node("z1w1").unwrap(), lab.node("z1w2").unwrap());
    let [drained, kept]: [Prefix; 2] =
        ["10.101.21.0/24", "10.101.22.0/24"].map(|prefix| prefix.parse().unwrap());
    let old = z1w1.add_pod("old").unwrap();
    assert!(drained.contains(old.address(Family::V4).unwrap()));
    let stays = z1w2.add_pod("stays").unwrap();
    assert!(kept.contains(stays.address(Family::V4).unwrap()));

    change(&lab, ("zonepools", "z1"), |spec| {
        assert_eq!(spec["cidrs"][0]["cidr"], "10.101.0.0/16");
        spec["cidrs"][0]["state"] = json!("Draining");
    });
    for node in [&z1w1, &z1w2] {
        wait_for_blocks(&lab, node, "a block of the other CIDR", |blocks| {
            blocks.len() == 2
        });
        wait_for_status(node, "one Active block", |status| {
            let blocks = status["blocks"].as_array().unwrap().iter();
            let active = blocks.filter(|b| b["state"] == "Active");
            active.count() == 2 && status["ready"] == true
        });
    }
    let more: Prefix = "10.111.0.0/16".parse().unwrap();
    let new = z1w1.add_pod("new").unwrap();
    assert!(more.contains(new.address(Family::V4).unwrap()));
    let flow = |family| Flow { family, rate: 100 };
    let traffic =
        [Family::V4, Family::V6].map(|family| Traffic::start(&new, &stays, flow(family)).unwrap());
    assert_eq!(
        new.ping(old.address(Family::V4).unwrap(), 3)
            .unwrap()
            .received,
        3
    );

    z1w1.del_pod("old").unwrap();
    for number in 0..BURST {
        z1w2.add_pod(&format!("burst{number}")).unwrap();
    }
    let burst = wait_for_blocks(&lab, &z1w2, "a block more", |blocks| blocks.len() == 3);
    for prefix in &burst {
        wait_for_route(&z1w1, 201, &prefix.to_string(), Wanted::Present);
    }
    for number in 0..BURST {
        z1w2.del_pod(&format!("burst{number}")).unwrap();
    }

    let left = wait_for_blocks(&lab, &z1w1, "the old block gone", |blocks| {
        blocks.len() == 1
    });
    assert!(more.covers(left[0]), "{left:?}");
    wait_for_route(&z1w2, 201, &drained.to_string(), Wanted::Absent);
    wait_for_route(&z1w1, 203, &drained.to_string(), Wanted::Absent);

    let left = wait_for_blocks(&lab, &z1w2, "the extra block gone", |blocks| {
        blocks.len() == 2
    });
    assert!(
        left.contains(&kept),
        "the pod that stays has its block: {left:?}"
    );
    let gone = burst.iter().find(|prefix| !left.contains(prefix)).unwrap();
    wait_for_route(&z1w1, 201, &gone.to_string(), Wanted::Absent);
    wait_for_route(&z1w2, 203, &gone.to_string(), Wanted::Absent);
    for node in [&z1w1, &z1w2] {
        wait_for_status(node, "ready", |status| status["ready"] == true);
    }
    for flow in traffic {
        let count = flow.stop().unwrap();
        assert_eq!(count.lost(), 0, "{count:?}");
    }
}

fn of_two_nodes_with_one_address_one_is_believed_until_they_agree(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    put(&lab, "10.101.98.0/24", "z1w8", "10.1.0.98");
    put(&lab, "10.101.99.0/24", "z1w9", "10.1.0.98");
    let said = "address 10.1.0.98 is claimed by nodes z1w8 and z1w9; z1w8 is believed";
    let status = wait_for_status(&node, "the dispute", |status| {
        status["disputes"] == json!([said])
    });
    assert_eq!(status["ready"], true, "{status:#}");
    let skipped = json!([{
        "block": "10.101.99.0/24",
        "node": "z1w9",
        "reason": "next hop 10.1.0.98 is claimed by node z1w8 too, which is believed",
    }]);
    assert_eq!(status["skipped"], skipped);
    wait_for_route(&node, 201, "10.101.98.0/24", Wanted::Present);
    let shown = node.exec(&[&agent(&node), "status"]).unwrap();
    assert!(shown.contains(said), "{shown}");

    // They change places by way of a moment in which both claim the other address.
    put(&lab, "10.101.98.0/24", "z1w8", "10.1.0.99");
    put(&lab, "10.101.99.0/24", "z1w9", "10.1.0.99");
    put(&lab, "10.101.99.0/24", "z1w9", "10.1.0.98");
    wait_for_status(&node, "no dispute", |status| {
        status["disputes"] == json!([]) && status["skipped"] == json!([])
    });
    for via in [
        "10.101.98.0/24 via 10.1.0.99 ",
        "10.101.99.0/24 via 10.1.0.98 ",
    ] {
        let routes = routes(&node, 201);
        assert!(
            routes.iter().any(|route| route.starts_with(via)),
            "{routes:#?}"
        );
    }
}

fn agent(node: &Node) -> String {
    let agent = node.agent().unwrap().unwrap();
    let path = fs::read_link(format!("/proc/{}/exe", agent.id.pid)).unwrap();
    path.display().to_string()
}

fn a_block_that_takes_what_pods_cannot_have_is_refused_and_the_rest_is_installed(store: Store) {
    let lab = without_agents(store, one_zone());
    for (prefix, via) in [
        ("0.0.0.0/0", "10.1.0.98"),
        ("::/0", "fd00:1::98"),
        ("10.1.0.64/26", "10.1.0.98"),
        ("fd00:1::/122", "fd00:1::98"),
        ("10.101.99.0/24", "10.1.0.98"),
    ] {
        put(&lab, prefix, "z1w8", via);
    }
    start_agents(&lab);
    let node = lab.node("z1w1").unwrap();
    let reason =
        |prefix: &str, reason: &str| json!({"block": prefix, "node": "z1w8", "reason": reason});
    let skipped = json!([
        reason("0.0.0.0/0", "overlaps 0.0.0.0/8, which pods cannot use"),
        reason(
            "10.1.0.64/26",
            "overlaps 10.1.0.0/24, the subnet of interface eth0"
        ),
        reason("::/0", "overlaps ::/127, which pods cannot use"),
        reason(
            "fd00:1::/122",
            "overlaps fd00:1::/64, the subnet of interface eth0"
        ),
    ]);
    wait_for_status(&node, "four blocks skipped", |status| {
        status["skipped"] == skipped
    });
    wait_for_route(&node, 201, "10.101.99.0/24", Wanted::Present);
    wait_for_route(&node, 201, "10.101.22.0/24", Wanted::Present);
    assert_eq!(routes(&node, 201).len(), 3);
}
