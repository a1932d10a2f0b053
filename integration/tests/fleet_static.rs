//! Reflectors whose agents are static pods: they come with the kubelet alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use anyhow::{Context, Result, ensure};
use fleet_world::{PATIENCE, assert_none_lost, bare, client, status, traffic, wait_for_status};
use gingham_integration::fleet::chart::NAMESPACE;
use gingham_integration::{Fleet, eventually};
use serde_json::Value;
use std::fs;

const KUBECONFIG: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/static-pod/kubeconfig.sh"
);
/// The reflectors.
const MASTERS: [&str; 2] = ["z1m1", "z2m1"];

#[test]
fn a_static_pod_reflects_after_a_power_failure_without_the_api_server() {
    let mut fleet = bare();
    fleet.upgrade(&["reflectors.kind=StaticPod"]).unwrap();
    fleet.settle(PATIENCE).unwrap();
    let manifest = manifest(&fleet).unwrap();
    for master in MASTERS {
        // A place that the boxes and the machine see under one path.
        let made = fleet
            .admin_kubeconfig()
            .with_file_name(format!("agent-{master}"));
        let words = [master, &made.display().to_string()];
        let script = fleet.script(KUBECONFIG, &words).deadline(PATIENCE);
        script.text().unwrap();
        let host = fleet.node(master).unwrap();
        fs::copy(made, host.path("/etc/gingham/kubeconfig")).unwrap();
        fs::write(
            host.path("/etc/kubernetes/manifests/gingham-agent.yaml"),
            &manifest,
        )
        .unwrap();
    }
    fleet.wait_nodes_ready(PATIENCE).unwrap();
    fleet
        .wait_rolled_out(NAMESPACE, "daemonset/gingham-node", PATIENCE)
        .unwrap();
    for master in MASTERS {
        let status = wait_for_status(&fleet, master, |status| status["ready"] == true);
        assert_eq!(status["node"], master);
    }
    let near = fleet.run(&client("near").on("z1w1")).unwrap();
    let far = fleet.run(&client("far").on("z2w1")).unwrap();
    let ping = |fleet: &Fleet| {
        for address in &far.addresses {
            let words = ["ping", "-c1", "-W1", &address.to_string()];
            let from = fleet.endpoint(&near).unwrap();
            eventually("a ping between zones", PATIENCE, || {
                from.command(&words).text()
            })
            .unwrap();
        }
    };
    ping(&fleet);
    let beside = fleet.run(&client("beside").on("z2m1")).unwrap();
    let pairs = [(&beside, &far), (&far, &beside)];

    // What an agent starts by without the API server is written every 10 s.
    let blocks = fleet.json(&["get", "blocks"]).unwrap();
    let blocks = blocks["items"].as_array().unwrap().iter();
    let of_worker = blocks.filter(|block| block["spec"]["node"] == "z1w1");
    let names: Vec<&str> = of_worker
        .filter_map(|b| b["metadata"]["name"].as_str())
        .collect();
    let memory = fleet
        .node("z1m1")
        .unwrap()
        .path("/var/lib/gingham/cluster.json");
    eventually("z1m1 remembers the blocks of its zone", PATIENCE, || {
        let text = fs::read_to_string(&memory)?;
        ensure!(
            names.iter().all(|name| text.contains(name)),
            "{names:?}: {text}"
        );
        Ok(())
    })
    .unwrap();
    fleet.kill_api_server().unwrap();
    let running = traffic(&fleet, &pairs);
    fleet.power_off("z1m1").unwrap();
    fleet.power_on("z1m1").unwrap();
    eventually(
        "the agent of z1m1 is there again, without the API server",
        PATIENCE,
        || {
            let now = status(&fleet, "z1m1")?;
            let sessions = now["bgp"]["sessions"]["established"].as_u64();
            ensure!(sessions > Some(0), "{now:#}");
            let routes = fleet.node("z1m1")?.exec(&["ip", "route"])?;
            ensure!(
                routes.contains("proto 201") && routes.contains("proto 202"),
                "{routes}"
            );
            Ok(())
        },
    )
    .unwrap();
    assert_none_lost(running, "the power failure of another zone's reflector");
    ping(&fleet);
    fleet.start_api_server().unwrap();
    wait_for_status(&fleet, "z1m1", |status| status["ready"] == true);
    ping(&fleet);
}

/// The manifest with this release's values.
fn manifest(fleet: &Fleet) -> Result<String> {
    let map = fleet.json(&["-n", NAMESPACE, "get", "configmap", "gingham-static-pod"])?;
    let text: &Value = &map["data"]["gingham-agent.yaml"];
    Ok(text.as_str().context("no manifest in it")?.to_owned())
}
