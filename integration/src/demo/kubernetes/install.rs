//! The chart, installed as docs/kubernetes.md says, and what becomes of a cluster by it.

use super::{PATIENCE, WORKER, shown};
use crate::map::Blocks;
use anyhow::{Context, Result, ensure};
use gingham_integration::Fleet;
use gingham_integration::fleet::chart::{CHART, NAMESPACE, RELEASE, REPOSITORY, TAG};
use gingham_model::Family;
use serde_json::json;
use std::time::{Duration, Instant};

/// What the namespace of pods with the host's network needs.
const PRIVILEGED: &str = "pod-security.kubernetes.io/enforce=privileged";
/// Routes of ours, by their protocol.
const OURS: [&str; 2] = [" proto 201 ", " proto 202 "];

/// The values of the release: the image, which is on the nodes already.
pub(super) fn values() -> String {
    format!("image: {{repository: {REPOSITORY}, tag: {TAG}, pullPolicy: Never}}\n")
}

/// A cluster that waits for its network.
pub(super) fn stands(fleet: &Fleet, took: Duration) -> Result<String> {
    let nodes = nodes(fleet)?;
    let ready = nodes.lines().any(|line| line.contains(" Ready "));
    ensure!(!ready, "a node is Ready already:\n{nodes}");
    Ok(format!("after {:.1} s\n{nodes}", took.as_secs_f64()))
}

/// Makes the namespace, and the release in it.
pub(super) fn chart(fleet: &Fleet) -> Result<String> {
    let created = fleet.kubectl(&["create", "namespace", NAMESPACE]).text()?;
    let label = ["label", "namespace", NAMESPACE, PRIVILEGED];
    let labelled = fleet.kubectl(&label).text()?;
    let install = ["install", RELEASE, CHART, "--values", "-"];
    let installed = fleet.helm(&install).stdin(values()).text()?;
    let status = installed.lines().find(|line| line.starts_with("STATUS:"));
    let status = status.context("helm tells no status")?;
    let values = values();
    Ok(format!(
        "{created}{labelled}helm install {RELEASE} deploy/chart: {status}\nits values: {values}"
    ))
}

/// The RoutingConfig, a ZonePool for each zone, a BGPPeer for the cores.
pub(super) fn settings(fleet: &Fleet) -> Result<String> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": fleet.settings()?});
    fleet.apply(&list.to_string())
}

/// Waits until the cluster has its network; `installed` is when Helm began.
pub(super) fn ready(fleet: &Fleet, installed: Instant) -> Result<String> {
    fleet.wait_nodes_ready(PATIENCE)?;
    let nodes_after = installed.elapsed().as_secs_f64();
    let agents = fleet.wait_agents(PATIENCE)?.join("\n");
    let agents_after = installed.elapsed().as_secs_f64();
    let nodes = nodes(fleet)?;
    Ok(format!(
        "{nodes}\nnodes {nodes_after:.1} s after helm install began, agents after {agents_after:.1} s\n{agents}"
    ))
}

fn nodes(fleet: &Fleet) -> Result<String> {
    let wide = fleet.kubectl(&["get", "nodes", "-o", "wide"]).text()?;
    Ok(shown::before(&wide, "EXTERNAL-IP"))
}

/// The blocks of each node.
pub(super) fn claimed(fleet: &Fleet) -> Result<Blocks> {
    let objects = fleet.json(&["get", "blocks"])?;
    let mut blocks = Blocks::new();
    for block in objects["items"].as_array().context("items")? {
        let word = |field: &str| block["spec"][field].as_str().context("a Block's spec");
        let of = blocks.entry(word("node")?.to_owned()).or_default();
        of.push(word("cidr")?.to_owned());
    }
    Ok(blocks)
}

/// Whether each node has one of each family.
pub(super) fn blocks(fleet: &Fleet) -> Result<String> {
    let claimed = claimed(fleet)?;
    for node in fleet.nodes() {
        let own = claimed
            .get(node)
            .with_context(|| format!("{node} has none"))?;
        let sixes = own.iter().filter(|block| block.contains(':')).count();
        ensure!(sixes > 0 && sixes < own.len(), "{node} has {own:?}");
    }
    let columns = "custom-columns=CIDR:.spec.cidr,NODE:.spec.node,ZONE:.spec.zone";
    fleet.kubectl(&["get", "blocks", "-o", columns]).text()
}

/// Whether the worker reaches the other node of its zone directly, and the other zone by one route.
pub(super) fn routes(fleet: &Fleet) -> Result<String> {
    let mut lines = Vec::new();
    for (family, flag, aggregate, direct) in [
        (
            Family::V4,
            "-4",
            "10.102.0.0/16 via 10.1.0.1 ",
            " via 10.1.0.11 ",
        ),
        (
            Family::V6,
            "-6",
            "fd00:102::/48 via fd00:1::1 ",
            " via fd00:1::11 ",
        ),
    ] {
        let routes = fleet.node(WORKER)?.exec(&["ip", flag, "route"])?;
        let ours = routes
            .lines()
            .filter(|line| OURS.iter().any(|ours| line.contains(ours)));
        let ours: Vec<&str> = ours.map(str::trim_end).collect();
        let has = |way: &str, protocol: &str| {
            let mut ours = ours.iter();
            ours.any(|line| line.contains(way) && line.contains(protocol))
        };
        let wanted = has(direct, OURS[0]) && has(aggregate, OURS[1]);
        ensure!(wanted, "{WORKER}, {family}:\n{routes}");
        lines.push(format!(
            "{WORKER}, ip {flag} route, protocols 201 and 202:\n{}",
            ours.join("\n")
        ));
    }
    Ok(lines.join("\n"))
}
