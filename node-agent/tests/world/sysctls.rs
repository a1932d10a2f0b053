//! The kernel's settings, in a namespace of their own: `/proc/sys/net` is that of the thread.

use crate::kernel::{World, node};
use gingham_agent::sysctls::{
    self, Absent, Kept, Need, Record, Restorations, Scope, Setting, Want,
};
use gingham_model::{Family, NextHop};
use gingham_netlink::sysctl::{self, Tree};
use std::collections::BTreeSet;
use std::path::Path;
use tempfile::TempDir;

const FORWARD_V4: &str = "net/ipv4/ip_forward";
const FORWARD_V6: &str = "net/ipv6/conf/all/forwarding";

impl World {
    fn read(&self, name: &str) -> String {
        self.node.visit(|| sysctl::read(name).unwrap()).unwrap()
    }

    fn set(&self, name: &str, value: &str) {
        self.node
            .visit(|| sysctl::set(name, value).unwrap())
            .unwrap();
    }

    fn keep(&self, wanted: &[Setting], record: &Path) -> Kept {
        self.node
            .visit(|| sysctls::keep(wanted, (&Tree::default(), record)))
            .unwrap()
    }

    fn restorations(&self, record: &Record) -> Restorations {
        let present = |name: &str| sysctl::read(name).ok();
        self.node.visit(|| record.restorations(present)).unwrap()
    }
}

fn names(wanted: &[Setting]) -> Vec<&str> {
    wanted.iter().map(|setting| setting.name.as_str()).collect()
}

fn must(name: &str, want: Want) -> Setting {
    Setting {
        name: name.to_owned(),
        want,
        need: Need::Must,
        absent: Absent::Unmet,
    }
}

#[test]
fn an_uplink_keeps_its_router_advertisements_when_forwarding_is_switched_on() {
    let mut world = World::new();
    let root = TempDir::new().unwrap();
    let record = root.path().join("sysctls.json");
    let wanted = sysctls::wanted(&node(), &world.links(), &BTreeSet::new());
    let accept_ra = "net/ipv6/conf/eth0/accept_ra";
    let place = |name| names(&wanted).iter().position(|n| *n == name).unwrap();
    assert!(place(accept_ra) < place(FORWARD_V6));
    let before = world.read(accept_ra);
    assert_eq!(world.keep(&wanted, &record), Kept::default());
    let accepted = if before == "1" { "2" } else { before.as_str() };
    for (name, value) in [
        (FORWARD_V4, "1"),
        (FORWARD_V6, "1"),
        (accept_ra, accepted),
        ("net/ipv4/conf/all/send_redirects", "0"),
        ("net/ipv4/conf/eth0/send_redirects", "0"),
        ("net/ipv4/fib_multipath_hash_policy", "1"),
        ("net/ipv6/fib_multipath_hash_policy", "1"),
    ] {
        assert_eq!(world.read(name), value, "{name}");
    }
}

#[test]
fn forwarding_stays_off_where_advertisements_cannot_be_kept() {
    let world = World::new();
    let root = TempDir::new().unwrap();
    let settings = [
        must("net/ipv6/no-such-setting", Want::Exactly("1")),
        must(FORWARD_V6, Want::Exactly("1")),
    ];
    let kept = world.keep(&settings, &root.path().join("sysctls.json"));
    let failures = kept.failures.iter();
    let failed: Vec<&str> = failures.map(|failure| failure.name.as_str()).collect();
    assert_eq!(failed, names(&settings));
    assert_eq!(
        kept.failures[1].error,
        "net/ipv6/conf/all/forwarding: not set to 1: an earlier setting failed"
    );
    assert_eq!(world.read(FORWARD_V6), "0");
}

#[test]
fn a_changed_setting_is_made_again_and_the_first_value_is_remembered() {
    let world = World::new();
    let root = TempDir::new().unwrap();
    let record = root.path().join("sysctls.json");
    let name = "net/ipv4/conf/eth0/rp_filter";
    let wanted = [must(name, Want::NotStrict)];
    world.set(name, "1");
    world.keep(&wanted, &record);
    assert_eq!(world.read(name), "2");
    // Strict again, this time by the part that holds for every interface.
    world.set(name, "0");
    world.set("net/ipv4/conf/all/rp_filter", "1");
    world.keep(&wanted, &record);
    assert_eq!(world.read(name), "2");
    let due = world.restorations(&Record::read(&record).unwrap()).due;
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].now.as_str(), due[0].before.as_str()),
        ("2", "1"),
        "the value before the first change"
    );
}

#[test]
fn with_two_uplinks_neither_filters_strictly() {
    let mut world = World::new();
    let root = TempDir::new().unwrap();
    let far = NextHop {
        via: "10.1.0.9".parse().unwrap(),
        dev: world.socket.link("lo").unwrap().index,
    };
    let wanted = sysctls::wanted(&node(), &world.links(), &[far].into());
    let strict = ["lo", "eth0"].map(|link| format!("net/ipv4/conf/{link}/rp_filter"));
    for name in &strict {
        world.set(name, "1");
    }
    let kept = world.keep(&wanted, &root.path().join("sysctls.json"));
    assert_eq!(kept, Kept::default());
    for name in &strict {
        assert_eq!(world.read(name), "2", "{name}");
    }
}

#[test]
fn what_is_put_back_is_all_as_it_was_whatever_the_kernel_changes_with_it() {
    let mut world = World::new();
    let root = TempDir::new().unwrap();
    let record = root.path().join("sysctls.json");
    // Switching forwarding off would undo all of these.
    world.set("net/ipv4/conf/all/accept_redirects", "0");
    world.set("net/ipv4/conf/eth0/forwarding", "1");
    world.set("net/ipv6/conf/eth0/forwarding", "1");
    world.set("net/ipv6/conf/default/forwarding", "1");
    let before = every_setting(&world);
    let wanted = sysctls::wanted(&node(), &world.links(), &BTreeSet::new());
    world.keep(&wanted, &record);
    assert_ne!(every_setting(&world), before);

    let record = Record::read(&record).unwrap();
    for due in world.restorations(&record).due {
        world.set(&due.name, &due.before);
    }
    assert_eq!(world.restorations(&record), Restorations::default());
    assert_eq!(every_setting(&world), before);
}

/// `name value` of all settings of interfaces and of both families.
fn every_setting(world: &World) -> Vec<String> {
    let folders = ["net/ipv4", "net/ipv6"];
    let read = || {
        let mut folders = folders.map(str::to_owned).to_vec();
        for conf in ["net/ipv4/conf", "net/ipv6/conf"] {
            let links = Tree::default().names(conf).unwrap();
            folders.extend(links.iter().map(|link| format!("{conf}/{link}")));
        }
        let all = folders.iter().flat_map(|folder| {
            let names = Tree::default().names(folder).unwrap().into_iter();
            names.map(move |name| format!("{folder}/{name}"))
        });
        // Not folders, and not what may only be written.
        let read = all.filter_map(|name| Some(format!("{name} {}", sysctl::read(&name).ok()?)));
        read.collect()
    };
    world.node.visit(read).unwrap()
}

#[test]
fn what_another_hand_has_changed_since_is_left_to_it() {
    let world = World::new();
    let root = TempDir::new().unwrap();
    let record = root.path().join("sysctls.json");
    let name = "net/ipv4/conf/eth0/rp_filter";
    world.set(name, "1");
    world.keep(&[must(name, Want::NotStrict)], &record);
    world.set(name, "0");
    let found = world.restorations(&Record::read(&record).unwrap());
    assert_eq!(found.due, []);
    assert_eq!(
        found.others,
        ["net/ipv4/conf/eth0/rp_filter is 0, neither what it was (1) nor ours (2)"]
    );
}

#[test]
fn what_cannot_be_seen_or_is_not_ours_is_said_and_the_node_stays_ready() {
    let world = World::new();
    let root = TempDir::new().unwrap();
    world.set("net/ipv4/conf/all/rp_filter", "2");
    let settings = sysctls::settings(&Scope {
        families: [Family::V4].into(),
        neighbours: [(Family::V4, 1700)].into(),
        ..Scope::default()
    });
    let kept = world.keep(&settings, &root.path().join("sysctls.json"));
    assert_eq!(kept.failures, []);
    assert_eq!(kept.notices.len(), 4, "{:#?}", kept.notices);
    assert!(kept.notices[0].starts_with("net/ipv4/conf/all/rp_filter is 2: "));
    assert_eq!(
        kept.notices[1],
        "net/ipv4/neigh/default/gc_thresh3 cannot be seen from here and must be 16384 or more; \
         run `sysctl -w net/ipv4/neigh/default/gc_thresh3=16384` on the host"
    );
}

#[test]
fn nothing_is_changed_that_cannot_be_recorded() {
    let world = World::new();
    let root = TempDir::new().unwrap();
    let record = root.path().join("sysctls.json");
    std::fs::write(&record, "{").unwrap();
    let kept = world.keep(&[must(FORWARD_V4, Want::Exactly("1"))], &record);
    assert_eq!(world.read(FORWARD_V4), "0");
    let error = &kept.failures[0].error;
    assert!(
        error.starts_with("net/ipv4/ip_forward: not set to 1: "),
        "{error}"
    );
    assert!(error.contains("sysctls.json"), "{error}");
}
