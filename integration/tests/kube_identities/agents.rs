//! What agents really do: a worker's and a reflector's, each with its own token, through a Block's whole
//! life. The audit log says that nothing of it was refused, and that all of it was done.

use anyhow::{Context, Result, ensure};
use gingham_integration::kubernetes::Entry;
use gingham_integration::topology::{self, Duty, Role, Topology};
use gingham_integration::{Binaries, Lab, Plan, Store, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A drained block is given back after half a minute, one of a vanished node after a minute or so.
const PATIENCE: Duration = Duration::from_secs(300);
/// The agents under test, and who they are to the API server.
const WORKER: &str = "z1w1";
const REFLECTOR: &str = "z1w2";
const ACCOUNTS: [(&str, &str); 2] = [
    (WORKER, "system:serviceaccount:gingham-system:gingham-node"),
    (
        REFLECTOR,
        "system:serviceaccount:gingham-system:gingham-reflector",
    ),
];
/// What each of them does here, and what the reflector does besides: verb, resource and part.
const OF_ALL: [&str; 9] = [
    "watch nodes",
    "watch blocks",
    "watch zonepools",
    "watch routingconfigs",
    "watch bgppeers",
    "watch routefilters",
    "create blocks",
    "get secrets",
    "patch nodes/status",
];
const OF_THE_WORKER: [&str; 1] = ["delete blocks"];
const OF_THE_REFLECTOR: [&str; 5] = [
    "update blocks",
    "update blocks/status",
    "delete blocks",
    "create leases",
    "patch zonepools/status",
];

/// One zone of two nodes, of which one is its reflector, and neither has a block yet.
fn zone() -> Result<Topology> {
    let mut topology = topology::static_routes()?;
    let stays = |name: &str| ["bb", "sw1", "c1", WORKER, REFLECTOR].contains(&name);
    topology.boxes.retain(|plan| stays(&plan.name));
    topology
        .links
        .retain(|link| stays(&link.a.on) && stays(&link.b.on));
    topology.zones.truncate(1);
    for plan in &mut topology.boxes {
        if let Role::Node(node) = &mut plan.role {
            node.blocks.clear();
            if plan.name == REFLECTOR {
                node.duty = Duty::Master;
            }
        }
    }
    Ok(topology)
}

pub(crate) fn live() -> Result<()> {
    let plan = Plan::scoped(zone()?, Binaries::locate()?).on(Store::Kubernetes);
    let lab = Lab::up(plan)?;
    lab.api()?.create(&json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "zone", "namespace": "gingham-system"},
        "stringData": {"password": "secret"},
    }))?;
    lab.change(("routingconfigs", "default"), |object| {
        object["spec"]["reflectors"] = json!({"passwordSecret": "zone"});
        object["spec"]["emptyBlockSeconds"] = json!(1);
        object["spec"]["blockReleaseDelaySeconds"] = json!(5);
    })?;
    for node in lab.nodes() {
        node.start_agent()?;
    }
    for node in lab.nodes() {
        node.wait_ready(PATIENCE)?;
    }
    let first = wait(&lab, "both have blocks", |blocks| {
        let owners = [WORKER, REFLECTOR].map(|node| of(blocks, node).count());
        owners.iter().all(|count| *count == 2)
    })?;
    gives_back(&lab, &first)?;
    is_gone(&lab)?;
    let entries = lab.api()?.audit()?;
    nothing_was_refused(&entries)?;
    everything_selects(&entries)?;
    for (node, account) in ACCOUNTS {
        let own: &[&str] = match node {
            WORKER => &OF_THE_WORKER,
            _ => &OF_THE_REFLECTOR,
        };
        let done = done_by(&entries, account);
        let mut wanted = OF_ALL.iter().chain(own);
        let missing = wanted.find(|what| !done.contains(**what));
        ensure!(missing.is_none(), "{node} never did {missing:?}: {done:?}");
    }
    Ok(())
}

/// The operator drains a block: its node claims another and deletes that one.
fn gives_back(lab: &Lab, blocks: &[Value]) -> Result<()> {
    let drained = of(blocks, WORKER).find(|block| !is_v6(block));
    let name = drained.and_then(|block| block["metadata"]["name"].as_str());
    let name = name.context("the worker has no IPv4 block")?;
    lab.change(("blocks", name), |object| {
        object["spec"]["state"] = json!("Draining")
    })?;
    let is_it = |block: &Value| block["metadata"]["name"] == *name;
    wait(
        lab,
        "the drained block is gone, and there is another",
        |blocks| !blocks.iter().any(is_it) && of(blocks, WORKER).any(|block| !is_v6(block)),
    )?;
    Ok(())
}

/// The worker goes for good: the reflector frees what it had.
fn is_gone(lab: &Lab) -> Result<()> {
    lab.node(WORKER)?.stop_agent(Signal::SIGKILL)?;
    lab.remove("nodes", WORKER)?;
    wait(lab, "the blocks of the vanished node are free", |blocks| {
        of(blocks, WORKER).next().is_none()
    })?;
    Ok(())
}

fn wait(lab: &Lab, what: &str, is: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
    eventually(what, PATIENCE, || {
        std::thread::sleep(Duration::from_millis(500));
        let blocks = lab.list("blocks")?;
        ensure!(is(&blocks), "{blocks:?}");
        Ok(blocks)
    })
}

fn of<'a>(blocks: &'a [Value], node: &str) -> impl Iterator<Item = &'a Value> {
    blocks
        .iter()
        .filter(move |block| block["spec"]["node"] == *node)
}

fn is_v6(block: &Value) -> bool {
    block["spec"]["cidr"]
        .as_str()
        .is_some_and(|cidr| cidr.contains(':'))
}

fn is_an_agent(entry: &&Entry) -> bool {
    ACCOUNTS.iter().any(|(_, account)| entry.user() == *account)
}

fn nothing_was_refused(entries: &[Entry]) -> Result<()> {
    let mut agents = entries.iter().filter(is_an_agent);
    let refused = agents.find(|entry| matches!(entry.code(), 400 | 401 | 403 | 422));
    ensure!(refused.is_none(), "{refused:?}");
    Ok(())
}

fn everything_selects(entries: &[Entry]) -> Result<()> {
    for entry in entries.iter().filter(is_an_agent) {
        let many = matches!(&*entry.verb, "list" | "watch");
        if many && ["nodes", "blocks"].contains(&entry.resource()) {
            let selects = ["fieldSelector=", "labelSelector="];
            let selects = selects.iter().any(|part| entry.uri.contains(part));
            ensure!(selects, "{} asks for all: {}", entry.user(), entry.uri);
        }
    }
    Ok(())
}

/// Verb, resource and part of all that succeeded.
fn done_by(entries: &[Entry], account: &str) -> BTreeSet<String> {
    let entries = entries.iter().filter(|entry| entry.user() == account);
    let entries = entries.filter(|entry| (200..300).contains(&entry.code()));
    let name = |entry: &Entry| match entry.object_ref["subresource"].as_str() {
        Some(part) => format!("{} {}/{part}", entry.verb, entry.resource()),
        None => format!("{} {}", entry.verb, entry.resource()),
    };
    entries.map(name).collect()
}
