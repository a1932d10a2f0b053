//! What the scenarios with callers of others share: a node that has their programs, the library's own
//! tool, and what a pod leaves behind.
#![allow(dead_code, reason = "each scenario file uses its part")]

pub(crate) mod containerd;

use crate::world::{one_zone, routes, up};
use gingham_integration::{CNI_BIN_DIR, CONFLIST, Exec, Lab, Node, Store, tools};
use serde_json::{Value, json};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;

/// Where a runtime looks for configurations.
pub(crate) const CONF_DIR: &str = "/etc/cni/net.d";
/// Where the CNI library keeps the results of ADD.
const RESULTS: &str = "/var/lib/cni/results";
/// The file of the configuration list that stands there.
pub(crate) const CONF_FILE: &str = "10-gingham.conflist";
/// The network of our configurations.
pub(crate) const NETWORK: &str = "gingham";

/// One zone with ready agents, and its first worker.
pub(crate) fn scene() -> (Lab, Node) {
    let lab = up(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    (lab, node)
}

/// Puts plugins of the reference beside ours.
pub(crate) fn equip(node: &Node, plugins: &[&str]) {
    for plugin in plugins {
        let inside = format!("{CNI_BIN_DIR}/{plugin}");
        symlink(tools::locate(plugin).unwrap(), node.host().path(&inside)).unwrap();
    }
}

/// Writes a configuration under this file name.
pub(crate) fn configure(node: &Node, file: &str, conf: &Value) {
    let path = node.host().path(&format!("{CONF_DIR}/{file}"));
    fs::write(path, conf.to_string()).unwrap();
}

/// The node's configuration list, of another network or version of the specification.
pub(crate) fn conflist(node: &Node, network: &str, version: &str) -> Value {
    let text = fs::read(node.host().path(CONFLIST)).unwrap();
    let mut list: Value = serde_json::from_slice(&text).unwrap();
    list["name"] = json!(network);
    list["cniVersion"] = json!(version);
    list
}

/// A network namespace that waits for its network; its path.
pub(crate) fn sandbox(node: &Node, name: &str) -> String {
    node.exec(&["ip", "netns", "add", name]).unwrap();
    node.exec(&["ip", "-n", name, "link", "set", "lo", "up"])
        .unwrap();
    format!("/run/netns/{name}")
}

/// `cnitool VERB NETWORK NETNS`, to be given more and then run.
pub(crate) fn cnitool(node: &Node, verb: &str, [network, netns]: [&str; 2]) -> Exec {
    let tool = tools::locate("cnitool").unwrap().display().to_string();
    node.command(&[&tool, verb, network, netns])
        .env("CNI_PATH", CNI_BIN_DIR)
}

/// What the library remembers of attachments to a network: the files of its cache, parsed.
pub(crate) fn remembered(node: &Node, network: &str) -> Vec<Value> {
    let Ok(files) = fs::read_dir(node.host().path(RESULTS)) else {
        return Vec::new();
    };
    let entries = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    let entries = entries.map(|text| serde_json::from_slice::<Value>(&text).unwrap());
    entries
        .filter(|entry| entry["networkName"] == network)
        .collect()
}

/// The leases of a network that are not at rest.
pub(crate) fn leases(node: &Node, network: &str) -> Vec<Value> {
    let mut leases = node.leases().unwrap();
    leases.retain(|lease| lease["network"] == network && lease["state"] != "Cooling");
    leases
}

/// The addresses of a lease.
pub(crate) fn addresses(lease: &Value) -> Vec<IpAddr> {
    ["v4", "v6"]
        .map(|family| lease[family].as_str().unwrap().parse().unwrap())
        .to_vec()
}

/// What pods have left on a node: lines of what shows it.
pub(crate) fn left(node: &Node) -> Vec<String> {
    let shown = [
        &["ip", "-o", "link", "show", "group", "26472"],
        &["ip", "-o", "link", "show", "type", "ifb"],
    ]
    .map(|argv| node.exec(argv).unwrap());
    let mut left: Vec<String> = shown
        .iter()
        .flat_map(|text| text.lines().map(str::to_owned))
        .collect();
    left.extend(routes(node, 200));
    let leases = leases(node, NETWORK);
    left.extend(leases.iter().map(Value::to_string));
    let remembered = remembered(node, NETWORK);
    left.extend(remembered.iter().map(Value::to_string));
    left
}

#[track_caller]
pub(crate) fn assert_nothing_left(node: &Node) {
    assert_eq!(left(node), [""; 0], "on {}", node.name());
}

/// Every address of `node` answers whoever `ping` is.
#[track_caller]
pub(crate) fn assert_reaches(ping: impl Fn(&str) -> Exec, node: &Node) {
    for address in &node.plan().internal_ips {
        let address = address.to_string();
        ping(&address).text().unwrap();
    }
}
