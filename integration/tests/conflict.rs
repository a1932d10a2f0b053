//! Other daemons want what the agent wants: it yields, takes over where it was told to, and does not
//! fight.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::{Node, RouteMonitor, Store, eventually, on_both_stores};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use world::{change, ip, one_zone, routes, says, up, wait, wait_for_repair, wait_for_status};

on_both_stores! {
    a_foreign_route_over_ours_is_named_and_left_and_ours_comes_back_after_it,
    a_foreign_route_over_ours_is_taken_over_in_place_where_configured,
    a_fight_is_named_and_damped_and_won_when_the_other_gives_up,
}

/// What is fought for, the other's route to it, and ours.
const PREFIX: &str = "10.101.22.0/24";
const THEIRS: &str = "10.101.22.0/24 via 10.1.0.1 dev eth0 proto static metric 12";
const OURS: &str = "10.101.22.0/24 via 10.1.0.22 dev eth0 metric 12";
/// A foreign hand's route over ours.
const SEIZE: &str = "route replace 10.101.22.0/24 via 10.1.0.1 proto static metric 12";
/// What another route of the same node looks like all the time.
const V6: &str = "fd00:101:0:22::/64 via fd00:1::22 dev eth0 metric 12 pref medium";

fn has(node: &Node, wanted: &str) -> Result<()> {
    let routes = routes(node, 201);
    ensure!(routes.iter().any(|route| route == wanted), "{routes:#?}");
    Ok(())
}

fn state(node: &Node, prefix: &str) -> Result<Value> {
    let document = node.agent_routes()?;
    let routes = document["routes"].as_array();
    let found = routes.into_iter().flatten().find(|r| r["prefix"] == prefix);
    Ok(found.map_or(Value::Null, |route| route["state"].clone()))
}

fn a_foreign_route_over_ours_is_named_and_left_and_ours_comes_back_after_it(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    ip(node.host(), &[SEIZE]);
    wait_for_status(&node, "the conflict", |status| {
        says(&status["reasons"], &[PREFIX, "conflict", "protocol 4"])
    });
    assert_eq!(state(&node, PREFIX).unwrap(), "conflict");
    // Long enough for several looks: it is not touched.
    sleep(Duration::from_secs(3));
    let all = node.exec(&["ip", "route"]).unwrap();
    assert!(all.lines().any(|line| line.trim_end() == THEIRS), "{all}");
    has(&node, V6).unwrap();

    ip(
        node.host(),
        &["route delete 10.101.22.0/24 proto static metric 12"],
    );
    wait_for_repair("a foreign route that stood in the way is gone", || {
        has(&node, OURS)?;
        let status = node.agent_status()?;
        ensure!(status["ready"] == true, "{status:#}");
        Ok(())
    });
}

fn a_foreign_route_over_ours_is_taken_over_in_place_where_configured(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    change(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["takeOverProtocols"] = json!([4]);
    });
    sleep(Duration::from_secs(1));
    // A protocol that is not on the list stays.
    let kept = "10.101.98.0/24 via 10.1.0.1 dev eth0 proto 77 metric 12";
    ip(node.host(), &[&format!("route add {kept}")]);
    let monitor = RouteMonitor::start(node.host()).unwrap();
    ip(node.host(), &[SEIZE]);
    wait_for_repair("a foreign route taken over", || has(&node, OURS));
    let seen = monitor.seen().unwrap();
    assert!(
        !seen.iter().any(|line| line.starts_with("Deleted")),
        "not in place: {seen:#?}"
    );
    let all = node.exec(&["ip", "route"]).unwrap();
    assert!(all.lines().any(|line| line.trim_end() == kept), "{all}");
    assert!(!all.contains("proto static metric 12"), "{all}");
}

/// Deletes our route every 50 ms, and prints a line each time it tries.
const OPPONENT: &str = "while :; do echo try; \
    ip route delete 10.101.22.0/24 proto 201 2> /dev/null; sleep 0.05; done";

#[expect(
    clippy::print_stdout,
    reason = "a figure for who reads a test's output"
)]
fn a_fight_is_named_and_damped_and_won_when_the_other_gives_up(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let monitor = RouteMonitor::start(node.host()).unwrap();
    let opponent = node
        .host()
        .spawn("opponent", &["sh", "-c", OPPONENT])
        .unwrap();
    wait("the fight in the state of the route", || {
        let state = state(&node, PREFIX)?;
        ensure!(state == "contested", "{state}");
        Ok(())
    });
    wait_for_status(&node, "the fight", |status| {
        let reasons = &status["reasons"];
        says(reasons, &[PREFIX, "fight"]) || says(reasons, &[PREFIX, "contested"])
    });

    // From here on each side is counted.
    let (tries, seen) = (opponent.printed().unwrap(), monitor.seen().unwrap());
    sleep(Duration::from_secs(10));
    // Meanwhile nothing else has to wait.
    ip(node.host(), &["route delete fd00:101:0:22::/64 proto 201"]);
    wait_for_repair("another route during the fight", || has(&node, V6));
    let tries = opponent.printed().unwrap().lines().count() - tries.lines().count();
    let seen = &monitor.seen().unwrap()[seen.len()..];
    let repairs = seen.iter().filter(|line| line.starts_with(PREFIX)).count();
    println!("{tries} deletions tried, {repairs} repairs");
    assert!(tries > 50, "an opponent that tries only {tries} times");
    assert!(
        repairs < tries / 5,
        "{repairs} repairs against {tries} tries"
    );

    opponent
        .stop(Signal::SIGKILL, Duration::from_secs(10))
        .unwrap();
    let minute = Duration::from_secs(60);
    eventually("the route after the fight", minute, || has(&node, OURS)).unwrap();
    sleep(Duration::from_secs(3));
    has(&node, OURS).unwrap();
    eventually("peace", minute, || {
        let state = state(&node, PREFIX)?;
        ensure!(state == "ok", "{state}");
        let status = node.agent_status()?;
        ensure!(status["ready"] == true, "{status:#}");
        Ok(())
    })
    .unwrap();
}
