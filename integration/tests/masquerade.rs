//! Who leaves the cluster does so under the node's address; who stays in it keeps its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::{Exec, Lab, LabBox, Node, Pod, Process, Store};
use gingham_model::Family;
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::time::Duration;
use world::{one_zone, up, wait, wait_for_repair};

/// Where the servers listen.
const PORT: &str = "7007";
/// The core's address on the backbone: in no pool and in no node subnet.
const OUTSIDE: [(Family, &str); 2] = [(Family::V4, "10.250.0.1"), (Family::V6, "fd00:250::1")];
/// Says a line, and prints what comes back. `$1` is the server.
const CALL: &str =
    "exec 3<>/dev/tcp/$1/7007 && echo hello >&3 && read -r -t 5 line <&3 && echo $line";
/// Says a line ten times a second over one connection, and prints what comes back.
const TALK: &str = "exec 3<>/dev/tcp/$1/7007 || exit; while sleep 0.1; do \
    n=$((n + 1)); echo $n >&3 && read -r -t 5 line <&3 || { echo broken; exit; }; echo $line; done";

struct Scene {
    lab: Lab,
    node: Node,
    pod: Pod,
}

impl Scene {
    fn new() -> Self {
        let lab = up(Store::Directory, one_zone());
        let node = lab.node("z1w1").unwrap();
        let pod = node.add_pod("pod").unwrap();
        Scene { lab, node, pod }
    }

    /// The node's own address of a family.
    fn node_address(&self, family: Family) -> IpAddr {
        let mut own = self.node.plan().internal_ips.iter().copied();
        own.find(|address| Family::of(*address) == family).unwrap()
    }

    /// The agent's nftables table.
    fn table(&self) -> Result<String> {
        let list = ["nft", "--stateless", "list", "table", "inet", "gingham"];
        self.node.exec(&list)
    }

    fn core(&self) -> &LabBox {
        self.lab.at("c1").unwrap()
    }
}

fn serve(start: impl FnOnce(&[&str]) -> Result<Process>, lab: &LabBox) -> Process {
    let lab = lab.lab_executable().display().to_string();
    let server = start(&[&lab, "probe", "echo", "--port", PORT]).unwrap();
    wait("a server", || {
        let printed = server.printed()?;
        ensure!(printed.starts_with("listening"), "{printed:?}");
        Ok(())
    });
    server
}

/// Calls `to` and sees that the server took the caller for `as_whom`.
#[track_caller]
fn assert_seen_as(call: Exec, server: &Process, as_whom: IpAddr) {
    let before = server.printed().unwrap();
    assert_eq!(call.text().unwrap(), "hello\n");
    let printed = server.printed().unwrap();
    let new = printed.strip_prefix(&before).unwrap();
    assert_eq!(new, format!("from {as_whom}\n"));
}

fn call(pod: &Pod, to: &str) -> Exec {
    pod.command(&["bash", "-c", CALL, "call", to])
}

#[test]
fn outside_the_cluster_a_pod_is_seen_as_its_node() {
    let scene = Scene::new();
    let server = serve(|argv| scene.core().spawn("echo", argv), scene.core());
    for (family, to) in OUTSIDE {
        assert_seen_as(call(&scene.pod, to), &server, scene.node_address(family));
        // The node itself is what it is.
        let own = scene.node.command(&["bash", "-c", CALL, "call", to]);
        assert_seen_as(own, &server, scene.node_address(family));
    }
    // So are echo requests, which the core answers to whom they come from.
    for (family, to) in OUTSIDE {
        let filter = match family {
            Family::V4 => "icmp[icmptype] == icmp-echo",
            Family::V6 => "icmp6 and ip6[40] == 128",
        };
        let dump = ["tcpdump", "-n", "-l", "-i", "zone", filter];
        let name = format!("tcpdump-{family}");
        let capture = scene.core().spawn(&name, &dump).unwrap();
        wait("tcpdump listens", || {
            let log = capture.printed()?;
            ensure!(log.contains("listening on"), "{log:?}");
            Ok(())
        });
        assert_eq!(scene.pod.ping(to.parse().unwrap(), 3).unwrap().received, 3);
        let as_node = format!("{} > {to}", scene.node_address(family));
        wait("three echo requests of the node", || {
            let seen = capture.printed()?;
            ensure!(seen.matches(&as_node).count() >= 3, "{seen}");
            Ok(())
        });
    }
}

#[test]
fn inside_the_cluster_a_pod_is_seen_as_itself() {
    let scene = Scene::new();
    let other = scene.lab.node("z1w2").unwrap();
    let far = other.add_pod("far").unwrap();
    let near = scene.node.add_pod("near").unwrap();
    let host = scene.node.host();
    let in_far = serve(|argv| far.spawn("echo", argv), host);
    let in_near = serve(|argv| near.spawn("echo", argv), host);
    let on_other = serve(|argv| other.host().spawn("echo", argv), host);
    let on_own = serve(|argv| scene.node.host().spawn("echo", argv), host);
    for family in Family::ALL {
        let itself = scene.pod.address(family).unwrap();
        let plan = other.plan().internal_ips.iter().copied();
        let other_node = plan.clone().find(|ip| Family::of(*ip) == family).unwrap();
        for (server, to) in [
            (&in_far, far.address(family).unwrap()),
            (&in_near, near.address(family).unwrap()),
            (&on_other, other_node),
            (&on_own, scene.node_address(family)),
        ] {
            assert_seen_as(call(&scene.pod, &to.to_string()), server, itself);
        }
    }
}

#[test]
fn a_connection_to_the_outside_survives_a_kill_of_the_agent() {
    let scene = Scene::new();
    let server = serve(|argv| scene.core().spawn("echo", argv), scene.core());
    let talks: Vec<Process> = OUTSIDE
        .into_iter()
        .map(|(family, to)| {
            let argv = ["bash", "-c", TALK, "talk", to];
            scene.pod.spawn(&format!("talk-{family}"), &argv).unwrap()
        })
        .collect();
    let goes_on = |talk: &Process| {
        let said = talk.printed().unwrap().lines().count();
        wait("an answer", || {
            let printed = talk.printed()?;
            ensure!(printed.lines().count() > said + 5, "{printed}");
            Ok(())
        });
    };
    talks.iter().for_each(goes_on);
    for _ in 0..3 {
        scene.node.stop_agent(Signal::SIGKILL).unwrap();
        talks.iter().for_each(goes_on);
        scene.node.start_agent().unwrap();
        scene.node.wait_ready(world::PATIENCE).unwrap();
        talks.iter().for_each(goes_on);
    }
    let callers = server.printed().unwrap();
    for (talk, (family, _)) in talks.iter().zip(OUTSIDE) {
        let printed = talk.printed().unwrap();
        assert!(talk.running() && !printed.contains("broken"), "{printed}");
        let node = format!("from {}\n", scene.node_address(family));
        assert_eq!(callers.matches(&node).count(), 1, "{callers}");
        talk.stop(Signal::SIGKILL, Duration::from_secs(10)).unwrap();
    }
}

#[test]
fn what_a_foreign_hand_does_to_the_table_is_undone() {
    let scene = Scene::new();
    let whole = scene.table().unwrap();
    let outgoing = ["nft", "flush", "chain", "inet", "gingham", "outgoing"];
    let table = ["nft", "delete", "table", "inet", "gingham"];
    let set = [
        "nft",
        "add",
        "element",
        "inet",
        "gingham",
        "spared4",
        "{ 192.0.2.0/24 }",
    ];
    for damage in [&outgoing[..], &table, &set] {
        scene.node.exec(damage).unwrap();
        wait_for_repair(&damage.join(" "), || {
            let seen = scene.table()?;
            ensure!(seen == whole, "{seen}");
            Ok(())
        });
    }
}

/// Pods must not take their node's address inside the cluster because a list was empty for a while.
#[test]
fn a_pool_that_vanishes_is_spared_for_a_while() {
    let scene = Scene::new();
    let whole = scene.table().unwrap();
    scene.lab.remove("zonepools", "z1").unwrap();
    wait("the pool is gone", || {
        let status = scene.node.agent_status()?;
        let sources = status["sources"].as_array().unwrap();
        let pools = sources.iter().find(|s| s["kind"] == "ZonePool").unwrap();
        ensure!(pools["objects"] == 0, "{pools}");
        Ok(())
    });
    assert_eq!(scene.table().unwrap(), whole);
}
