//! Our agent: an ordinary node, whose zone's reflectors are the feeders.

use crate::case::{self, ASN, Case, NODE, SUBNET};
use anyhow::{Context, Result};
use gingham_integration::bench::Launch;
use gingham_integration::cluster::{self, Object};
use serde_json::{Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Where the cluster objects are.
const CLUSTER: &str = "/run/cluster";
/// Kinds of which there is no object: an empty folder says so.
const NONE: [&str; 2] = ["bgppeers", "routefilters"];
/// The node the agent runs on, and its block.
const NAME: &str = "n1";
const BLOCK: &str = "10.101.9.0/24";
const POOL: &str = "10.101.0.0/16";

pub(super) fn prepare(case: Case) -> Result<()> {
    for folder in NONE.map(|folder| Path::new(CLUSTER).join(folder)) {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    cluster::write(Path::new(CLUSTER), &objects(case))
}

pub(super) fn launch(program: &Path) -> Launch {
    Launch::of(
        program,
        &format!("run --cluster-dir {CLUSTER} --node {NAME}"),
    )
}

fn objects(case: Case) -> Vec<Object> {
    let mut objects = vec![
        node(NAME, NODE, json!({})),
        ours("routingconfigs", "RoutingConfig", "default", routing()),
        ours("zonepools", "ZonePool", "z1", pool()),
        ours("blocks", "Block", "10-101-9-0-24", block()),
    ];
    for number in 0..case.feeders {
        let reflector = json!({"node-role.kubernetes.io/control-plane": ""});
        let name = format!("r{}", number + 1);
        objects.push(node(&name, case::feeder(number), reflector));
    }
    objects
}

fn routing() -> Value {
    json!({
        "zones": [{"name": "z1", "asNumber": ASN, "nodeCIDRs": [SUBNET]}],
        "gracefulRestart": {"restartSeconds": 120, "longLivedStaleSeconds": 86_400},
    })
}

fn pool() -> Value {
    json!({
        "zone": "z1",
        "cidrs": [{"cidr": POOL, "state": "Active"}],
        "blockSize": {"v4": 24, "v6": 64},
        "aggregate": "None",
        "natOutgoing": true,
        "cooldownSeconds": 120,
    })
}

fn block() -> Value {
    json!({
        "cidr": BLOCK,
        "pool": "z1",
        "zone": "z1",
        "node": NAME,
        "nodeUID": uid(NODE),
        "nodeIPs": [NODE],
        "state": "Active",
    })
}

fn node(name: &str, address: Ipv4Addr, mut labels: Value) -> Object {
    labels["topology.kubernetes.io/zone"] = "z1".into();
    let body = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": uid(address), "labels": labels},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    });
    Object {
        folder: "nodes",
        name: name.to_owned(),
        body,
    }
}

fn ours(folder: &'static str, kind: &str, name: &str, spec: Value) -> Object {
    let body = json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    Object {
        folder,
        name: name.to_owned(),
        body,
    }
}

fn uid(address: Ipv4Addr) -> String {
    format!("67696e67-0000-4000-8000-{:012}", address.to_bits())
}
