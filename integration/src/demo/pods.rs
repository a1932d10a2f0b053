//! Pods of the demo: made and removed by the plugin, and pinging each other.

use anyhow::{Result, ensure};
use gingham_integration::topology::Duty;
use gingham_integration::{Node, Pod};
use gingham_model::Family;
use std::collections::BTreeMap;

/// Echo requests per pair and family.
const PINGS: u32 = 3;

/// Two pods on each worker of zone z1, one on every other.
pub(super) fn add(nodes: &[Node]) -> Result<Vec<Pod>> {
    let mut pods = Vec::new();
    for node in nodes.iter().filter(|node| node.plan().duty == Duty::Worker) {
        let letters: &[char] = match node.plan().zone.as_str() {
            "z1" => &['a', 'b'],
            _ => &['a'],
        };
        for letter in letters {
            pods.push(node.add_pod(&format!("{}-{letter}", node.name()))?);
        }
    }
    Ok(pods)
}

/// Whether each pod has one address per family, in a block of its node.
pub(super) fn in_blocks(pods: &[Pod]) -> Result<String> {
    for pod in pods {
        for family in Family::ALL {
            let address = pod.address(family)?;
            let blocks = &pod.node().plan().blocks;
            ensure!(
                blocks.iter().any(|block| block.contains(address)),
                "{}: {address} lies in none of {blocks:?}",
                pod.name()
            );
        }
    }
    Ok(format!(
        "{} pods, an IPv4 and an IPv6 address each",
        pods.len()
    ))
}

/// One pair for each two zones, both ways.
pub(super) fn across_zones(pods: &[Pod]) -> Vec<(&Pod, &Pod)> {
    let first: BTreeMap<_, _> = pods
        .iter()
        .rev()
        .map(|pod| (pod.node().plan().zone.clone(), pod))
        .collect();
    let pairs = first
        .values()
        .flat_map(|from| first.values().map(move |to| (*from, *to)));
    pairs
        .filter(|(from, to)| from.name() != to.name())
        .collect()
}

/// Whether every echo request between the pairs is answered, in both families.
pub(super) fn reach(pairs: &[(&Pod, &Pod)]) -> Result<String> {
    let mut lines = Vec::new();
    for (from, to) in pairs {
        for family in Family::ALL {
            let address = to.address(family)?;
            let result = from.ping(address, PINGS)?;
            let line = format!(
                "{} -> {} {address}: {} of {}",
                from.name(),
                to.name(),
                result.received,
                result.sent
            );
            ensure!(result.complete(), "{line}");
            lines.push(line);
        }
    }
    Ok(lines.join("\n"))
}

/// Removes all pods.
pub(super) fn delete(pods: &[Pod]) -> Result<()> {
    pods.iter()
        .try_for_each(|pod| pod.node().del_pod(pod.name()))
}

/// Whether no link, namespace, pod route or held lease is left on any node.
pub(super) fn nothing_left(nodes: &[Node]) -> Result<String> {
    let mut resting = 0;
    for node in nodes {
        let links = node.exec(&["ip", "-o", "link"])?;
        ensure!(!links.contains(": gh"), "{}: {links}", node.name());
        let namespaces = node.exec(&["ip", "netns", "list"])?;
        ensure!(namespaces.is_empty(), "{}: {namespaces}", node.name());
        for family in ["-4", "-6"] {
            let routes = node.exec(&["ip", family, "route", "show", "proto", "200"])?;
            ensure!(routes.is_empty(), "{}: {routes}", node.name());
        }
        for lease in node.leases()? {
            ensure!(lease["state"] == "Cooling", "{}: {lease}", node.name());
            resting += 1;
        }
    }
    ensure!(resting > 0, "no lease is left to rest");
    let nodes = nodes.len();
    Ok(format!(
        "{nodes} nodes without link gh*, namespace or pod route; {resting} leases Cooling"
    ))
}
