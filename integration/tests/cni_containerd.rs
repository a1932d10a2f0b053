//! containerd, with its own CNI code and real containers: `ctr run --cni`.
//!
//! It names a container's namespace by a path under `/proc`, and none at all when it takes the network
//! off: that may come before the container's end, after it, or never.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod callers_world;
mod world;

use anyhow::ensure;
use callers_world::containerd::Containerd;
use callers_world::{
    CONF_FILE, NETWORK, addresses, assert_nothing_left, assert_reaches, cnitool, configure,
    conflist, equip, leases, left, scene,
};
use gingham_integration::{CONFLIST, Exec, Node};
use nix::sys::signal::Signal;
use serde_json::json;
use std::net::IpAddr;
use world::{PATIENCE, wait};

/// The addresses of a container's lease, IPv4 first. containerd prefixes its own namespace.
#[track_caller]
fn leased(node: &Node, id: &str) -> Vec<IpAddr> {
    let leases = leases(node, NETWORK);
    let mut found = leases
        .iter()
        .filter(|lease| lease["containerId"] == format!("default-{id}"));
    match (found.next(), found.next()) {
        (Some(lease), None) => addresses(lease),
        _ => panic!("one lease of {id}: {leases:#?}"),
    }
}

/// Waits until a container that some `ctr` was told to start runs; its pid in the node.
fn wait_for(containerd: &Containerd, id: &str) -> String {
    wait("a running container", || containerd.pid(id))
}

fn ping<'a>(containerd: &'a Containerd, id: &'a str) -> impl Fn(&str) -> Exec + 'a {
    move |to| containerd.inside(id, &["ping", "-c", "1", "-W", "5", to])
}

#[test]
fn a_container_gets_its_addresses_and_leaves_nothing() {
    let (lab, node) = scene();
    let other = lab.node("z1w2").unwrap();
    let containerd = Containerd::start(&node);
    for id in ["one", "two"] {
        containerd.detached(id).unwrap();
    }
    for id in ["one", "two"] {
        let link = containerd.inside(id, &["ip", "address", "show", "dev", "eth0"]);
        let link = link.text().unwrap();
        for address in leased(&node, id) {
            assert!(
                link.contains(&format!(" {address}/")),
                "{address} of {id}: {link}"
            );
            assert!(other.host().ping(address, 1).unwrap().complete());
        }
        assert_reaches(ping(&containerd, id), &other);
    }
    containerd.remove("one");
    assert_eq!(leases(&node, NETWORK).len(), 1);
    assert_reaches(ping(&containerd, "two"), &other);
    containerd.remove("two");
    assert_nothing_left(&node);

    // One that is done before anyone looks.
    let to = other.plan().internal_ips[0].to_string();
    let said = containerd.once("short", &["ping", "-c", "1", &to]).text();
    assert!(said.unwrap().contains("1 packets received"));
    assert_nothing_left(&node);
}

#[test]
fn a_killed_container_leaves_nothing() {
    let (_lab, node) = scene();
    let containerd = Containerd::start(&node);
    let caller = containerd.attached("killed");
    let pid = wait_for(&containerd, "killed");
    leased(&node, "killed");
    node.exec(&["kill", "-KILL", &pid]).unwrap();
    caller.wait(PATIENCE).unwrap();
    assert_nothing_left(&node);

    // With its caller, who would have sent the DEL: what the kernel does not clear away by itself goes
    // with the next GC.
    let caller = containerd.attached("orphan");
    let pid = wait_for(&containerd, "orphan");
    caller.stop(Signal::SIGKILL, PATIENCE).unwrap();
    leased(&node, "orphan");
    node.exec(&["kill", "-KILL", &pid]).unwrap();
    wait("the end of the link", || {
        let links = node.exec(&["ip", "-o", "link", "show", "group", "26472"])?;
        ensure!(links.is_empty(), "{links}");
        Ok(())
    });
    assert_ne!(
        left(&node),
        [""; 0],
        "the lease, until someone says that nobody needs it"
    );
    cnitool(&node, "gc", [NETWORK, "/run/netns/none"])
        .text()
        .unwrap();
    assert_nothing_left(&node);
}

#[test]
fn containers_outlive_containerd() {
    let (lab, node) = scene();
    let other = lab.node("z1w2").unwrap();
    let mut containerd = Containerd::start(&node);
    containerd.detached("stays").unwrap();
    let held = leased(&node, "stays");
    containerd.crash();
    for address in &held {
        assert!(other.host().ping(*address, 1).unwrap().complete());
    }
    containerd.restart();
    assert_reaches(ping(&containerd, "stays"), &other);
    containerd.remove("stays");
    assert_nothing_left(&node);
}

/// Of several configurations containerd takes the first by name, and sends the DEL of a container to
/// the one that is the first then.
#[test]
fn a_del_for_a_container_of_another_network_is_well_taken() {
    let (_lab, node) = scene();
    equip(&node, &["bridge", "host-local"]);
    let containerd = Containerd::start(&node);
    containerd.detached("ours").unwrap();
    configure(
        &node,
        "05-bridge.conflist",
        &json!({"cniVersion": "1.0.0", "name": "bridged", "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": true,
             "ipam": {"type": "host-local", "subnet": "192.0.2.0/24"}},
        ]}),
    );
    containerd.detached("theirs").unwrap();
    let link = containerd.inside("theirs", &["ip", "address", "show", "dev", "eth0"]);
    assert!(link.text().unwrap().contains(" 192.0.2."));
    assert_eq!(leases(&node, NETWORK).len(), 1);

    // Ours alone: its DEL is for a container that it has never seen.
    node.exec(&["rm", "/etc/cni/net.d/05-bridge.conflist"])
        .unwrap();
    containerd.remove("theirs");
    leased(&node, "ours");
    containerd.remove("ours");
    assert_nothing_left(&node);
}

#[test]
fn a_single_configuration_and_a_chain_are_taken_as_well() {
    let (lab, node) = scene();
    let other = lab.node("z1w2").unwrap();
    equip(&node, &["portmap", "bandwidth", "tuning"]);
    let containerd = Containerd::start(&node);
    let list = conflist(&node, NETWORK, "1.0.0");
    let chain = include_str!("../../deploy/10-gingham-chained.conflist");
    let mut single = list["plugins"][0].clone();
    single["name"] = list["name"].clone();
    single["cniVersion"] = list["cniVersion"].clone();
    node.exec(&["rm", CONFLIST]).unwrap();
    for (file, conf) in [
        ("10-gingham.conf", &single),
        (CONF_FILE, &list),
        (
            "10-gingham-chained.conflist",
            &serde_json::from_str(chain).unwrap(),
        ),
    ] {
        configure(&node, file, conf);
        containerd.detached("c").unwrap();
        leased(&node, "c");
        assert_reaches(ping(&containerd, "c"), &other);
        if file.contains("chained") {
            let setting = containerd.inside("c", &["cat", "/proc/sys/net/ipv4/tcp_keepalive_time"]);
            assert_eq!(setting.text().unwrap(), "600\n");
        }
        containerd.remove("c");
        assert_nothing_left(&node);
        node.exec(&["rm", &format!("/etc/cni/net.d/{file}")])
            .unwrap();
    }
}
