//! Every verb against the real kernel, in namespaces that live as long as a file descriptor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_model::{
    Change, MacAddress, NextHop, Owner, Prefix, Route, RouteKey, RouteProtocol, RouteSet,
    TABLE_MAIN, Target, diff,
};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Cause, Netns, NetnsError, Socket, address, neighbour, route, sysctl};
use nix::errno::Errno;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const HOST_MAC: MacAddress = MacAddress([0x02, 0x67, 0x68, 0, 0, 1]);
const POD_MAC: MacAddress = MacAddress([0x02, 0x67, 1, 2, 3, 4]);

fn new_namespace() -> Netns {
    Netns::create().expect("these tests need root: they make network namespaces")
}

fn open(netns: &Netns) -> Socket {
    netns.visit(|| Socket::open(TIMEOUT)).unwrap().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn via(hops: &[(&str, u32)]) -> Target {
    Target::Via(
        hops.iter()
            .map(|(via, dev)| NextHop {
                via: ip(via),
                dev: *dev,
            })
            .collect(),
    )
}

/// A host and a pod, joined by a veth pair `gh0` and `eth0`.
struct Pair {
    host: Socket,
    pod: Socket,
    host_dev: u32,
    pod_dev: u32,
    host_netns: Netns,
    pod_netns: Netns,
}

fn pair() -> Pair {
    let (host_netns, pod_netns) = (new_namespace(), new_namespace());
    let (mut host, mut pod) = (open(&host_netns), open(&pod_netns));
    host.run(&[link::create_veth(&veth("gh0"), &pod_netns)])
        .unwrap();
    let (host_dev, pod_dev) = (
        host.link("gh0").unwrap().index,
        pod.link("eth0").unwrap().index,
    );
    Pair {
        host,
        pod,
        host_dev,
        pod_dev,
        host_netns,
        pod_netns,
    }
}

fn veth(host: &str) -> VethPair {
    VethPair {
        host: VethEnd {
            name: host.into(),
            mac: HOST_MAC,
        },
        peer: VethEnd {
            name: "eth0".into(),
            mac: POD_MAC,
        },
        mtu: 1400,
        group: 0x6768,
    }
}

/// Both ends up, the host's with an address in a /24 and a /64.
fn connected() -> Pair {
    let mut pair = pair();
    let dev = pair.host_dev;
    pair.pod.run(&[link::set_up(pair.pod_dev)]).unwrap();
    pair.host
        .run(&[
            link::set_up(dev),
            address::add(dev, ip("10.1.0.21"), 24),
            address::add(dev, ip("fd00:1::21"), 64),
        ])
        .unwrap();
    pair
}

fn owned(socket: &mut Socket, owner: Owner) -> RouteSet {
    let routes = socket.routes(TABLE_MAIN).unwrap();
    let owned = routes
        .into_iter()
        .filter(|route| route.protocol == owner.protocol());
    owned.map(|route| (route.key, route)).collect()
}

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
fn every_target_reads_back_as_it_was_written() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let routes = [
        Route::of(
            Owner::Direct,
            prefix("10.101.22.0/24"),
            via(&[("10.1.0.22", dev)]),
        ),
        Route::of(
            Owner::Direct,
            prefix("fd00:101:0:22::/64"),
            via(&[("fd00:1::22", dev)]),
        ),
        Route::of(
            Owner::Learned,
            prefix("10.102.0.0/16"),
            via(&[("10.1.0.1", dev), ("10.1.0.2", dev)]),
        ),
        Route::of(
            Owner::Learned,
            prefix("fd00:102::/48"),
            via(&[("fd00:1::1", dev), ("fd00:1::2", dev)]),
        ),
        Route::of(Owner::Pod, prefix("10.101.21.2/32"), Target::Link(dev)),
        Route::of(
            Owner::Pod,
            prefix("fd00:101:0:21::2/128"),
            Target::Link(dev),
        ),
        Route::of(Owner::Sink, prefix("10.101.21.0/24"), Target::Unreachable),
        Route::of(
            Owner::Sink,
            prefix("fd00:101:0:21::/64"),
            Target::Unreachable,
        ),
    ];
    let want: RouteSet = routes.into_iter().map(|route| (route.key, route)).collect();
    for change in diff(&want, &RouteSet::new()) {
        pair.host.apply(&change).unwrap();
    }
    let ours = |route: &Route| Owner::of(route.protocol).is_some();
    let have: RouteSet = pair
        .host
        .routes(TABLE_MAIN)
        .unwrap()
        .into_iter()
        .filter(ours)
        .map(|route| (route.key, route))
        .collect();
    assert_eq!(have, want);
    for change in diff(&RouteSet::new(), &have) {
        pair.host.apply(&change).unwrap();
    }
    assert!(!pair.host.routes(TABLE_MAIN).unwrap().iter().any(ours));
}

#[test]
fn replacing_changes_the_route_in_place() {
    let mut pair = connected();
    let dev = pair.host_dev;
    for (destination, first, second) in [
        ("10.101.22.0/24", "10.1.0.22", "10.1.0.23"),
        ("fd00:101:0:22::/64", "fd00:1::22", "fd00:1::23"),
    ] {
        let both = [(first, dev), (second, dev)];
        for hops in [&both[..1], &both[1..], &both[..], &both[..1]] {
            let wanted = Route::of(Owner::Direct, prefix(destination), via(hops));
            pair.host.apply(&Change::Replace(wanted.clone())).unwrap();
            let have = owned(&mut pair.host, Owner::Direct);
            assert_eq!(have.get(&wanted.key), Some(&wanted));
        }
    }
    assert_eq!(owned(&mut pair.host, Owner::Direct).len(), 2);
}

#[test]
fn a_foreign_route_of_the_same_key_is_never_removed() {
    let mut pair = connected();
    let key = Owner::Direct.key(prefix("10.101.22.0/24"));
    let target = via(&[("10.1.0.22", pair.host_dev)]);
    let foreign = Route {
        key,
        protocol: RouteProtocol(4),
        target: target.clone(),
    };
    pair.host.apply(&Change::Replace(foreign.clone())).unwrap();
    let ours = Route {
        key,
        protocol: Owner::Direct.protocol(),
        target,
    };
    pair.host.apply(&Change::Remove(ours)).unwrap();
    assert!(pair.host.routes(TABLE_MAIN).unwrap().contains(&foreign));
}

#[test]
fn what_a_foreign_hand_made_of_our_route_is_seen_as_foreign() {
    let mut pair = connected();
    let dev = pair.host_dev;
    pair.host
        .run(&[route::add_default_onlink(dev, ip("169.254.1.1"))])
        .unwrap();
    let routes = pair.host.routes(TABLE_MAIN).unwrap();
    let default = routes
        .iter()
        .find(|route| route.key.prefix == prefix("0.0.0.0/0"))
        .unwrap();
    assert_eq!(default.target, Target::Foreign);
}

#[test]
fn the_kernels_own_words_are_kept() {
    let mut pair = connected();
    let gone = Route::of(
        Owner::Direct,
        prefix("10.9.0.0/24"),
        via(&[("192.0.2.1", pair.host_dev)]),
    );
    let error = pair.host.apply(&Change::Replace(gone)).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENETUNREACH));
    let text = error.to_string();
    assert_eq!(
        text,
        "replace route 10.9.0.0/24 metric 12: Network is unreachable (ENETUNREACH): \
         Nexthop has invalid gateway"
    );
}

#[test]
fn in_a_batch_the_failing_step_is_named_and_the_socket_stays_in_step() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let twice = address::add(dev, ip("10.1.0.21"), 24);
    let fine = neighbour::set_permanent(dev, ip("10.1.0.99"), POD_MAC);
    let error = pair.host.run(&[fine.clone(), twice, fine]).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    assert!(
        error
            .to_string()
            .starts_with(&format!("add address 10.1.0.21/24 to interface {dev}: "))
    );
    assert_eq!(pair.host.link("gh0").unwrap().index, dev);
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

#[test]
fn a_table_longer_than_one_datagram_is_read_whole() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let all: RouteSet = (0..4000u32)
        .map(|index| {
            let pool = prefix("10.128.0.0/10");
            let block = pool.nth(26, index.into()).unwrap();
            Route::of(Owner::Direct, block, via(&[("10.1.0.22", dev)]))
        })
        .map(|route| (route.key, route))
        .collect();
    let requests: Vec<_> = all.values().map(route::replace).collect();
    for chunk in requests.chunks(100) {
        pair.host.run(chunk).unwrap();
    }
    assert_eq!(owned(&mut pair.host, Owner::Direct), all);
}

#[test]
fn an_empty_table_is_empty() {
    let netns = new_namespace();
    assert!(open(&netns).routes(TABLE_MAIN).unwrap().is_empty());
    assert!(open(&netns).routes(12345).unwrap().is_empty());
}

#[test]
fn a_table_beyond_255_is_written_and_read() {
    let mut pair = connected();
    let key = RouteKey {
        table: 1000,
        prefix: prefix("10.9.0.0/24"),
        metric: 12,
    };
    let target = via(&[("10.1.0.22", pair.host_dev)]);
    let route = Route {
        key,
        protocol: Owner::Direct.protocol(),
        target,
    };
    pair.host.apply(&Change::Replace(route.clone())).unwrap();
    assert_eq!(
        pair.host.routes(1000).unwrap(),
        std::slice::from_ref(&route)
    );
    pair.host.apply(&Change::Remove(route)).unwrap();
    assert!(pair.host.routes(1000).unwrap().is_empty());
}

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
fn an_unanswered_request_ends_in_time() {
    let netns = new_namespace();
    let mut socket = netns
        .visit(|| Socket::open(Duration::from_nanos(1)))
        .unwrap()
        .unwrap();
    let outcome = socket.routes(TABLE_MAIN).map_err(|error| error.cause);
    assert!(matches!(outcome, Err(Cause::Timeout(_))), "{outcome:?}");
}
