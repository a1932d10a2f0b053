//! What the scenarios in fleets share: a fleet with the chart installed, and ways to look at it.
#![allow(dead_code, reason = "each scenario file uses its part")]

use anyhow::{Context, Result, ensure};
use gingham_integration::fleet::{FleetPod, PodSpec};
use gingham_integration::images::{self, AGNHOST};
use gingham_integration::topology::Workers;
use gingham_integration::{Binaries, Fleet, FleetPlan, Flow, Progress, Traffic, eventually};
use gingham_model::Family;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ten times what anything here takes on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// The chart, and the namespace and name of its release.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");
pub(crate) const NAMESPACE: &str = "gingham-system";
pub(crate) const RELEASE: &str = "gingham";
/// The DaemonSets of the chart.
pub(crate) const AGENTS: [&str; 2] = ["daemonset/gingham-node", "daemonset/gingham-reflector"];
/// The cluster's DNS.
const COREDNS: &str = include_str!("../../cluster/coredns.yaml");
/// The repository of the agent's image, and the tag of the tree's own.
pub(crate) const REPOSITORY: &str = "localhost/gingham";
pub(crate) const TAG: &str = "0.1.0";

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
    install(&fleet, &[]);
    fleet.apply_settings().unwrap();
    wait_ready(&fleet);
    fleet
}

/// Installs or upgrades the chart with these values besides the image.
pub(crate) fn install(fleet: &Fleet, values: &[&str]) {
    let image = format!("image.repository={REPOSITORY},image.tag={TAG},image.pullPolicy=Never");
    let mut words = vec![
        "upgrade",
        "--install",
        RELEASE,
        CHART,
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--set",
        &image,
    ];
    for value in values {
        words.extend(["--set", value]);
    }
    fleet.client("helm", &words).text().unwrap();
}

/// The archive of the agent's image with this tag, of the tree's own programs.
pub(crate) fn image(tag: &str) -> Result<PathBuf> {
    let binaries = Binaries::locate()?;
    images::gingham(binaries.gingham()?, &format!("{REPOSITORY}:{tag}"))
}

/// Gives the cluster its DNS.
pub(crate) fn apply_dns(fleet: &Fleet) {
    fleet.apply(COREDNS).unwrap();
    wait_rolled_out(fleet, "kube-system", "deployment/coredns");
}

/// Waits until every node is ready, and every agent.
pub(crate) fn wait_ready(fleet: &Fleet) {
    fleet.wait_nodes_ready(PATIENCE).unwrap();
    wait_for_agents(fleet);
}

/// Waits until both DaemonSets have what they want.
pub(crate) fn wait_for_agents(fleet: &Fleet) {
    for agents in AGENTS {
        wait_rolled_out(fleet, NAMESPACE, agents);
    }
}

/// Waits until all that an object wants runs.
pub(crate) fn wait_rolled_out(fleet: &Fleet, namespace: &str, object: &str) {
    let words = [
        "-n",
        namespace,
        "rollout",
        "status",
        object,
        "--timeout=170s",
    ];
    fleet.kubectl(&words).deadline(PATIENCE).text().unwrap();
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

/// The agent's pod on a node.
pub(crate) fn agent(fleet: &Fleet, node: &str) -> Result<String> {
    let on = format!("--field-selector=spec.nodeName={node}");
    let pods = fleet.json(&["-n", NAMESPACE, "get", "pods", &on])?;
    let pods = pods["items"].as_array().context("items")?;
    let names = pods
        .iter()
        .filter_map(|pod| pod["metadata"]["name"].as_str());
    let mut agents = names.filter(|name| name.starts_with("gingham-"));
    Ok(agents.next().context("no agent")?.to_owned())
}

/// A pod that serves HTTP on port 8080: `/hostname` says which it is, `/clientip` who asks.
pub(crate) fn server(name: &str) -> PodSpec {
    PodSpec::new(name)
        .of(AGNHOST)
        .running(&["netexec", "--http-port=8080", "--udp-port=8081"])
}

/// A pod that asks: it has `curl`, `nc` and a shell.
pub(crate) fn client(name: &str) -> PodSpec {
    PodSpec::new(name).of(AGNHOST).running(&["pause"])
}

/// What fetches a URL.
pub(crate) const FETCH: [&str; 4] = ["curl", "-sSf", "-m", "5"];

/// What is at a URL for a pod of [`client`].
pub(crate) fn fetch(fleet: &Fleet, from: &FleetPod, url: &str) -> Result<String> {
    fleet.exec(from, &[&FETCH[..], &[url]].concat()).text()
}

/// The host part of a URL.
pub(crate) fn host(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(v4) => v4.to_string(),
        std::net::IpAddr::V6(v6) => format!("[{v6}]"),
    }
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
