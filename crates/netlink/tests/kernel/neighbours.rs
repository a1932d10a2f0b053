//! Neighbours, and what else is taken away again.

use crate::support::*;
use gingham_netlink::{Neighbour, address, link, neighbour};
use nix::errno::Errno;

#[test]
fn neighbours_of_both_families_read_back_in_order() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let addresses = ["10.1.0.99", "10.1.0.100", "fd00:1::99"];
    let permanent = |address| neighbour::set_permanent(dev, ip(address), POD_MAC);
    pair.host.run(&addresses.map(permanent)).unwrap();
    for hand in [
        "ip neigh add 10.1.0.7 lladdr 02:00:00:00:00:07 dev gh0 nud reachable",
        "ip neigh add proxy 10.1.0.8 dev gh0",
        "ip neigh add proxy fd00:1::8 dev gh0",
    ] {
        foreign(&pair.host_netns, hand);
    }
    let neighbours = pair.host.neighbours().unwrap();
    let ours: Vec<&Neighbour> = neighbours.iter().filter(|n| n.permanent).collect();
    let expected = addresses.map(|address| Neighbour {
        dev,
        address: ip(address),
        mac: Some(POD_MAC),
        permanent: true,
    });
    assert_eq!(ours, expected.iter().collect::<Vec<_>>());
    let known = |address| neighbours.iter().find(|n| n.address == ip(address));
    let learned = known("10.1.0.7").unwrap();
    assert!(!learned.permanent && learned.mac.is_some());
    assert!(known("10.1.0.8").is_none() && known("fd00:1::8").is_none());
    assert!(neighbours.is_sorted());

    let mut look = |dev, address: &str| pair.host.neighbour(dev, ip(address));
    for one in &expected {
        let found = look(dev, &one.address.to_string()).unwrap();
        assert_eq!(found.as_ref(), Some(one));
    }
    assert_eq!(look(dev, "10.1.0.6").unwrap(), None);
    assert_eq!(look(dev, "fd00:1::6").unwrap(), None);
    let gone = look(99, "10.1.0.99").unwrap_err();
    assert_eq!(gone.errno(), Some(Errno::ENODEV));
}

#[test]
fn an_address_is_removed() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let both = [(ip("10.1.0.21"), 24), (ip("fd00:1::21"), 64)];
    let remove = both.map(|(address, length)| address::remove(dev, address, length));
    pair.host.run(&remove).unwrap();
    let left = pair.host.addresses().unwrap();
    let removed = |address| both.iter().any(|(removed, _)| *removed == address);
    assert!(left.iter().all(|one| !removed(one.address)), "{left:?}");
    for outcome in pair.host.run_each(&remove) {
        assert_eq!(outcome.unwrap_err().errno(), Some(Errno::EADDRNOTAVAIL));
    }
}

#[test]
fn a_group_of_links_goes_in_one_go() {
    let mut pair = pair();
    let pods: Vec<_> = (0..3).map(|_| new_namespace()).collect();
    for (number, pod) in pods.iter().enumerate() {
        let veth = veth(&format!("gh{}", number + 1));
        pair.host.run(&[link::create_veth(&veth, pod)]).unwrap();
    }
    let hand = "ip link add other type veth peer name others";
    foreign(&pair.host_netns, hand);
    pair.host.run(&[link::delete_group(0x6768)]).unwrap();
    let left = pair.host.links().unwrap();
    let names: Vec<&str> = left.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["lo", "others", "other"]);
    assert!(pair.pod.link("eth0").is_err());
    let errno = |group| {
        let refused = open(&pair.host_netns).run(&[link::delete_group(group)]);
        refused.unwrap_err().errno()
    };
    assert_eq!(errno(0x6768), Some(Errno::ENODEV));
    assert_eq!(errno(0), Some(Errno::EPERM));
}
