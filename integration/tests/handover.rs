//! Blocks change hands: in whatever order the events come, the last owner has the route.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::{Lab, Node, RouteMonitor, Store, on_both_stores};
use nix::sys::signal::Signal;
use serde_json::Value;
use world::{Wanted, block_name, one_zone, put_block, routes, up, wait, wait_for_route};

on_both_stores! {
    a_block_deleted_and_created_again_has_the_route_of_its_new_owner,
    of_two_nodes_with_one_address_the_same_one_wins_everywhere_and_both_are_named,
}

/// The block that changes hands.
const BLOCK: &str = "10.101.50.0/24";
/// How often it does.
const TIMES: u8 = 20;

fn leads_to(node: &Node, cidr: &str, via: &str) -> anyhow::Result<()> {
    let routes = routes(node, 201);
    let wanted = format!("{cidr} via {via} ");
    ensure!(
        routes.iter().any(|route| route.starts_with(&wanted)),
        "{routes:#?}"
    );
    Ok(())
}

fn zone_with(store: Store, blocks: &[(&str, &str, &str)]) -> (Lab, Node) {
    let lab = up(store, one_zone());
    for (cidr, node, via) in blocks {
        put_block(&lab, cidr, node, via);
    }
    let node = lab.node("z1w1").unwrap();
    (lab, node)
}

fn a_block_deleted_and_created_again_has_the_route_of_its_new_owner(store: Store) {
    let (lab, node) = zone_with(store, &[(BLOCK, "old", "10.1.0.50")]);
    wait_for_route(&node, 201, BLOCK, Wanted::Present);
    for turn in 0..TIMES {
        let (owner, via) = (format!("new{turn}"), format!("10.1.0.{}", 60 + turn));
        lab.remove("blocks", &block_name(BLOCK)).unwrap();
        put_block(&lab, BLOCK, &owner, &via);
        // Now and then the agent is given time to see what happened.
        if turn % 4 == 3 {
            wait("the route of the new owner", || {
                leads_to(&node, BLOCK, &via)
            });
        }
    }
}

/// In a directory only: the API server lets no Block name another node.
#[test]
fn a_block_given_to_another_node_is_never_without_a_route() {
    let (lab, node) = zone_with(Store::Directory, &[(BLOCK, "old", "10.1.0.50")]);
    wait_for_route(&node, 201, BLOCK, Wanted::Present);
    let monitor = RouteMonitor::start(node.host()).unwrap();
    for turn in 0..TIMES {
        let via = format!("10.1.0.{}", 60 + turn);
        put_block(&lab, BLOCK, &format!("new{turn}"), &via);
        wait("the route of the new owner", || {
            leads_to(&node, BLOCK, &via)
        });
    }
    let seen = monitor.seen().unwrap();
    assert!(
        !seen.iter().any(|line| line.starts_with("Deleted")),
        "{seen:#?}"
    );
}

/// The blocks of the two that are skipped, and which routes there are.
fn verdict(node: &Node) -> (Vec<String>, Vec<Value>) {
    let status = node.agent_status().unwrap();
    let skipped = status["skipped"].as_array().unwrap().clone();
    let ours = |route: &String| route.starts_with("10.101.5");
    (
        routes(node, 201).into_iter().filter(ours).collect(),
        skipped,
    )
}

fn of_two_nodes_with_one_address_the_same_one_wins_everywhere_and_both_are_named(store: Store) {
    let (lab, node) = zone_with(
        store,
        &[
            ("10.101.50.0/24", "twin-a", "10.1.0.50"),
            ("10.101.51.0/24", "twin-b", "10.1.0.50"),
        ],
    );
    let judged = || {
        wait("a verdict", || {
            let (routes, skipped) = verdict(&node);
            ensure!(routes.len() == 1, "{routes:#?}");
            let text = Value::from(skipped.clone()).to_string();
            ensure!(text.contains("twin-a") && text.contains("twin-b"), "{text}");
            Ok((routes, skipped))
        })
    };
    let first = judged();
    node.stop_agent(Signal::SIGKILL).unwrap();
    node.start_agent().unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    assert_eq!(judged(), first, "another verdict after a restart");

    let other = lab.node("z1w2").unwrap();
    wait("the same verdict on another node", || {
        let theirs = verdict(&other);
        ensure!(theirs.0 == first.0, "{theirs:#?}");
        Ok(())
    });

    // The loser gets an address of its own, and its route.
    let (winner, _) = &first;
    let (loser, name) = match winner[0].starts_with("10.101.50.0/24") {
        true => ("10.101.51.0/24", "twin-b"),
        false => ("10.101.50.0/24", "twin-a"),
    };
    put_block(&lab, loser, name, "10.1.0.51");
    wait("a route to each", || leads_to(&node, loser, "10.1.0.51"));
    wait_for_route(&node, 201, "10.101.50.0/24", Wanted::Present);
    wait_for_route(&node, 201, "10.101.51.0/24", Wanted::Present);
}
