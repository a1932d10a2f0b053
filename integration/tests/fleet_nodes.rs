//! Nodes that lose their power, and that are deleted and come back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use anyhow::{Context, Result, ensure};
use fleet_world::{PATIENCE, client, fetch, host, installed, server, wait_ready};
use gingham_integration::fleet::{Daemon, FleetPod};
use gingham_integration::{Fleet, eventually};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// How many pods a node has that loses its power.
const PODS: usize = 5;

#[test]
fn a_node_that_lost_its_power_runs_its_pods_again_and_leaks_no_lease() {
    let mut fleet = installed();
    let asking = fleet.run(&client("asking").on("z1w1")).unwrap();
    let names: Vec<String> = (0..PODS).map(|number| format!("serves-{number}")).collect();
    for name in &names {
        fleet.run(&server(name).on("z2w1")).unwrap();
    }
    fleet.power_off("z2w1").unwrap();
    fleet.power_on("z2w1").unwrap();
    wait_ready(&fleet);
    let pods: Vec<FleetPod> = names.iter().map(|name| runs_again(&fleet, name)).collect();
    for pod in &pods {
        for address in &pod.addresses {
            let url = format!("http://{}:8080/hostname", host(*address));
            let said = eventually(&url, PATIENCE, || fetch(&fleet, &asking, &url));
            assert_eq!(said.unwrap(), pod.name);
        }
    }
    eventually("a lease for each pod and no other", PATIENCE, || {
        let held = held(&fleet, "z2w1")?;
        let wanted = addresses_on(&fleet, "z2w1")?;
        ensure!(held == wanted, "held {held:?}, pods have {wanted:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_node_that_is_deleted_and_comes_back_has_its_blocks_again() {
    let fleet = installed();
    let asking = fleet.run(&client("asking").on("z1w1")).unwrap();
    let before = blocks(&fleet, "z2w1").unwrap();
    let uid = uid(&fleet, "z2w1").unwrap();
    fleet.kubectl(&["delete", "node", "z2w1"]).text().unwrap();
    // A kubelet registers when it starts.
    fleet.kill("z2w1", Daemon::Kubelet).unwrap();
    eventually("another Node of that name", PATIENCE, || {
        let now = self::uid(&fleet, "z2w1")?;
        ensure!(now != uid, "{now}");
        Ok(())
    })
    .unwrap();
    wait_ready(&fleet);
    eventually("its blocks are its own", PATIENCE, || {
        let now = blocks(&fleet, "z2w1")?;
        ensure!(now == before, "before {before:?}, now {now:?}");
        let own = self::uid(&fleet, "z2w1")?;
        let objects = fleet.json(&["get", "blocks"])?;
        let items = objects["items"].as_array().context("items")?;
        let of = items.iter().filter(|block| block["spec"]["node"] == "z2w1");
        for block in of {
            ensure!(block["spec"]["nodeUID"] == *own, "{block}");
        }
        Ok(())
    })
    .unwrap();
    let serving = fleet.run(&server("serving").on("z2w1")).unwrap();
    for address in &serving.addresses {
        let url = format!("http://{}:8080/hostname", host(*address));
        let said = eventually(&url, PATIENCE, || fetch(&fleet, &asking, &url));
        assert_eq!(said.unwrap(), "serving");
    }
}

/// A pod whose containers were started anew after a power failure.
fn runs_again(fleet: &Fleet, name: &str) -> FleetPod {
    eventually(&format!("{name} runs again"), PATIENCE, || {
        let pod = fleet.json(&["get", "pod", name])?;
        let container = &pod["status"]["containerStatuses"][0];
        ensure!(container["restartCount"].as_u64() > Some(0), "{container}");
        fleet.pod(name)
    })
    .unwrap()
}

/// The IPv4 addresses that are held on a node, by its lease store.
fn held(fleet: &Fleet, node: &str) -> Result<BTreeSet<String>> {
    let path = fleet.node(node)?.path("/run/gingham/leases.json");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let store: Value = serde_json::from_str(&text)?;
    let leases = store["leases"].as_array().context("leases")?;
    let held = leases.iter().filter(|lease| lease["state"] != "Cooling");
    let addresses = held.map(|lease| lease["v4"].as_str().context("v4").map(str::to_owned));
    addresses.collect()
}

/// The IPv4 addresses of the pods of a node that are not the node's own.
fn addresses_on(fleet: &Fleet, node: &str) -> Result<BTreeSet<String>> {
    let on = format!("--field-selector=spec.nodeName={node}");
    let pods = fleet.json(&["get", "pods", "--all-namespaces", &on])?;
    let pods = pods["items"].as_array().context("items")?;
    let own = pods.iter().filter(|pod| pod["spec"]["hostNetwork"] != true);
    let addresses = own.map(|pod| pod["status"]["podIP"].as_str().context("podIP"));
    addresses
        .map(|address| address.map(str::to_owned))
        .collect()
}

fn blocks(fleet: &Fleet, node: &str) -> Result<BTreeSet<String>> {
    let objects = fleet.json(&["get", "blocks"])?;
    let items = objects["items"].as_array().context("items")?;
    let of = items.iter().filter(|block| block["spec"]["node"] == node);
    of.map(|block| Ok(block["spec"]["cidr"].as_str().context("cidr")?.to_owned()))
        .collect()
}

fn uid(fleet: &Fleet, node: &str) -> Result<String> {
    let node = fleet.json(&["get", "node", node])?;
    Ok(node["metadata"]["uid"].as_str().context("uid")?.to_owned())
}
