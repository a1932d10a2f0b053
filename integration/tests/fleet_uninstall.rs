//! What is left of the network when it is uninstalled, and what happens beside another one's configuration.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use anyhow::{Result, ensure};
use fleet_world::{PATIENCE, bare, client, files, wait_for_status, wait_ready};
use gingham_integration::{Fleet, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// What a node's host has that the network could change, in the words of the programs that show it.
const SHOWN: [&[&str]; 8] = [
    &["ip", "-4", "route", "show", "table", "all"],
    &["ip", "-6", "route", "show", "table", "main"],
    &["ip", "rule"],
    &["ip", "-6", "rule"],
    &["ip", "-o", "link"],
    &["nft", "list", "tables"],
    &[
        "sysctl",
        "net.ipv4.ip_forward",
        "net.ipv6.conf.all.forwarding",
        "net.ipv4.fib_multipath_hash_policy",
    ],
    &["ls", "/etc/cni/net.d", "/opt/cni/bin"],
];

/// The folders that are ours alone.
const OURS: [&str; 2] = ["/run/gingham", "/var/lib/gingham"];

/// The configuration of another network.
const OTHER: &str = r#"{"cniVersion":"1.0.0","name":"other","type":"bridge"}"#;

#[test]
fn a_node_is_as_it_was_before_when_the_chart_is_gone() {
    let fleet = bare();
    // The host's own portmap, of another release.
    for node in fleet.nodes() {
        let path = fleet.node(node).unwrap().path("/opt/cni/bin/portmap");
        fs::write(path, "#!/bin/sh\nexit 1\n").unwrap();
    }
    let before = shown_on_all(&fleet).unwrap();
    fleet.upgrade(&[]).unwrap();
    fleet.settle(PATIENCE).unwrap();
    wait_ready(&fleet);
    fleet.run(&client("guest").on("z2w1")).unwrap();
    fleet.delete("guest").unwrap();

    fleet.uninstall(PATIENCE).unwrap();
    eventually("every node is as it was before", PATIENCE, || {
        let now = shown_on_all(&fleet)?;
        for (node, before) in &before {
            for (before, now) in before.iter().zip(&now[node]) {
                ensure!(before == now, "{node}: before {before}\nnow {now}");
            }
            for folder in OURS {
                ensure!(
                    !fleet.node(node)?.path(folder).exists(),
                    "{node}: {folder} is there"
                );
            }
        }
        Ok(())
    })
    .unwrap();
    for node in fleet.nodes() {
        let path = fleet.node(node).unwrap().path("/opt/cni/bin/portmap");
        assert_eq!(fs::read_to_string(path).unwrap(), "#!/bin/sh\nexit 1\n");
    }
    // What says who has which addresses stays until somebody deletes it.
    let blocks = fleet.json(&["get", "blocks"]).unwrap();
    assert!(!blocks["items"].as_array().unwrap().is_empty());
}

#[test]
fn another_networks_configuration_is_told_where_it_comes_first() {
    let fleet = fleet_world::installed();
    let folder = "/etc/cni/net.d";
    let conf = |name: &str| {
        fleet
            .node("z1w1")
            .unwrap()
            .path(&format!("{folder}/{name}"))
    };
    fs::write(conf("20-other.conf"), OTHER).unwrap();
    fs::write(conf("05-other.conf"), OTHER).unwrap();
    let notice = "CNI configuration 05-other.conf, of bridge, comes before 10-gingham.conflist: \
                  the runtime takes the first by name";
    let status = wait_for_status(&fleet, "z1w1", |status| told(status, notice));
    // It keeps nobody from being ready: pods that run are well.
    assert_eq!(status["ready"], json!(true));
    assert!(!status.to_string().contains("20-other"), "{status:#}");
    eventually("an event of the Node", PATIENCE, || {
        let events = fleet.json(&["get", "events", "--field-selector=reason=CNIConfiguration"])?;
        ensure!(events["items"].to_string().contains(notice), "{events:#}");
        Ok(())
    })
    .unwrap();
    fs::remove_file(conf("05-other.conf")).unwrap();
    wait_for_status(&fleet, "z1w1", |status| !told(status, notice));
    // Ours is the first again, beside the other.
    fleet.run(&client("guest").on("z1w1")).unwrap();
    fs::remove_file(conf("10-gingham.conflist")).unwrap();
    eventually("it is written again", PATIENCE, || {
        let names = files(&fleet, "z1w1", folder);
        ensure!(
            names == ["10-gingham.conflist", "20-other.conf"],
            "{names:?}"
        );
        Ok(())
    })
    .unwrap();
}

fn told(status: &Value, notice: &str) -> bool {
    let notices = status["notices"].as_array();
    notices.is_some_and(|notices| notices.iter().any(|told| told == notice))
}

fn shown_on_all(fleet: &Fleet) -> Result<BTreeMap<String, Vec<String>>> {
    let shown = fleet
        .nodes()
        .map(|node| Ok((node.to_owned(), shown(fleet, node)?)));
    shown.collect()
}

fn shown(fleet: &Fleet, node: &str) -> Result<Vec<String>> {
    let host = fleet.node(node)?;
    let shown = SHOWN.iter().map(|words| Ok(own(&host.exec(words)?)));
    shown.collect()
}

/// The lines that are not of kube-proxy, which goes on; in an order of their own.
fn own(shown: &str) -> String {
    let mut lines: Vec<&str> = shown
        .lines()
        .filter(|l| !l.contains("kube-proxy"))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}
