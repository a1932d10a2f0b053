//! Interfaces, addresses and neighbours.

use crate::support::*;
use gingham_netlink::{link, sysctl};
use nix::errno::Errno;

#[test]
fn a_veth_is_born_with_its_peer_in_the_other_namespace() {
    let mut pair = pair();
    let host = pair.host.link("gh0").unwrap();
    assert_eq!(
        (host.mtu, host.mac, host.group, host.up),
        (1400, Some(HOST_MAC), 0x6768, false)
    );
    let pod = pair.pod.link("eth0").unwrap();
    assert_eq!((pod.mtu, pod.mac, pod.group), (1400, Some(POD_MAC), 0));
    let names: Vec<String> = pair
        .host
        .links()
        .unwrap()
        .into_iter()
        .map(|link| link.name)
        .collect();
    assert_eq!(names, ["lo", "gh0"]);
}

#[test]
fn settings_made_before_a_link_is_up_hold() {
    let mut pair = pair();
    let dev = pair.host_dev;
    let requests = [
        link::set_alias(dev, "default/web-0 eth0"),
        link::set_addr_gen_none(dev),
        link::set_rp_filter_strict(dev),
        link::set_up(dev),
    ];
    pair.host.run(&requests).unwrap();
    pair.pod.run(&[link::set_up(pair.pod_dev)]).unwrap();
    let link = pair.host.link("gh0").unwrap();
    assert!(link.up);
    assert_eq!(link.alias.as_deref(), Some("default/web-0 eth0"));
    let addresses = pair.host.addresses().unwrap();
    assert!(
        addresses.iter().all(|address| address.dev != dev),
        "{addresses:?}"
    );
    let rp_filter = || sysctl::read("net/ipv4/conf/gh0/rp_filter").unwrap();
    assert_eq!(pair.host_netns.visit(rp_filter).unwrap(), "1");
}

#[test]
fn an_ipv6_address_is_usable_at_once() {
    let mut pair = connected();
    let addresses = pair.host.addresses().unwrap();
    let ours = addresses
        .iter()
        .find(|a| a.address == ip("fd00:1::21"))
        .unwrap();
    assert_eq!((ours.length, ours.tentative), (64, false));
    assert!(
        addresses
            .iter()
            .any(|a| a.address == ip("10.1.0.21") && a.length == 24)
    );
}

#[test]
fn a_missing_link_is_told_from_a_failure() {
    let mut pair = pair();
    assert_eq!(
        pair.host.link("gh1").unwrap_err().errno(),
        Some(Errno::ENODEV)
    );
    assert_eq!(
        pair.host.run(&[link::delete("gh1")]).unwrap_err().errno(),
        Some(Errno::ENODEV)
    );
    pair.host.run(&[link::delete("gh0")]).unwrap();
    assert_eq!(
        pair.pod.link("eth0").unwrap_err().errno(),
        Some(Errno::ENODEV)
    );
}

#[test]
fn a_second_veth_does_not_harm_the_first() {
    let mut pair = pair();
    for taken in ["gh0", "gh1"] {
        let error = pair
            .host
            .run(&[link::create_veth(&veth(taken), &pair.pod_netns)])
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST), "{taken}");
    }
    assert_eq!(pair.host.link("gh0").unwrap().index, pair.host_dev);
    assert_eq!(pair.pod.link("eth0").unwrap().index, pair.pod_dev);
    assert!(pair.host.link("gh1").is_err());
}
