//! The chart, uninstalled as docs/kubernetes.md says, and what it leaves on a node.

use super::cast::SERVICE;
use super::{PATIENCE, install};
use anyhow::{Context, Result, ensure};
use gingham_integration::fleet::chart::{CHART, NAMESPACE, RELEASE};
use gingham_integration::{Fleet, eventually};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// What a node has of ours, besides what the kernel has.
const FOLDERS: [&str; 2] = ["/run/gingham", "/var/lib/gingham"];
const FILES: [&str; 2] = ["/etc/cni/net.d/10-gingham.conflist", "/opt/cni/bin/gingham"];

/// Deletes the pods, uninstalls the chart, and looks at every node.
pub(super) fn leaves_nothing(fleet: &Fleet) -> Result<String> {
    delete_pods(fleet)?;
    let began = Instant::now();
    let upgrade = ["upgrade", RELEASE, CHART, "--values", "-"];
    let upgrade = [&upgrade[..], &["--set", "mode=Uninstall"]].concat();
    fleet.helm(&upgrade).stdin(install::values()).text()?;
    let agents = fleet.wait_agents(PATIENCE);
    let agents = agents.with_context(|| last_words(fleet))?.join("\n");
    let uninstall = ["uninstall", RELEASE, "--wait"];
    let uninstalled = fleet.helm(&uninstall).deadline(PATIENCE).text()?;
    for node in fleet.nodes() {
        eventually(&format!("{node} is as before"), PATIENCE, || {
            nothing_left(fleet, node)
        })?;
    }
    Ok(format!(
        "{agents}\n{}\nafter {:.1} s no link gh*, no route of protocols 200 to 203, no nftables table and no file of \
         ours on {}",
        uninstalled.trim_end(),
        began.elapsed().as_secs_f64(),
        fleet.nodes().collect::<Vec<_>>().join(", ")
    ))
}

fn delete_pods(fleet: &Fleet) -> Result<()> {
    let delete = |words: &[&str]| {
        let delete = [&["delete", "--wait=true", "--timeout=170s"], words].concat();
        fleet.kubectl(&delete).deadline(PATIENCE).text()
    };
    delete(&["service", SERVICE])?;
    delete(&["pod", "--all"])?;
    delete(&[
        "-n",
        "kube-system",
        "deployment",
        "coredns",
        "--cascade=foreground",
    ])?;
    Ok(())
}

/// What each pod of the release said last.
fn last_words(fleet: &Fleet) -> String {
    let said = fleet.nodes().map(|node| {
        let logs = || -> Result<String> {
            let pod = fleet.agent(node)?;
            let logs = [
                "-n",
                NAMESPACE,
                "logs",
                "--tail=20",
                "--all-containers",
                &pod,
            ];
            Ok(format!(
                "{pod} said last:\n{}",
                fleet.kubectl(&logs).text()?
            ))
        };
        logs().unwrap_or_else(|error| format!("{node}: {error:#}\n"))
    });
    said.collect()
}

/// Whether there is nothing of ours on a node.
fn nothing_left(fleet: &Fleet, node: &str) -> Result<()> {
    let host = fleet.node(node)?;
    let links = host.exec(&["ip", "-o", "link"])?;
    ensure!(!links.contains(": gh"), "{node}: {links}");
    let tables = host.exec(&["nft", "list", "tables"])?;
    ensure!(!tables.contains("inet gingham"), "{node}: {tables}");
    for family in ["-4", "-6"] {
        for protocol in ["200", "201", "202", "203"] {
            let show = [
                "ip", family, "route", "show", "table", "all", "proto", protocol,
            ];
            let routes = host.exec(&show)?;
            ensure!(routes.is_empty(), "{node}: {routes}");
        }
    }
    let paths = FOLDERS.iter().chain(&FILES).map(|path| host.path(path));
    let left: Vec<PathBuf> = paths.filter(holds_something).collect();
    ensure!(left.is_empty(), "{node}: {left:?}");
    Ok(())
}

/// A folder that is a mount of the kubelet's may stay, empty.
fn holds_something(path: &PathBuf) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.exists(),
    }
}
