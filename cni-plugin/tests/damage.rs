//! A lease store that is damaged, lost, or cannot be written while pods live.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_ipam::LeaseState;
use gingham_netlink::Netns;
use host::Host;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

fn pod() -> Netns {
    Netns::create().unwrap()
}

/// ADD or DEL with a log.
fn logged(host: &Host, verb: &str, id: &str, pod: &Netns) -> host::Outcome {
    let mut conf = host.conf();
    conf["logFile"] = json!(host.path("log"));
    host.run(&host.call(verb, id, pod).stdin(conf.to_string()))
}

/// What the log warns of.
fn warnings(host: &Host) -> Vec<String> {
    let log = fs::read_to_string(host.path("log")).unwrap_or_default();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter_map(|line| Some(line["warning"].as_str()?.to_owned()))
        .collect()
}

fn addresses(host: &Host) -> BTreeSet<IpAddr> {
    host.live()
        .iter()
        .flat_map(|lease| lease.addresses().collect::<Vec<_>>())
        .collect()
}

/// Three pods live and one is gone while the file is damaged so.
fn survives(damage: impl Fn(&[u8]) -> Option<Vec<u8>>, told: &str) {
    let host = Host::new();
    let pods: Vec<Netns> = (0..4).map(|_| pod()).collect();
    for (index, pod) in pods.iter().enumerate() {
        logged(&host, "ADD", &format!("c{index}"), pod).succeeded();
    }
    logged(&host, "DEL", "c3", &pods[3]).succeeded();
    let before = addresses(&host);
    assert_eq!(before.len(), 6);
    let path = host.path("leases.json");
    match damage(&fs::read(&path).unwrap()) {
        Some(damaged) => fs::write(&path, damaged).unwrap(),
        None => fs::remove_file(&path).unwrap(),
    }
    let new = pod();
    logged(&host, "ADD", "new", &new).succeeded();
    let after = addresses(&host);
    assert!(
        after.is_superset(&before) && after.len() == 8,
        "{before:?} {after:?}"
    );
    let warnings = warnings(&host);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("leases repaired: ") && warnings[0].contains(told),
        "{warnings:?}"
    );
    for (index, pod) in pods.iter().enumerate() {
        logged(&host, "DEL", &format!("c{index}"), pod).succeeded();
    }
    logged(&host, "DEL", "new", &new).succeeded();
    host.assert_clean();
}

#[test]
fn a_file_that_was_cut_off() {
    survives(
        |whole| Some(whole[..whole.len() / 2].to_vec()),
        "leases.json: EOF while parsing",
    );
    survives(
        |_| Some(Vec::new()),
        "leases.json: the file is empty: 0 leases kept, 3 taken from the kernel",
    );
}

#[test]
fn a_file_of_zeros_or_garbage() {
    survives(
        |whole| Some(vec![0; whole.len()]),
        "0 leases kept, 3 taken from the kernel",
    );
    survives(
        |_| Some(b"\xff{]]garbage\n{}\n".to_vec()),
        "0 leases kept, 3 taken from the kernel",
    );
}

#[test]
fn a_file_that_is_gone() {
    survives(
        |_| None,
        "leases.json: missing: 0 leases kept, 3 taken from the kernel",
    );
}

#[test]
fn one_line_that_is_spoilt_costs_no_other() {
    let spoil = |whole: &[u8]| {
        let text = String::from_utf8(whole.to_vec()).unwrap();
        Some(text.replacen("Held", "H\u{1}ld", 1).into_bytes())
    };
    survives(spoil, "3 leases kept, 1 taken from the kernel, 1 dropped");
}

#[test]
fn a_foreign_hand_that_took_route_or_neighbour_too_frees_no_address() {
    let (host, one, two) = (Host::new(), pod(), pod());
    host.add("c1", &one).succeeded();
    host.add("c2", &two).succeeded();
    let before = addresses(&host);
    let ends = host.host_ends();
    let commands = [
        format!("ip route flush dev {}", ends[0]),
        format!("ip neigh flush nud permanent dev {}", ends[1]),
    ];
    host::by_hand(&host.netns, &commands);
    fs::write(host.path("leases.json"), "{").unwrap();
    host.add("c3", &pod()).succeeded();
    assert!(addresses(&host).is_superset(&before));
    assert!(
        host.live()
            .iter()
            .all(|lease| lease.state == LeaseState::Held)
    );
}

#[test]
fn a_full_disk_gives_no_address_and_loses_none() {
    let host = Host::new();
    let run_dir = host.run_dir.path();
    let tmpfs = |flags| {
        mount(
            Some("tmpfs"),
            run_dir,
            Some("tmpfs"),
            flags,
            Some("size=64k"),
        )
    };
    tmpfs(MsFlags::empty()).unwrap();
    struct Unmounted<'a>(&'a std::path::Path);
    impl Drop for Unmounted<'_> {
        fn drop(&mut self) {
            let _ = umount2(self.0, MntFlags::MNT_DETACH);
        }
    }
    let _unmounted = Unmounted(run_dir);
    host.write_node_state(&host.node_state());
    let (one, two) = (pod(), pod());
    host.add("c1", &one).succeeded();
    let before = fs::read(host.path("leases.json")).unwrap();
    let filler = host.path("filler");
    let full = fs::write(&filler, vec![1; 1 << 20]).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(nix::errno::Errno::ENOSPC as i32));
    let (code, msg) = host.add("c2", &two).error();
    assert_eq!(code, 5, "{msg}");
    assert!(
        msg.contains("leases.json.tmp: cannot write: No space left on device"),
        "{msg}"
    );
    assert_eq!(fs::read(host.path("leases.json")).unwrap(), before);
    assert!(!host.path("leases.json.tmp").exists());
    assert_eq!((host.live().len(), host.host_ends().len()), (1, 1));
    // A DEL takes the datapath away and says that the lease could not be given back.
    let (code, msg) = host.del("c1", &one).error();
    assert_eq!((code, host.host_ends().len()), (5, 0), "{msg}");
    assert_eq!(host.live().len(), 1);
    fs::remove_file(filler).unwrap();
    host.del("c1", &one).succeeded();
    host.add("c2", &two).succeeded();
    host.del("c2", &two).succeeded();
    host.assert_clean();
}
