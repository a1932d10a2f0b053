//! BGPPeer and RouteFilter objects as they change.

use crate::hand::{
    CORE, REFLECTORS, Verb, announce_at_c1, established, put, put_peer, settle, up, wait_for,
    wait_for_notice, wait_for_session, with, zone_one,
};
use crate::world;
use gingham_integration::Lab;
use gingham_integration::tables::{Tables, expected};
use serde_json::{Value, json};
use std::fs;

fn put_filter(lab: &Lab, name: &str, import: &Value) {
    put(
        lab,
        ("routefilters", "RouteFilter", name),
        &json!({"import": import}),
    );
}

/// The tables with these lines at every node.
fn at_every_node(lab: &Lab, lines: &[&str]) -> Tables {
    let mut tables = expected(lab.topology());
    for node in lab.nodes() {
        with(&mut tables, node.name(), lines);
    }
    tables
}

#[test]
fn filters_change_what_is_learned_and_no_session() {
    let lab = up(zone_one());
    let sessions = established(&lab);
    announce_at_c1(
        &lab,
        &["0.0.0.0/0", "::/0", "198.18.0.0/24"],
        Verb::Announce,
    );
    let specific = "198.18.0.0/24 via 10.1.0.1";
    wait_for(&lab, &at_every_node(&lab, &[specific]));

    let defaults = json!([{"prefix": "0.0.0.0/0"}, {"prefix": "::/0"}]);
    put_filter(
        &lab,
        "defaults",
        &json!([{"name": "allowed", "prefixes": defaults, "then": "accept"}]),
    );
    let tests = json!([{"prefix": "198.18.0.0/24"}]);
    put_filter(
        &lab,
        "no-tests",
        &json!([{"name": "tests", "prefixes": tests, "then": "reject"}]),
    );
    let filters = |names: Value| {
        put_peer(
            &lab,
            "cores",
            &json!({"defaultGateway": {}, "filters": names}),
        )
    };
    // Besides the one every node has from the start, of another metric.
    let learned = ["default via 10.1.0.1", "default via fd00:1::1"];
    filters(json!(["defaults"]));
    wait_for(
        &lab,
        &at_every_node(&lab, &[learned[0], specific, learned[1]]),
    );
    filters(json!(["defaults", "no-tests"]));
    wait_for(&lab, &at_every_node(&lab, &learned));
    filters(json!([]));
    wait_for(&lab, &at_every_node(&lab, &[specific]));
    assert_eq!(established(&lab), sessions);
}
