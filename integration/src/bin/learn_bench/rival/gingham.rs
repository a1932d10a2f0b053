//! Our agent: an ordinary node, whose zone's reflectors are the feeders; or the reflector itself.

use crate::case::{self, ASN, Case, DEVICE, Nodes, OUTSIDE, POOL, SUBNET};
use anyhow::{Context, Result};
use gingham_integration::bench::Launch;
use gingham_integration::bgp::frame::Slash24;
use gingham_integration::cluster::{self, Object};
use serde_json::{Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Where the cluster objects are.
const CLUSTER: &str = "/run/cluster";
/// Kinds of which there may be no object: an empty folder says so.
const FOLDERS: [&str; 2] = ["bgppeers", "routefilters"];
/// The node the agent runs on, and its block.
const NAME: &str = "device";
const BLOCK: Slash24 = [24, 10, 127, 0];
/// Makes a node a reflector of its zone.
const REFLECTOR: &str = "node-role.kubernetes.io/control-plane";

pub(super) fn prepare(case: Case) -> Result<()> {
    for folder in FOLDERS.map(|folder| Path::new(CLUSTER).join(folder)) {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    cluster::write(Path::new(CLUSTER), &objects(case))
}

pub(super) fn launch(program: &Path) -> Launch {
    let line = format!("run --cluster-dir {CLUSTER} --node {NAME}");
    Launch::of(program, &line)
}

fn objects(case: Case) -> Vec<Object> {
    let mut objects = vec![
        ours("routingconfigs", "RoutingConfig", "default", routing()),
        ours("zonepools", "ZonePool", "z1", pool()),
        block(BLOCK, NAME, DEVICE),
    ];
    match case {
        Case::Learn(feed) => {
            objects.push(node(NAME, DEVICE, json!({})));
            for number in 0..feed.feeders {
                let name = format!("feeder{number}");
                let labels = json!({REFLECTOR: ""});
                objects.push(node(&name, case::feeder(number), labels));
            }
        }
        Case::Reflect(Nodes(nodes)) => {
            objects.push(node(NAME, DEVICE, json!({REFLECTOR: ""})));
            let core = json!({"zone": "z1", "peerIP": case::feeder(0), "asNumber": OUTSIDE});
            objects.push(ours("bgppeers", "BGPPeer", "core", core));
            for number in 0..nodes {
                let name = format!("node{number}");
                let address = Nodes::address(number);
                objects.push(block(Nodes::block(number), &name, address));
                objects.push(node(&name, address, json!({})));
            }
        }
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

fn block([length, a, b, c]: Slash24, owner: &str, address: Ipv4Addr) -> Object {
    let spec = json!({
        "cidr": format!("{a}.{b}.{c}.0/{length}"),
        "pool": "z1",
        "zone": "z1",
        "node": owner,
        "nodeUID": uid(address),
        "nodeIPs": [address],
        "state": "Active",
    });
    let name = format!("{a}-{b}-{c}-0-{length}");
    ours("blocks", "Block", &name, spec)
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
