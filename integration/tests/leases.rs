//! Leases and kernel agree again, whatever was lost of either.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, bail, ensure};
use gingham_integration::{Lab, Node, Pod, Store, eventually, on_both_stores};
use gingham_model::Family;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use world::{one_zone, routes, up};

on_both_stores! {
    pods_whose_leases_are_lost_keep_their_addresses,
    damaged_leases_are_repaired_by_the_agent,
    an_agent_that_finds_an_empty_run_directory_takes_up_the_pods_first,
    the_addresses_of_a_pod_that_vanished_are_given_back,
    a_reboot_frees_every_address,
}

/// A disagreement is seen within 30 s, and believed when it lasts for 10 s more; this is half as
/// much again.
const SETTLED: Duration = Duration::from_secs(60);

fn scene(store: Store) -> (Lab, Node) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    (lab, node)
}

fn v4(pod: &Pod) -> String {
    pod.address(Family::V4).unwrap().to_string()
}

/// The lease of an IPv4 address, if there is one.
fn lease(node: &Node, v4: &str) -> Result<Value> {
    let leases = node.leases()?;
    match leases.iter().find(|lease| lease["v4"] == v4) {
        Some(lease) => Ok(lease.clone()),
        None => bail!("no lease of {v4}: {leases:#?}"),
    }
}

/// Waits until the lease of an address stands as wanted.
fn wait_for_lease(node: &Node, v4: &str, state: &str) -> Value {
    eventually(&format!("{v4} {state}"), SETTLED, || {
        let lease = lease(node, v4)?;
        ensure!(lease["state"] == state, "{lease:#}");
        Ok(lease)
    })
    .unwrap()
}

/// The leases of `pods` are back, as far as the kernel tells.
#[track_caller]
fn assert_adopted(node: &Node, pods: &[Pod]) {
    for pod in pods {
        let lease = wait_for_lease(node, &v4(pod), "Held");
        let v6 = pod.address(Family::V6).unwrap();
        assert_eq!(lease["v6"], json!(v6), "{lease:#}");
        assert_eq!(lease["containerId"], "", "{lease:#}");
        assert_eq!(lease["pod"], format!("default/{}", pod.name()), "{lease:#}");
    }
}

/// A pod made now gets what nobody has, and all pods reach each other.
#[track_caller]
fn assert_room_beside(node: &Node, pods: &[Pod]) {
    let new = node.add_pod("new").unwrap();
    for pod in pods {
        for address in new.addresses() {
            assert!(!pod.addresses().contains(address), "{address} twice");
            assert!(pod.ping(*address, 3).unwrap().complete());
        }
    }
}

/// DEL takes the pods away, whoever wrote their leases.
#[track_caller]
fn assert_gone_after_del(node: &Node, pods: &[Pod]) {
    for pod in pods {
        node.del_pod(pod.name()).unwrap();
        let lease = lease(node, &v4(pod)).unwrap();
        assert_eq!(lease["state"], "Cooling", "{lease:#}");
        let left = routes(node, 200);
        let of_pod = |line: &String| line.starts_with(&v4(pod));
        assert!(!left.iter().any(of_pod), "{left:#?}");
    }
    node.del_pod("new").unwrap();
    assert_eq!(routes(node, 200), [""; 0]);
    assert_eq!(pod_links(node).unwrap(), "");
}

/// The host ends of pods.
fn pod_links(node: &Node) -> Result<String> {
    node.exec(&["ip", "-o", "link", "show", "group", "26472"])
}

fn pods_whose_leases_are_lost_keep_their_addresses(store: Store) {
    let (_lab, node) = scene(store);
    let pods = ["one", "two"].map(|name| node.add_pod(name).unwrap());
    fs::remove_file(node.host().path("/run/gingham/leases.json")).unwrap();
    // The plugin needs no agent to know: it asks the kernel.
    let early = node.add_pod("early").unwrap();
    let of_early = |address| early.addresses().contains(address);
    assert!(!pods.iter().any(|pod| pod.addresses().iter().any(of_early)));
    node.del_pod("early").unwrap();
    assert_adopted(&node, &pods);
    assert_room_beside(&node, &pods);
    assert_gone_after_del(&node, &pods);
}

fn damaged_leases_are_repaired_by_the_agent(store: Store) {
    let (_lab, node) = scene(store);
    let pods = ["one", "two"].map(|name| node.add_pod(name).unwrap());
    let path = node.host().path("/run/gingham/leases.json");
    let whole = fs::read(&path).unwrap();
    // Of the second pod's lease only a part was written.
    fs::write(&path, &whole[..whole.len() - 30]).unwrap();
    assert_adopted(&node, &pods[1..]);
    let first = lease(&node, &v4(&pods[0])).unwrap();
    assert_ne!(first["containerId"], "", "its line could still be read");
    fs::write(&path, vec![0; whole.len()]).unwrap();
    assert_adopted(&node, &pods);
    assert_room_beside(&node, &pods);
    assert_gone_after_del(&node, &pods);
}

fn an_agent_that_finds_an_empty_run_directory_takes_up_the_pods_first(store: Store) {
    let (_lab, node) = scene(store);
    let pods = ["one", "two"].map(|name| node.add_pod(name).unwrap());
    node.stop_agent(Signal::SIGKILL).unwrap();
    node.exec(&["rm", "-r", "/run/gingham"]).unwrap();
    node.start_agent().unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    // At once: a pod may be started as soon as the agent is ready.
    assert_room_beside(&node, &pods);
    assert_adopted(&node, &pods);
    assert_gone_after_del(&node, &pods);
}

fn the_addresses_of_a_pod_that_vanished_are_given_back(store: Store) {
    let (_lab, node) = scene(store);
    let [pod, gone] = ["stays", "vanishes"].map(|name| node.add_pod(name).unwrap());
    // Both ends of its veth pair go with it.
    node.exec(&["ip", "netns", "delete", gone.name()]).unwrap();
    wait_for_lease(&node, &v4(&gone), "Cooling");
    let kept = lease(&node, &v4(&pod)).unwrap();
    assert_eq!(kept["state"], "Held", "{kept:#}");
    let status = world::wait_for_status(&node, "one held, one resting", |status| {
        let usage = &status["addresses"]["IPv4"];
        (&usage["held"], &usage["resting"]) == (&json!(1), &json!(1))
    });
    assert_eq!(status["ready"], true, "{status:#}");

    // The runtime's DEL may still come.
    node.cni(&node.cni_call("DEL", gone.attachment()).unwrap())
        .map(|outcome| assert_eq!(outcome.exit, Some(0), "{outcome:?}"))
        .unwrap();
}

/// Even where the run directory outlives it: what was leased in the boot before was to pods that died
/// with it. Their DELs still come, and mean nobody.
fn a_reboot_frees_every_address(store: Store) {
    let (_lab, node) = scene(store);
    let before = ["one", "two"].map(|name| node.add_pod(name).unwrap());
    node.stop_agent(Signal::SIGKILL).unwrap();
    for pod in &before {
        node.exec(&["ip", "netns", "delete", pod.name()]).unwrap();
    }
    eventually("the power is off", world::PATIENCE, || {
        let links = pod_links(&node)?;
        ensure!(links.is_empty(), "{links}");
        Ok(())
    })
    .unwrap();
    let boot = "00000000-0000-4000-8000-000000000002";
    node.host().set_boot_id(boot).unwrap();
    assert_eq!(
        node.leases().unwrap().len(),
        2,
        "as the power cut left them"
    );
    let early = node.add_pod("early").unwrap_err().to_string();
    assert!(early.contains("of another boot"), "{early}");

    node.start_agent().unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    world::wait_for_status(&node, "all addresses free", |status| {
        ["IPv4", "IPv6"].iter().all(|family| {
            let usage = &status["addresses"][family];
            (&usage["held"], &usage["resting"]) == (&json!(0), &json!(0))
        })
    });
    let after = ["new", "newer"].map(|name| node.add_pod(name).unwrap());
    for pod in &before {
        let late = node.cni_call("DEL", pod.attachment()).unwrap();
        let outcome = node.cni(&late).unwrap();
        assert_eq!(outcome.exit, Some(0), "{outcome:?}");
    }
    let leases = node.leases().unwrap();
    assert_eq!(leases.len(), 2, "{leases:#?}");
    for (lease, pod) in leases.iter().zip(&after) {
        assert_eq!(
            (&lease["v4"], &lease["state"]),
            (&json!(v4(pod)), &json!("Held"))
        );
        assert!(after[0].ping(pod.addresses()[0], 3).unwrap().complete());
    }
    let file = fs::read_to_string(node.host().path("/run/gingham/leases.json")).unwrap();
    assert!(file.contains(boot), "{file}");
}
