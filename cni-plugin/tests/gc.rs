//! GC takes off what is not valid, all of it, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_netlink::Netns;
use host::{Host, by_hand, open, path_of};
use serde_json::{Value, json};
use std::fs;
use std::thread;
use std::time::Duration;

fn pod() -> Netns {
    Netns::create().unwrap()
}

/// Pods `c0`, `c1` and so on.
fn attached(host: &Host, count: usize) -> Vec<Netns> {
    let attach = |at: usize| {
        let pod = pod();
        host.add(&format!("c{at}"), &pod).succeeded();
        pod
    };
    (0..count).map(attach).collect()
}

fn valid(ids: &[&str]) -> Value {
    let entry = |id: &&str| json!({"containerID": id, "ifname": "eth0"});
    json!({"cni.dev/valid-attachments": ids.iter().map(entry).collect::<Vec<_>>()})
}

fn lock_file(host: &Host, name: &str) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(host.path(name)).unwrap()
}

/// What ADDs at work hold shared, and GC alone.
fn adds_lock(host: &Host) -> fs::File {
    lock_file(host, "adds.lock")
}

fn is_attached(pod: &Netns) -> bool {
    open(pod).link("eth0").is_ok()
}

#[test]
fn what_is_not_valid_goes_and_what_is_stays() {
    let host = Host::new();
    // More than go in one batch.
    let pods = attached(&host, 140);
    let outcome = host.gc(&valid(&["c3", "c139", "never-added"]));
    assert_eq!(outcome.succeeded().stdout, "");
    let left: Vec<usize> = (0..140).filter(|at| is_attached(&pods[*at])).collect();
    assert_eq!(left, [3, 139]);
    let leases: Vec<String> = host.live().into_iter().map(|l| l.container_id).collect();
    assert_eq!(leases, ["c3", "c139"]);
    assert_eq!(host.host_ends().len(), 2);
    assert_eq!(host.leases().cooling().len(), 138, "their addresses rest");
    host.gc(&valid(&["c3", "c139"])).succeeded();
    assert_eq!(host.live().len(), 2);
    host.gc(&valid(&[])).succeeded();
    host.assert_clean();
    host.gc(&valid(&[])).succeeded();
}

#[test]
fn absent_null_and_empty_mean_that_nothing_is_valid() {
    for list in [
        json!({}),
        json!({"cni.dev/valid-attachments": null}),
        json!({"cni.dev/valid-attachments": []}),
        json!({"cni.dev/valid-attachments": null, "cni.dev/attachments": null}),
        json!({"cni.dev/attachments": []}),
    ] {
        let host = Host::new();
        let _pods = attached(&host, 2);
        host.gc(&list).succeeded();
        host.assert_clean();
    }
}

#[test]
fn the_legacy_key_is_as_good() {
    let (host, list) = (
        Host::new(),
        json!([{"containerID": "c1", "ifname": "eth0"}]),
    );
    let pods = attached(&host, 2);
    host.gc(&json!({"cni.dev/attachments": list})).succeeded();
    assert_eq!([0, 1].map(|at| is_attached(&pods[at])), [false, true]);
}

#[test]
fn a_malformed_list_removes_nothing() {
    let host = Host::new();
    let pods = attached(&host, 1);
    for list in [
        json!("c0"),
        json!({}),
        json!([{"ifname": "eth0"}]),
        json!([{"containerID": "../c0", "ifname": "eth0"}]),
        json!([{"containerID": "c0", "ifname": 7}]),
    ] {
        let (code, msg) = host.gc(&json!({"cni.dev/valid-attachments": list})).error();
        assert_eq!(code, 7, "{msg}");
        assert!(msg.starts_with("cni.dev/valid-attachments"), "{msg}");
        assert!(is_attached(&pods[0]));
        assert_eq!(host.live().len(), 1);
    }
}

#[test]
fn disable_gc_does_nothing() {
    let host = Host::new();
    let pods = attached(&host, 1);
    host.gc(&json!({"disableGC": true})).succeeded();
    assert!(is_attached(&pods[0]));
    assert_eq!(host.live().len(), 1);
}

#[test]
fn another_networks_attachments_are_not_its_business() {
    let (host, other) = (Host::new(), pod());
    let ours = attached(&host, 1);
    let mut conf = host.conf();
    conf["name"] = json!("other");
    let call = host.call("ADD", "c0", &other).stdin(conf.to_string());
    host.run(&call).succeeded();
    host.gc(&valid(&[])).succeeded();
    assert!(!is_attached(&ours[0]) && is_attached(&other));
    assert_eq!(host.live()[0].network, "other");
}

#[test]
fn what_a_killed_add_has_left_goes_unless_an_add_is_at_work() {
    let host = Host::new();
    let pods = attached(&host, 2);
    // As a plugin leaves it that was killed before its last step, and one before its first.
    let names = host.host_ends();
    by_hand(&host.netns, &[format!("ip link del {}", names[1])]);
    host.edit_leases(|document| {
        for lease in document["leases"].as_array_mut().unwrap() {
            lease["state"] = json!("Intent");
        }
    });
    let at_work = adds_lock(&host);
    at_work.lock_shared().unwrap();
    // A running agent holds the run directory itself, which says nothing of ADDs.
    let agent = fs::File::open(host.run_dir.path()).unwrap();
    agent.lock().unwrap();
    host.gc(&valid(&[])).succeeded();
    assert!(is_attached(&pods[0]));
    assert_eq!(host.live().len(), 2);
    drop(at_work);
    host.gc(&valid(&[])).succeeded();
    host.assert_clean();
}

#[test]
fn a_gc_that_reads_does_not_hold_up_an_add() {
    let (host, pod) = (Host::new(), pod());
    let reading = adds_lock(&host);
    reading.lock().unwrap();
    // One that hangs there neither.
    host.add("c1", &pod).succeeded();
    assert!(is_attached(&pod));
}

#[test]
fn an_add_at_work_does_not_keep_an_agent_from_its_run_directory() {
    let (host, pod) = (Host::new(), pod());
    let leases = lock_file(&host, "leases.lock");
    leases.lock().unwrap();
    thread::scope(|scope| {
        let add = scope.spawn(|| host.add("c1", &pod).succeeded().json());
        while adds_lock(&host).try_lock().is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
        let agent = fs::File::open(host.run_dir.path()).unwrap();
        agent.try_lock().unwrap();
        drop(leases);
        add.join().unwrap();
    });
    assert!(is_attached(&pod));
}

#[test]
fn a_pod_whose_lease_was_recovered_is_left_and_logged() {
    let host = Host::new();
    let pods = attached(&host, 2);
    host.edit_leases(|document| {
        let lease = &mut document["leases"][0];
        for key in ["network", "containerId", "ifname"] {
            lease[key] = json!("");
        }
    });
    let log = host.path("log");
    host.gc(&json!({"logFile": log})).succeeded();
    assert_eq!([0, 1].map(|at| is_attached(&pods[at])), [true, false]);
    assert_eq!(host.live().len(), 1);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("recovered from the kernel"), "{text}");
    // Nothing is said of one that a valid attachment explains.
    fs::remove_file(&log).unwrap();
    let mut list = valid(&["c0"]);
    list["logFile"] = json!(log);
    host.gc(&list).succeeded();
    assert!(!fs::read_to_string(&log).unwrap().contains("recovered"));
}

#[test]
fn failures_are_all_told_and_hold_up_nothing() {
    let host = Host::new();
    let pods = attached(&host, 3);
    // No lease can be written.
    let in_the_way = host.path("leases.json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    let outcome = host.gc(&valid(&["c1"]));
    let (code, msg) = outcome.error();
    assert_eq!(code, 104, "{msg}");
    assert_eq!(msg, "2 of 2 stale attachments could not be removed");
    let details = outcome.json()["details"].as_str().unwrap().to_owned();
    for (line, id) in details.lines().zip(["c0", "c2"]) {
        assert!(
            line.starts_with(&format!("gingham/{id}/eth0 (gh")),
            "{line}"
        );
        assert!(line.contains("leases.json.tmp"), "{line}");
    }
    assert_eq!(details.lines().count(), 2);
    assert_eq!(
        [0, 1, 2].map(|at| is_attached(&pods[at])),
        [false, true, false]
    );
    assert_eq!(
        host.live().len(),
        3,
        "no address is free before its lease is"
    );

    fs::remove_dir(in_the_way).unwrap();
    host.gc(&valid(&["c1"])).succeeded();
    assert_eq!(host.live().len(), 1);
}

#[test]
fn a_link_that_no_add_made_is_left() {
    let host = Host::new();
    let _pods = attached(&host, 1);
    let name = host.host_ends().remove(0);
    by_hand(
        &host.netns,
        &[
            format!("ip link del {name}"),
            format!("ip link add {name} type bridge"),
        ],
    );
    host.gc(&valid(&[])).succeeded();
    assert_eq!(host.live(), []);
    assert_eq!(host.host_ends(), [name]);
}

#[test]
fn a_node_without_a_run_directory_has_nothing_to_collect() {
    let host = Host::new();
    host.gc(&json!({"runDir": "/run/no-such-directory"}))
        .succeeded();
}

#[test]
fn pods_whose_namespace_has_gone_are_collected_too() {
    let host = Host::new();
    let pods = attached(&host, 2);
    let path = path_of(&pods[0]);
    drop(pods);
    assert!(!fs::exists(path).unwrap());
    host.gc(&valid(&[])).succeeded();
    host.assert_clean();
}
