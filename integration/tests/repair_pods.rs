//! What a foreign hand does to the host's side of a pod is undone, and the pod is reached again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::{Lab, Pod, Store, on_both_stores};
use gingham_model::Family;
use world::{ip, one_zone, says, up, wait_for_repair};

on_both_stores! {
    the_host_route_of_a_pod_is_back,
    a_foreign_route_in_the_place_of_a_pods_is_named_and_left_and_ours_comes_back_after_it,
    the_neighbour_of_a_pod_is_back,
    the_gateway_of_a_pod_is_back,
    the_host_side_of_a_pod_is_up_again,
}

/// A MAC address nobody has.
const NOBODY: &str = "02:00:00:00:00:99";

/// Two pods of different nodes; the host's side of the first is what is damaged.
struct Scene {
    _lab: Lab,
    pod: Pod,
    other: Pod,
    /// The host's end of its veth pair.
    veth: String,
    before: Vec<String>,
}

impl Scene {
    fn new(store: Store) -> Self {
        let lab = up(store, one_zone());
        let pod = lab.node("z1w1").unwrap().add_pod("pod").unwrap();
        let other = lab.node("z1w2").unwrap().add_pod("other").unwrap();
        let veth = veth(&pod);
        let before = host_side(&pod, &veth);
        for wanted in ["fe80::1/64", "PERMANENT", "proto 200"] {
            let there = before.iter().any(|line| line.contains(wanted));
            assert!(there, "{wanted}: {before:#?}");
        }
        Scene {
            _lab: lab,
            pod,
            other,
            veth,
            before,
        }
    }

    fn address(&self, family: Family) -> String {
        self.pod.address(family).unwrap().to_string()
    }

    /// Does the damage, waits for the end of it, and sees whether the pods reach each other.
    fn damaged(&self, what: &str, lines: &[String]) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        ip(self.pod.node().host(), &lines);
        wait_for_repair(what, || self.as_before());
        for family in Family::ALL {
            reaches(&self.pod, &self.other, family).unwrap();
            reaches(&self.other, &self.pod, family).unwrap();
        }
    }

    fn as_before(&self) -> Result<()> {
        let have = host_side(&self.pod, &self.veth);
        ensure!(
            have == self.before,
            "{have:#?} instead of {:#?}",
            self.before
        );
        Ok(())
    }
}

/// The interface in the pod's result that is the host's.
fn veth(pod: &Pod) -> String {
    let interfaces = pod.result()["interfaces"].as_array().unwrap();
    let host = interfaces.iter().find(|each| each.get("sandbox").is_none());
    host.unwrap()["name"].as_str().unwrap().to_owned()
}

/// Flags, addresses, permanent neighbours and routes of the host's end.
fn host_side(pod: &Pod, veth: &str) -> Vec<String> {
    let show = |words: &[&str]| {
        let argv = [&["ip"], words, &["dev", veth]].concat();
        pod.node().exec(&argv).unwrap()
    };
    let text = [
        show(&["-brief", "link", "show"]),
        show(&["-brief", "address", "show"]),
        show(&["neighbour", "show", "nud", "permanent"]),
        show(&["-4", "-details", "route", "show"]),
        show(&["-6", "-details", "route", "show"]),
    ];
    let mut lines: Vec<String> = text
        .iter()
        .flat_map(|part| part.lines())
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

fn reaches(from: &Pod, to: &Pod, family: Family) -> Result<()> {
    let ping = from.ping(to.address(family)?, 3)?;
    ensure!(
        ping.complete(),
        "{} to {}: {ping:?}",
        from.name(),
        to.name()
    );
    Ok(())
}

fn the_host_route_of_a_pod_is_back(store: Store) {
    let scene = Scene::new(store);
    for family in Family::ALL {
        let address = scene.address(family);
        let line = format!("route delete {address} proto 200 dev {}", scene.veth);
        scene.damaged(&format!("{family} host route deleted"), &[line]);
    }
    let other = |family| {
        format!(
            "route replace {} dev lo proto 200 metric 10",
            scene.address(family)
        )
    };
    scene.damaged("host route led elsewhere", &[other(Family::V4)]);
}

fn a_foreign_route_in_the_place_of_a_pods_is_named_and_left_and_ours_comes_back_after_it(
    store: Store,
) {
    let scene = Scene::new(store);
    let node = scene.pod.node();
    for family in Family::ALL {
        let address = scene.address(family);
        let foreign = format!("{address} dev lo proto static metric 10");
        ip(node.host(), &[&format!("route replace {foreign}")]);
        wait_for_repair(&format!("{family} host route taken, and said"), || {
            let status = node.agent_status()?;
            ensure!(says(&status["reasons"], &[&address]), "{status:#}");
            Ok(())
        });
        let show = ["ip", "route", "get", &address];
        let used = node.exec(&show).unwrap();
        assert!(used.contains("dev lo"), "{used}");
        let line = format!("route delete {foreign}");
        scene.damaged(&format!("{family} host route taken, and given up"), &[line]);
    }
    node.wait_ready(world::PATIENCE).unwrap();
}

fn the_neighbour_of_a_pod_is_back(store: Store) {
    let scene = Scene::new(store);
    for family in Family::ALL {
        let (address, veth) = (scene.address(family), &scene.veth);
        let line = format!("neighbour delete {address} dev {veth}");
        scene.damaged(&format!("{family} neighbour deleted"), &[line]);
        let line = format!("neighbour replace {address} lladdr {NOBODY} dev {veth} nud permanent");
        scene.damaged(&format!("{family} neighbour given a wrong MAC"), &[line]);
    }
}

fn the_gateway_of_a_pod_is_back(store: Store) {
    let scene = Scene::new(store);
    let line = format!("address delete fe80::1/64 dev {}", scene.veth);
    scene.damaged("fe80::1 deleted", &[line]);
}

fn the_host_side_of_a_pod_is_up_again(store: Store) {
    let scene = Scene::new(store);
    let line = format!("link set {} down", scene.veth);
    scene.damaged("host veth set down", &[line]);
}
