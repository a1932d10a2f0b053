//! Namespaces and their settings.

use crate::support::*;
use gingham_netlink::sysctl::{self, Tree};
use gingham_netlink::{Netns, NetnsError};
use std::path::Path;

#[test]
fn namespaces_are_the_same_by_identity_not_by_path() {
    let netns = new_namespace();
    let inside = netns
        .visit(|| Netns::current().unwrap().id().unwrap())
        .unwrap();
    assert_eq!(inside, netns.id().unwrap());
    assert_ne!(inside, Netns::current().unwrap().id().unwrap());
}

#[test]
fn a_thread_that_steps_in_is_home_again() {
    let netns = new_namespace();
    let work = || {
        let home = Netns::current().unwrap();
        let id = || Netns::current().unwrap().id().unwrap();
        let inside = netns.step_in(&home, id).unwrap();
        assert_eq!((inside, id()), (netns.id().unwrap(), home.id().unwrap()));
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap());
}

#[test]
fn what_is_no_namespace_is_refused_by_its_path() {
    let missing = Netns::open(Path::new("/run/netns/no-such-sandbox")).unwrap_err();
    assert!(matches!(missing, NetnsError::Missing { .. }), "{missing}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let plain = Netns::open(file.path()).unwrap_err();
    assert!(matches!(plain, NetnsError::NotNamespace { .. }), "{plain}");
    assert!(plain.to_string().contains(file.path().to_str().unwrap()));
}

#[test]
fn a_setting_is_written_once() {
    let netns = new_namespace();
    let name = "net/ipv4/ip_forward";
    let outcomes = netns.visit(|| {
        sysctl::set(name, "0").unwrap();
        [
            sysctl::set(name, "1").unwrap(),
            sysctl::set(name, "1").unwrap(),
        ]
    });
    let changed = sysctl::Outcome::Changed { from: "0".into() };
    assert_eq!(outcomes.unwrap(), [changed, sysctl::Outcome::Unchanged]);
    let missing = sysctl::read("net/ipv4/conf/no-such/rp_filter").unwrap_err();
    assert!(missing.is_missing());
    assert!(
        missing
            .to_string()
            .starts_with("read sysctl net/ipv4/conf/no-such/rp_filter: ")
    );
}

#[test]
fn settings_are_listed_and_tried_without_a_change() {
    let netns = new_namespace();
    let look = || {
        let name = "net/ipv4/conf/lo/rp_filter";
        let before = sysctl::read(name).unwrap();
        Tree::default().may_set(name).unwrap();
        assert_eq!(sysctl::read(name).unwrap(), before);
        let missing = Tree::default().may_set("net/ipv4/conf/no-such/rp_filter");
        assert!(missing.unwrap_err().is_missing());
        assert!(
            Tree::default()
                .names("net/ipv4/no-such")
                .unwrap_err()
                .is_missing()
        );
        Tree::default().names("net/ipv4/conf").unwrap()
    };
    let names = netns.visit(look).unwrap();
    assert!(
        ["all", "default", "lo"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned()))
    );
}
