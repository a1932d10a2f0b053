//! What the agent needs of the kernel's privileges: what the chart's pods have, and no more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, bail, ensure};
use gingham_integration::{Lab, Node, Process, Store, eventually};
use gingham_model::Family;
use nix::sys::signal::Signal;
use std::fs;
use world::{PATIENCE, REPAIR, one_zone, wait, without_agents};

/// Where the kernel's settings are written: `/proc/sys` itself is read-only then.
const SETTINGS: &str = "/run/proc-sys";

/// Starts an agent as a pod's container is started: with these capabilities alone, for ever, and with
/// `/proc/sys` read-only.
fn start(node: &Node, capabilities: &str) -> Process {
    let own = node.agent_command_line().unwrap();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let (bounding, inherited) = (
        format!("--bounding-set=-all{capabilities}"),
        format!("--inh-caps=-all{capabilities}"),
    );
    let mount = format!(
        "mkdir -p {SETTINGS}/net && mount --bind /proc/sys/net {SETTINGS}/net && \
         mount --rbind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && \
         exec setpriv --no-new-privs {bounding} {inherited} \"$@\" --sysctl-root {SETTINGS}"
    );
    let unshare = ["unshare", "--mount", "sh", "-c", &mount, "agent"];
    node.host()
        .spawn("confined", &[&unshare, &own[..]].concat())
        .unwrap()
}

fn lab() -> Lab {
    without_agents(Store::Directory, one_zone())
}

#[test]
fn net_admin_is_all_that_an_agent_of_a_worker_needs() {
    let lab = lab();
    let nodes = lab.nodes();
    for node in &nodes {
        start(node, ",+net_admin");
    }
    for node in &nodes {
        node.wait_ready(PATIENCE).unwrap();
    }
    let pods: Vec<_> = nodes
        .iter()
        .map(|node| node.add_pod("a").unwrap())
        .collect();
    for family in Family::ALL {
        let to = pods[1].address(family).unwrap();
        wait("a ping between nodes", || {
            reaches(pods[0].ping(to, 1)?.received)
        });
    }
    let node = &nodes[0];
    // It writes settings, its nftables table, and a pod's route again.
    let forwards = node.exec(&["cat", "/proc/sys/net/ipv4/ip_forward"]);
    assert_eq!(forwards.unwrap().trim(), "1");
    node.exec(&["nft", "delete", "table", "inet", "gingham"])
        .unwrap();
    let own = pods[0].address(Family::V4).unwrap().to_string();
    node.exec(&["ip", "route", "delete", &own]).unwrap();
    eventually("both are there again", REPAIR, || {
        node.exec(&["nft", "list", "table", "inet", "gingham"])?;
        let routes = node.exec(&["ip", "route"])?;
        ensure!(routes.contains(&own), "{routes}");
        Ok(())
    })
    .unwrap();
    // It finds pods again by what the kernel has of them.
    fs::remove_file(node.host().path("/run/gingham/leases.json")).unwrap();
    wait("the lease is recovered", || {
        let leases = node.leases()?;
        ensure!(leases.iter().any(|lease| lease["v4"] == *own), "{leases:?}");
        Ok(())
    });
}

fn reaches(received: u32) -> Result<()> {
    match received {
        0 => bail!("no answer"),
        _ => Ok(()),
    }
}

#[test]
fn without_net_admin_it_says_so_and_changes_nothing() {
    let lab = lab();
    let node = lab.node("z1w1").unwrap();
    let agent = start(&node, "");
    let said = agent.wait(PATIENCE).unwrap();
    assert!(said.contains("gingham-agent: no CAP_NET_ADMIN: "), "{said}");
    agent.signal(Signal::SIGKILL).unwrap();
    assert!(!node.host().path("/run/gingham/node.json").exists());
}
