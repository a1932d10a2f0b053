//! A hundred pods at once, beside the reference's bridge chain in the same cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops here; figures for who reads its output"
)]

mod fleet_world;

use anyhow::{Result, ensure};
use fleet_world::{PATIENCE, installed};
use gingham_integration::fleet::PodSpec;
use gingham_integration::{Fleet, eventually, tools};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// How many pods start at once on the one node.
const PODS: usize = 100;
/// The node they start on.
const NODE: &str = "z1w1";
/// Where the calls of a plugin are noted.
const NOTES: &str = "/run/adds";
/// The reference's chain, which comes first by its name.
const BRIDGE: &str = r#"{
  "cniVersion": "1.0.0", "name": "reference", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/16"}], [{"subnet": "fd00:77::/64"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]}"#;
/// Stands in the place of a plugin, and notes how long an ADD took in nanoseconds.
const TIMED: &str = r#"#!/bin/sh
begun=$(date +%s%N)
/opt/cni/bin/timed/NAME
ended=$?
[ "$CNI_COMMAND" != ADD ] || echo $(($(date +%s%N) - begun)) >>/run/adds
exit $ended
"#;
const CONF: &str = "/etc/cni/net.d/05-reference.conflist";

#[test]
fn an_add_takes_a_tenth_of_the_reference_chains_when_a_hundred_pods_start_at_once() {
    let fleet = installed();
    let host = fleet.node(NODE).unwrap();
    for plugin in ["bridge", "host-local"] {
        let from = tools::locate(plugin).unwrap();
        fs::copy(from, host.path(&format!("/opt/cni/bin/{plugin}"))).unwrap();
    }
    fs::create_dir_all(host.path("/opt/cni/bin/timed")).unwrap();
    time(&fleet, "gingham");
    let ours = burst(&fleet, "ours").unwrap();
    time(&fleet, "bridge");
    fs::write(host.path(CONF), BRIDGE).unwrap();
    // containerd reads a configuration some moments after it has changed.
    wait_for_network(&fleet, "10.77.").unwrap();
    let theirs = burst(&fleet, "theirs").unwrap();
    println!("mean of an ADD: ours {ours:.1?}, bridge {theirs:.1?}");
    assert!(ours * 10 <= theirs, "ours {ours:?}, bridge {theirs:?}");
}

/// Puts the clock in a plugin's place.
fn time(fleet: &Fleet, plugin: &str) {
    let host = fleet.node(NODE).unwrap();
    let path = host.path(&format!("/opt/cni/bin/{plugin}"));
    fs::rename(&path, host.path(&format!("/opt/cni/bin/timed/{plugin}"))).unwrap();
    let draft = path.with_extension("new");
    fs::write(&draft, TIMED.replace("NAME", plugin)).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&draft, &path).unwrap();
}

/// Starts the pods, all at once, and tells the mean of an ADD. They are gone afterwards.
fn burst(fleet: &Fleet, name: &str) -> Result<Duration> {
    let host = fleet.node(NODE)?;
    fs::write(host.path(NOTES), "")?;
    let pods = (0..PODS).map(|number| PodSpec::new(&format!("{name}-{number}")).on(NODE).object());
    let mut pods: Vec<_> = pods.collect();
    for pod in &mut pods {
        pod["metadata"]["labels"] = json!({"burst": name});
    }
    let begun = Instant::now();
    fleet.apply(&json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string())?;
    let label = format!("--selector=burst={name}");
    let wait = [
        "wait",
        "pods",
        &label,
        "--for=condition=Ready",
        "--timeout=500s",
    ];
    fleet.kubectl(&wait).deadline(PATIENCE * 3).text()?;
    println!("{name}: {PODS} pods ready after {:.1?}", begun.elapsed());
    let noted = fs::read_to_string(host.path(NOTES))?;
    let took = noted
        .lines()
        .map(str::parse)
        .collect::<Result<Vec<u64>, _>>()?;
    ensure!(took.len() >= PODS, "{} ADDs were noted", took.len());
    let delete = [
        "delete",
        "pods",
        &label,
        "--grace-period=0",
        "--force",
        "--wait=true",
    ];
    fleet.kubectl(&delete).deadline(PATIENCE * 2).text()?;
    Ok(Duration::from_nanos(
        took.iter().sum::<u64>() / took.len() as u64,
    ))
}

/// Waits until a new pod has an address of that network.
fn wait_for_network(fleet: &Fleet, prefix: &str) -> Result<()> {
    eventually("pods of the other network", PATIENCE, || {
        let pod = fleet.run(&PodSpec::new("trial").on(NODE))?;
        fleet.delete("trial")?;
        let there = pod
            .addresses
            .iter()
            .any(|a| a.to_string().starts_with(prefix));
        ensure!(there, "{pod:?}");
        Ok(())
    })
}
