//! What restarts under traffic: agents by a rollout and by an upgrade, and what runs pods.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use fleet_world::{
    Flows, PATIENCE, assert_none_lost, fetch, host, installed, server, traffic, wait_ready,
};
use gingham_integration::fleet::chart::{self, AGENTS, NAMESPACE, REPOSITORY};
use gingham_integration::fleet::{Daemon, FleetPod, PodSpec};
use gingham_integration::{Fleet, eventually};
use std::thread::sleep;
use std::time::Duration;

/// How long traffic flows while nothing happens, to show that the machine itself loses none.
const CONTROL: Duration = Duration::from_secs(5);
/// The tag of the image that is upgraded to: the same programs.
const NEXT: &str = "0.1.1";

#[test]
fn a_rolling_restart_and_an_upgrade_lose_no_packet() {
    let fleet = installed();
    let next = chart::image(NEXT).unwrap();
    fleet.load(&[next]).unwrap();
    let pods = pods(&fleet);
    let flows = flows(&fleet, &pods);
    sleep(CONTROL);
    assert_none_lost(flows, "nothing");

    let before = agents(&fleet);
    let running = flows_of(&fleet, &pods);
    for agents in AGENTS {
        let words = ["-n", NAMESPACE, "rollout", "restart", agents];
        fleet.kubectl(&words).text().unwrap();
    }
    fleet.wait_agents(PATIENCE).unwrap();
    assert_none_lost(running, "the rolling restart");
    let after = agents(&fleet);
    assert!(
        after.iter().all(|pod| !before.contains(pod)),
        "{before:?} {after:?}"
    );

    let running = flows_of(&fleet, &pods);
    fleet.upgrade(&[&format!("image.tag={NEXT}")]).unwrap();
    fleet.wait_agents(PATIENCE).unwrap();
    assert_none_lost(running, "the upgrade");
    for node in fleet.nodes() {
        let pod = fleet.agent(node).unwrap();
        let pod = fleet.json(&["-n", NAMESPACE, "get", "pod", &pod]).unwrap();
        let image = &pod["spec"]["containers"][0]["image"];
        assert_eq!(*image, format!("{REPOSITORY}:{NEXT}"), "{node}");
    }
    // And what is new since then works.
    let late = fleet.run(&server("late").on("z2w1")).unwrap();
    reaches(&fleet, &pods[0], &late);
}

#[test]
fn kubelet_containerd_and_agent_may_die() {
    let fleet = installed();
    let pods = pods(&fleet);
    let control = flows(&fleet, &pods);
    sleep(CONTROL);
    assert_none_lost(control, "nothing");
    let running = flows_of(&fleet, &pods);
    for node in ["z1w1", "z2w1"] {
        fleet.kill(node, Daemon::Kubelet).unwrap();
        fleet.kill(node, Daemon::Containerd).unwrap();
        fleet.kill(node, Daemon::KubeProxy).unwrap();
    }
    for node in fleet.nodes() {
        kill_agent(&fleet, node);
    }
    wait_ready(&fleet);
    let late = fleet.run(&server("late").on("z2w1")).unwrap();
    assert_none_lost(running, "the deaths");
    for pod in &pods {
        let now = fleet.json(&["get", "pod", &pod.name]).unwrap();
        assert_eq!(
            now["status"]["containerStatuses"][0]["restartCount"], 0,
            "{pod:?}"
        );
        assert_eq!(fleet.pod(&pod.name).unwrap(), *pod);
    }
    reaches(&fleet, &pods[0], &late);
}

/// Two pods on the workers of both zones, and one on a reflector.
fn pods(fleet: &Fleet) -> [FleetPod; 3] {
    ["z1w1", "z1m1", "z2w1"].map(|node| {
        let spec = PodSpec::new(&format!("on-{node}")).on(node);
        fleet
            .run(
                &spec
                    .of(gingham_integration::images::AGNHOST)
                    .running(&["pause"]),
            )
            .unwrap()
    })
}

/// Inside the zone and between zones, both ways; once all of it arrives.
fn flows(fleet: &Fleet, pods: &[FleetPod; 3]) -> Flows {
    let [worker, master, far] = pods;
    for (from, to) in pairs(worker, master, far) {
        let from = fleet.endpoint(from).unwrap();
        for address in &to.addresses {
            let address = address.to_string();
            eventually("a ping", PATIENCE, || {
                from.command(&["ping", "-c1", "-W1", &address]).text()
            })
            .unwrap();
        }
    }
    flows_of(fleet, pods)
}

fn flows_of(fleet: &Fleet, [worker, master, far]: &[FleetPod; 3]) -> Flows {
    traffic(fleet, &pairs(worker, master, far))
}

fn pairs<'a>(
    worker: &'a FleetPod,
    master: &'a FleetPod,
    far: &'a FleetPod,
) -> [(&'a FleetPod, &'a FleetPod); 4] {
    [
        (worker, master),
        (master, worker),
        (worker, far),
        (far, worker),
    ]
}

fn reaches(fleet: &Fleet, from: &FleetPod, to: &FleetPod) {
    for address in &to.addresses {
        let url = format!("http://{}:8080/hostname", host(*address));
        assert_eq!(fetch(fleet, from, &url).unwrap(), to.name);
    }
}

fn agents(fleet: &Fleet) -> Vec<String> {
    fleet
        .nodes()
        .map(|node| fleet.agent(node).unwrap())
        .collect()
}

/// Kills the agent's process; its container is started again.
fn kill_agent(fleet: &Fleet, node: &str) {
    let pod = fleet.agent(node).unwrap();
    let pod = fleet.json(&["-n", NAMESPACE, "get", "pod", &pod]).unwrap();
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str();
    let id = id.and_then(|id| id.strip_prefix("containerd://")).unwrap();
    eventually("containerd answers again", PATIENCE, || {
        let words = ["tasks", "kill", "--signal", "SIGKILL", id];
        fleet.ctr(node, &words)?.text()
    })
    .unwrap();
}
