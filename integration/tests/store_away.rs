//! A cluster store that is away, and a Node object that is: what works goes on, and says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::{Lab, Node, RouteMonitor, Store, on_both_stores};
use serde_json::{Value, json};
use std::fs;
use std::thread::sleep;
use std::time::Duration;
use world::{get, one_zone, routes, says, up, wait, wait_for_status};

on_both_stores! {
    a_node_whose_store_is_away_stays_ready_and_says_since_when,
    a_node_that_is_deleted_and_registered_anew_keeps_what_its_pods_need,
}

/// What is waited for to see that something does not happen.
const WHILE: Duration = Duration::from_secs(5);

fn all_are(status: &Value, state: &str) -> bool {
    let mut sources = status["sources"].as_array().unwrap().iter();
    sources.all(|source| source["state"] == state)
}

fn told(node: &Node) -> String {
    fs::read_to_string(node.host().path("/run/gingham/node.json")).unwrap()
}

fn a_node_whose_store_is_away_stays_ready_and_says_since_when(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let (before, node_json) = (routes(&node, 201), told(&node));
    let monitor = RouteMonitor::start(node.host()).unwrap();
    lab.hide_store().unwrap();
    let status = wait_for_status(&node, "every source is lost", |s| all_are(s, "Lost"));
    assert_eq!(status["ready"], true, "{status:#}");
    for source in status["sources"].as_array().unwrap() {
        assert!(
            source["since"].is_string() && source["error"].is_string(),
            "{source}"
        );
    }
    assert!(
        says(&status["notices"], &["blocks cannot be read since "]),
        "{status:#}"
    );
    assert!(
        says(&status["removalsHeld"], &["blocks cannot be read"]),
        "{status:#}"
    );
    sleep(WHILE);
    assert_eq!((routes(&node, 201), told(&node)), (before, node_json));
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
    lab.show_store().unwrap();
    let status = wait_for_status(&node, "every source is back", |s| all_are(s, "Synced"));
    assert!(!says(&status["notices"], &["cannot be read"]), "{status:#}");
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
}

fn a_node_that_is_deleted_and_registered_anew_keeps_what_its_pods_need(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let (before, node_json) = (routes(&node, 201), told(&node));
    let monitors =
        ["z1w1", "z1w2"].map(|name| RouteMonitor::start(lab.node(name).unwrap().host()).unwrap());
    let mut object = get(&lab, "nodes", "z1w1");
    let uid = object["metadata"]["uid"].clone();
    lab.remove("nodes", "z1w1").unwrap();
    let status = wait_for_status(&node, "its Node is gone", |s| {
        says(&s["notices"], &["there is no Node z1w1 any more"])
    });
    assert_eq!(status["ready"], true, "{status:#}");
    assert!(
        says(&status["removalsHeld"], &["Node z1w1 is not known"]),
        "{status:#}"
    );
    sleep(WHILE);

    object["metadata"]["uid"] = json!("another");
    lab.put(&object).unwrap();
    wait("its blocks carry the new uid", || {
        for block in own_blocks(&lab) {
            ensure!(block["spec"]["nodeUID"] != uid, "{block:#}");
        }
        Ok(())
    });
    wait_for_status(&node, "all is as it was", |s| {
        s["ready"] == true && s["removalsHeld"] == json!([])
    });
    assert_eq!(own_blocks(&lab).len(), 2);
    assert_eq!((routes(&node, 201), told(&node)), (before, node_json));
    for monitor in monitors {
        assert_eq!(monitor.seen().unwrap(), [""; 0]);
    }
}

fn own_blocks(lab: &Lab) -> Vec<Value> {
    let blocks = lab.list("blocks").unwrap().into_iter();
    blocks
        .filter(|block| block["spec"]["node"] == "z1w1")
        .collect()
}
