//! Interfaces, addresses and neighbours.

use crate::support::*;
use gingham_netlink::{link, neighbour, sysctl};
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
    for (netns, name) in [(&pair.host_netns, "gh0"), (&pair.pod_netns, "eth0")] {
        let shown = foreign(netns, &format!("ip -d link show {name}"));
        assert!(shown.contains("numtxqueues 1 numrxqueues 1 "), "{shown}");
    }
}

#[test]
fn what_making_a_veth_tells_of_it_is_what_a_look_tells() {
    let (host_netns, pod_netns) = (new_namespace(), new_namespace());
    let mut host = open(&host_netns);
    let made = host.make_veth(&veth("gh0"), &pod_netns).unwrap();
    assert_eq!(made, host.link("gh0").unwrap());
    assert_eq!(made, host.link_at(made.index).unwrap());
    let eth0 = open(&pod_netns).link("eth0").unwrap();
    assert_eq!(made.veth_peer, Some(eth0.index));
    assert_eq!(eth0.veth_peer, Some(made.index));
    assert_eq!(host.link("lo").unwrap().veth_peer, None);

    let error = host.make_veth(&veth("gh0"), &pod_netns).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    assert_eq!(host.link("gh0").unwrap().index, made.index);
    let gone = host.link_at(made.index + 1).unwrap_err();
    assert_eq!(gone.errno(), Some(Errno::ENODEV));
}

#[test]
fn links_go_by_index_and_by_the_group_they_were_put_into() {
    let (host_netns, pods) = (new_namespace(), [(); 3].map(|()| new_namespace()));
    let mut host = open(&host_netns);
    let ends: Vec<u32> = ["gh0", "gh1", "gh2"]
        .iter()
        .zip(&pods)
        .map(|(name, pod)| host.make_veth(&veth(name), pod).unwrap().index)
        .collect();
    host.run(&[
        link::set_group(ends[0], 0x6769),
        link::set_group(ends[2], 0x6769),
        link::delete_group(0x6769),
    ])
    .unwrap();
    let left: Vec<u32> = host.links().unwrap().iter().map(|l| l.index).collect();
    assert_eq!(left, [1, ends[1]]);
    host.run(&[link::delete_index(ends[1])]).unwrap();
    let gone = host.run(&[link::delete_index(ends[1])]).unwrap_err();
    assert_eq!(gone.errno(), Some(Errno::ENODEV));
}

#[test]
fn settings_made_before_a_link_is_up_hold() {
    let mut pair = pair();
    let dev = pair.host_dev;
    let settings = link::Settings {
        alias: Some("default/web-0 eth0"),
        addr_gen_none: true,
        rp_filter_strict: true,
        proxy_arp: true,
    };
    let requests = [
        link::configure(dev, &settings),
        neighbour::answer_proxied_at_once(dev),
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
    let read = || {
        let names = [
            "conf/gh0/rp_filter",
            "conf/gh0/proxy_arp",
            "neigh/gh0/proxy_delay",
        ];
        names.map(|name| sysctl::read(&format!("net/ipv4/{name}")).unwrap())
    };
    assert_eq!(pair.host_netns.visit(read).unwrap(), ["1", "1", "0"]);
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
fn the_addresses_of_one_interface_are_listed_alone() {
    let mut pair = connected();
    let lo = pair.host.link("lo").unwrap().index;
    pair.host.run(&[link::set_up(lo)]).unwrap();
    let mut all = pair.host.addresses().unwrap();
    let of_one = pair.host.addresses_of(pair.host_dev).unwrap();
    assert!(of_one.len() >= 2 && all.len() > of_one.len());
    all.retain(|address| address.dev == pair.host_dev);
    assert_eq!(of_one, all);
    let gone = pair.host.addresses_of(99).unwrap_err();
    assert_eq!(gone.errno(), Some(Errno::ENODEV));
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
