//! What the scenarios share: labs with agents, and a hand in their cluster directory.
#![allow(dead_code, reason = "each scenario file uses its part")]

pub(crate) mod zones;

use anyhow::{Result, bail, ensure};
use gingham_integration::topology::{self, Topology};
use gingham_integration::{
    Binaries, Exec, Lab, LabBox, Node, Output, Plan, Store, cluster, eventually,
};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Ten times what anything here takes on an idle machine, and more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The promise of repair is 1 s. This is ten times that, and well below the 30 s after which an agent
/// reads everything back anyway: no timer makes a test of repair pass.
pub(crate) const REPAIR: Duration = Duration::from_secs(10);

/// The reference lab cut down to zone 1: its switch, core and two workers.
pub(crate) fn one_zone() -> Topology {
    let mut topology = topology::static_routes().unwrap();
    let stays = |name: &str| ["bb", "sw1", "c1", "z1w1", "z1w2"].contains(&name);
    topology.boxes.retain(|plan| stays(&plan.name));
    topology
        .links
        .retain(|link| stays(&link.a.on) && stays(&link.b.on));
    topology.zones.truncate(1);
    topology
}

/// A lab whose agents do not run yet.
pub(crate) fn without_agents(store: Store, topology: Topology) -> Lab {
    let plan = Plan::scoped(topology, Binaries::locate().unwrap());
    Lab::up(plan.on(store)).unwrap()
}

/// A lab whose agents are ready.
pub(crate) fn up(store: Store, topology: Topology) -> Lab {
    let lab = without_agents(store, topology);
    start_agents(&lab);
    lab
}

pub(crate) fn start_agents(lab: &Lab) {
    for node in lab.nodes() {
        node.start_agent().unwrap();
    }
    for node in lab.nodes() {
        node.wait_ready(PATIENCE).unwrap();
    }
}

/// The file of an object in the lab's cluster directory.
pub(crate) fn file(lab: &Lab, kind: &str, name: &str) -> PathBuf {
    cluster::file(&lab.cluster_dir(), kind, name)
}

/// Replaces a file as a careful writer does, so that no half of it is ever read.
pub(crate) fn write(path: &std::path::Path, text: &str) {
    let temporary = path.with_extension("new");
    fs::write(&temporary, text).unwrap();
    fs::rename(&temporary, path).unwrap();
}

/// Changes an object by replacing text of it.
pub(crate) fn edit(lab: &Lab, (kind, name): (&str, &str), from: &str, to: &str) {
    change(lab, (kind, name), |object| {
        *object = rewritten(object, from, to)
    });
}

/// An object with some of its text replaced.
pub(crate) fn rewritten(object: &Value, from: &str, to: &str) -> Value {
    let text = serde_saphyr::to_string(object).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    serde_saphyr::from_str(&text.replace(from, to)).unwrap()
}

/// The object of this kind and name.
pub(crate) fn get(lab: &Lab, kind: &str, name: &str) -> Value {
    lab.get(kind, name).unwrap().unwrap()
}

/// The routes of one protocol, both families, one a line, as `ip route` prints them.
pub(crate) fn routes(node: &Node, protocol: u8) -> Vec<String> {
    let mut lines = Vec::new();
    for family in ["-4", "-6"] {
        let protocol = protocol.to_string();
        let shown = node
            .exec(&["ip", family, "route", "show", "proto", &protocol])
            .unwrap();
        lines.extend(shown.lines().map(|line| line.trim_end().to_owned()));
    }
    lines
}

/// Waits until a node has a route of this protocol to `prefix`, or has none.
pub(crate) fn wait_for_route(node: &Node, protocol: u8, prefix: &str, wanted: Wanted) {
    let what = format!("{}: {prefix} {wanted:?}", node.name());
    eventually(&what, PATIENCE, || {
        let routes = routes(node, protocol);
        let there = routes
            .iter()
            .any(|route| route.split(' ').any(|word| word == prefix));
        ensure!(there == (wanted == Wanted::Present), "{routes:#?}");
        Ok(())
    })
    .unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Present,
    Absent,
}

/// Waits until the agent's status is as `look` wants it; `look` says what it misses.
pub(crate) fn wait_for_status(node: &Node, what: &str, look: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{}: {what}", node.name()), PATIENCE, || {
        let status = node.agent_status()?;
        if !look(&status) {
            bail!("{status:#}");
        }
        Ok(status)
    })
    .unwrap()
}

/// Waits for `look` to succeed.
pub(crate) fn wait<T>(what: &str, look: impl FnMut() -> Result<T>) -> T {
    eventually(what, PATIENCE, look).unwrap()
}

/// Waits for what a foreign hand has damaged to be well again, and tells how long that took.
#[expect(
    clippy::print_stdout,
    reason = "a figure for who reads a test's output"
)]
pub(crate) fn wait_for_repair(what: &str, look: impl FnMut() -> Result<()>) {
    let start = Instant::now();
    eventually(&format!("repaired: {what}"), REPAIR, look).unwrap();
    println!("{what}: repaired within {:?}", start.elapsed());
}

/// Runs lines of `ip` in one go, so fast that nobody acts in between.
pub(crate) fn ip(on: &LabBox, lines: &[&str]) {
    let batch = on.command(&["ip", "-batch", "-"]);
    batch.stdin(lines.join("\n") + "\n").text().unwrap();
}

/// A command of the agent's on a node, to be given more and then run.
pub(crate) fn agent_command(node: &Node, arguments: &[&str]) -> Exec {
    let binaries = Binaries::locate().unwrap();
    let agent = binaries.gingham().unwrap().agent.display().to_string();
    node.command(&[&[agent.as_str()], arguments].concat())
}

/// Runs a command of the agent's on a node.
pub(crate) fn agent(node: &Node, arguments: &[&str]) -> Output {
    agent_command(node, arguments).output().unwrap()
}

/// Changes an object as a whole.
pub(crate) fn change(lab: &Lab, object: (&str, &str), change: impl FnOnce(&mut Value)) {
    lab.change(object, change).unwrap();
}

/// A Block object of a node that need not exist.
pub(crate) fn block(cidr: &str, node: &str, via: &str) -> String {
    let name = block_name(cidr);
    format!(
        "apiVersion: gingham.dev/v1alpha1\nkind: Block\nmetadata:\n  name: {name}\n\
         spec:\n  cidr: {cidr}\n  pool: z1\n  zone: z1\n  node: {node}\n  \
         nodeUID: uid-of-{node}\n  nodeIPs: [\"{via}\"]\n"
    )
}

/// Writes an object.
pub(crate) fn put(lab: &Lab, text: &str) {
    lab.put(&serde_saphyr::from_str(text).unwrap()).unwrap();
}

/// Writes the Block object of an IPv4 block.
pub(crate) fn put_block(lab: &Lab, cidr: &str, node: &str, via: &str) {
    put(lab, &block(cidr, node, via));
}

/// The name of the Block object of an IPv4 block.
pub(crate) fn block_name(cidr: &str) -> String {
    cidr.replace(['.', '/'], "-")
}

/// Whether some text of a list holds all of `words`.
pub(crate) fn says(list: &Value, words: &[&str]) -> bool {
    let mut lines = list.as_array().into_iter().flatten().map(Value::to_string);
    lines.any(|line| words.iter().all(|word| line.contains(word)))
}
