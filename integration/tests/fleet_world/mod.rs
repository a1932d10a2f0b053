//! What the scenarios in fleets share: a fleet with the chart installed, and ways to look at it.
#![allow(dead_code, unused_imports, reason = "each scenario file uses its part")]

use anyhow::{Context, Result, ensure};
use gingham_integration::fleet::chart::{TAG, image};
pub(crate) use gingham_integration::fleet::http::{FETCH, host};
use gingham_integration::fleet::{FleetPod, PodSpec};
use gingham_integration::topology::Workers;
use gingham_integration::{Binaries, Fleet, FleetPlan, Flow, Progress, Traffic, eventually};
use gingham_model::Family;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Ten times what anything here takes on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A fleet without a pod network, whose nodes have the agent's image.
pub(crate) fn bare() -> Fleet {
    let image = image(TAG).unwrap();
    let plan = FleetPlan {
        workers: Workers::One,
        images: vec![image],
        progress: Progress::to_stderr(),
    };
    Fleet::up(plan).unwrap()
}

/// A fleet with the chart installed, and every node and agent ready.
pub(crate) fn installed() -> Fleet {
    let fleet = bare();
    fleet.upgrade(&[]).unwrap();
    fleet.settle(PATIENCE).unwrap();
    wait_ready(&fleet);
    fleet
}

/// Waits until every node is ready, and every agent.
pub(crate) fn wait_ready(fleet: &Fleet) {
    fleet.wait_nodes_ready(PATIENCE).unwrap();
    fleet.wait_agents(PATIENCE).unwrap();
}

/// What the agent of a node says about itself.
pub(crate) fn status(fleet: &Fleet, node: &str) -> Result<Value> {
    let agent = Binaries::locate()?.gingham()?.agent.display().to_string();
    let said = fleet.node(node)?.exec(&[&agent, "status", "-o", "json"])?;
    serde_json::from_str(&said).with_context(|| format!("status of {node}"))
}

/// Waits until a node's agent says what `look` wants.
pub(crate) fn wait_for_status(fleet: &Fleet, node: &str, look: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("the status of {node}"), PATIENCE, || {
        let status = status(fleet, node)?;
        ensure!(look(&status), "{status:#}");
        Ok(status)
    })
    .unwrap()
}

/// A pod that serves HTTP on port 8080: `/hostname` says which it is, `/clientip` who asks.
pub(crate) fn server(name: &str) -> PodSpec {
    PodSpec::server(name)
}

/// A pod that asks: it has `curl`, `nc` and a shell.
pub(crate) fn client(name: &str) -> PodSpec {
    PodSpec::client(name)
}

/// What is at a URL for a pod of [`client`].
pub(crate) fn fetch(fleet: &Fleet, from: &FleetPod, url: &str) -> Result<String> {
    fleet.fetch(from, url)
}

/// Traffic under way, each with words for what it is.
pub(crate) type Flows = Vec<(String, Traffic)>;

/// Traffic of both families between the pods of each pair.
pub(crate) fn traffic(fleet: &Fleet, pairs: &[(&FleetPod, &FleetPod)]) -> Flows {
    let mut flows = Vec::new();
    for (from, to) in pairs {
        let ends = (fleet.endpoint(from).unwrap(), fleet.endpoint(to).unwrap());
        for family in Family::ALL {
            let flow = Flow { family, rate: 200 };
            let traffic = Traffic::between(&ends.0, &ends.1, flow).unwrap();
            flows.push((format!("{family}, {} to {}", from.name, to.name), traffic));
        }
    }
    flows
}

/// Stops traffic. None of it may be lost.
pub(crate) fn assert_none_lost(flows: Flows, during: &str) {
    let counts = flows
        .into_iter()
        .map(|(what, flow)| (what, flow.stop().unwrap()));
    let bad = counts.filter(|(_, count)| count.lost() > 0 || count.received.received == 0);
    let bad: Vec<String> = bad
        .map(|(what, count)| format!("{what}: {count:?}"))
        .collect();
    assert!(bad.is_empty(), "{during}: {bad:#?}");
}

/// The files of a folder of a node, none if there is no such folder.
pub(crate) fn files(fleet: &Fleet, node: &str, folder: &str) -> Vec<String> {
    let path = fleet.node(node).unwrap().path(folder);
    let read = std::fs::read_dir(Path::new(&path)).into_iter().flatten();
    let names = read.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
