//! Where a packet goes: what `route_to` says is what `ip route get` says.

use crate::support::*;
use gingham_model::{Family, Owner, Prefix, RouteKey, RouteProtocol, TABLE_MAIN};
use gingham_netlink::fib::{Entry, Leads, Lookup, Way};
use nix::errno::Errno;
use std::net::IpAddr;
use std::process::Command;

/// A host with routes of every kind, in both families.
fn host() -> Pair {
    let pair = connected();
    for route in [
        "10.102.0.0/16 proto 202 metric 40 nexthop via 10.1.0.1 dev gh0 nexthop via 10.1.0.2 dev gh0",
        "fd00:102::/48 proto 202 metric 40 nexthop via fd00:1::1 dev gh0 nexthop via fd00:1::2 dev gh0",
        "10.102.0.0/16 via 10.1.0.9 dev gh0 proto static metric 41",
        "fd00:102::/48 via fd00:1::9 dev gh0 proto static metric 41",
        "10.102.7.0/24 via 10.1.0.7 dev gh0 proto 201 metric 12",
        "10.102.8.0/24 via inet6 fd00:1::8 dev gh0 proto 201 metric 12",
        "unreachable 10.101.21.0/24 proto 203 metric 4000000000",
        "unreachable fd00:101:0:21::/64 proto 203 metric 4000000000",
        "blackhole 192.0.2.0/24",
        "prohibit 198.51.100.0/24",
        "throw 203.0.113.0/24",
        "blackhole 2001:db8::/48",
        "prohibit 2001:db8:1::/48",
        "throw 2001:db8:2::/48",
    ] {
        foreign(&pair.host_netns, &format!("ip route add {route}"));
    }
    pair
}

fn taken(pair: &mut Pair, to: &str) -> (Entry, Leads) {
    match pair.host.route_to(ip(to)).unwrap() {
        Lookup::Taken { route, leads } => (route, leads),
        Lookup::Refused(errno) => panic!("{to}: {errno}"),
    }
}

fn out(via: &[&str], dev: u32) -> Vec<Way> {
    let ways = via.iter().map(|via| Way {
        via: Some(ip(via)),
        dev,
    });
    ways.collect()
}

#[test]
fn the_route_that_takes_a_packet_is_named_with_all_its_ways() {
    let mut pair = host();
    let dev = pair.host_dev;
    for (to, at, both) in [
        ("10.102.1.1", "10.102.0.0/16", ["10.1.0.1", "10.1.0.2"]),
        ("fd00:102::7", "fd00:102::/48", ["fd00:1::1", "fd00:1::2"]),
    ] {
        let (route, leads) = taken(&mut pair, to);
        let key = Owner::Learned.key(prefix(at));
        assert_eq!(
            (route.key, route.protocol),
            (key, Owner::Learned.protocol())
        );
        let (Leads::Out(mut ways), Leads::Out(used)) = (route.leads, leads) else {
            panic!("{to} leads nowhere")
        };
        ways.sort();
        assert_eq!(ways, out(&both, dev));
        assert!(used.len() == 1 && ways.contains(&used[0]), "{used:?}");
    }
    let (route, _) = taken(&mut pair, "10.102.8.1");
    assert_eq!(route.leads, Leads::Out(out(&["fd00:1::8"], dev)));
    let (route, leads) = taken(&mut pair, "10.1.0.77");
    let kernel = RouteKey {
        table: TABLE_MAIN,
        prefix: prefix("10.1.0.0/24"),
        metric: 0,
    };
    assert_eq!((route.key, route.protocol), (kernel, RouteProtocol(2)));
    assert_eq!(leads, Leads::Out(vec![Way { via: None, dev }]));
    for own in ["10.1.0.21", "fd00:1::21"] {
        let (route, leads) = taken(&mut pair, own);
        assert_eq!(
            (route.key.prefix, leads),
            (Prefix::host(ip(own)), Leads::Here)
        );
    }
}

#[test]
fn what_cannot_be_sent_is_refused_for_its_reason() {
    let mut pair = host();
    for (to, errno) in [
        ("10.101.21.9", Errno::EHOSTUNREACH),
        ("fd00:101:0:21::9", Errno::EHOSTUNREACH),
        ("192.0.2.1", Errno::EINVAL),
        ("2001:db8::1", Errno::EINVAL),
        ("198.51.100.1", Errno::EACCES),
        ("2001:db8:1::1", Errno::EACCES),
        ("203.0.113.1", Errno::ENETUNREACH),
        ("2001:db8:2::1", Errno::ENETUNREACH),
        ("172.16.0.1", Errno::ENETUNREACH),
        ("2001:db8:3::1", Errno::ENETUNREACH),
    ] {
        assert_eq!(
            pair.host.route_to(ip(to)).unwrap(),
            Lookup::Refused(errno),
            "{to}"
        );
    }
}

/// `ip route get`: where to, or the error it ends with.
fn get(pair: &Pair, to: IpAddr) -> String {
    let mut command = Command::new("ip");
    command.args(["route", "get", &to.to_string()]);
    let output = pair.host_netns.visit(|| command.output()).unwrap().unwrap();
    let text = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    String::from_utf8(text).unwrap()
}

#[test]
fn it_is_what_ip_route_get_says() {
    let mut pair = host();
    for to in [
        "10.102.1.1",
        "10.102.7.1",
        "10.102.8.1",
        "10.101.21.9",
        "10.1.0.77",
        "10.1.0.21",
        "127.0.0.1",
        "10.1.0.255",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "172.16.0.1",
        "fd00:102::7",
        "fd00:101:0:21::9",
        "fd00:1::77",
        "fd00:1::21",
        "2001:db8::1",
        "2001:db8:1::1",
        "2001:db8:9::1",
    ] {
        let (found, said) = (pair.host.route_to(ip(to)).unwrap(), get(&pair, ip(to)));
        let word = |word: &str| format!(" {word}");
        match found {
            Lookup::Refused(errno) => assert!(said.contains(errno.desc()), "{to}: {errno}, {said}"),
            Lookup::Taken { leads, .. } => match leads {
                Leads::Here => assert!(said.starts_with("local "), "{said}"),
                Leads::Many => assert!(said.starts_with("broadcast "), "{said}"),
                Leads::Out(ways) => {
                    assert_eq!(ways.len(), 1, "{ways:?}");
                    assert!(said.contains(" dev gh0 "), "{said}");
                    match ways[0].via {
                        Some(via) if via.is_ipv6() == ip(to).is_ipv6() => {
                            assert!(said.contains(&word(&format!("via {via} "))), "{said}");
                        }
                        Some(via) => {
                            assert!(said.contains(&word(&format!("via inet6 {via} "))), "{said}")
                        }
                        None => assert!(!said.contains(" via "), "{said}"),
                    }
                }
                Leads::Nowhere(_) | Leads::NextTable => panic!("{to}: {leads:?}"),
            },
        }
    }
}

#[test]
fn every_route_around_an_address_is_listed() {
    let mut pair = host();
    let mut around = |to: &str| {
        let entries = pair.host.routes_around(ip(to)).unwrap();
        let keys = entries.into_iter().map(|entry| {
            let RouteKey {
                table,
                prefix,
                metric,
            } = entry.key;
            format!("{table} {prefix} {metric}")
        });
        keys.collect::<Vec<_>>()
    };
    assert_eq!(
        around("10.102.7.1"),
        [
            "254 10.102.0.0/16 40",
            "254 10.102.0.0/16 41",
            "254 10.102.7.0/24 12"
        ]
    );
    assert_eq!(
        around("fd00:102::7"),
        ["254 fd00:102::/48 40", "254 fd00:102::/48 41"]
    );
    assert_eq!(
        around("10.1.0.21"),
        ["254 10.1.0.0/24 0", "255 10.1.0.21/32 0"]
    );
    assert_eq!(around("172.16.0.1"), [""; 0]);
}

/// IPv4 drops a route with its interface; what a multipath route has left is what counts.
#[test]
fn a_way_whose_interface_is_down_is_none() {
    let mut pair = host();
    let down = "ip link set gh0 down";
    foreign(&pair.host_netns, down);
    for family in Family::ALL {
        let to = match family {
            Family::V4 => ip("10.102.1.1"),
            Family::V6 => ip("fd00:102::7"),
        };
        assert_eq!(pair.host.routes_around(to).unwrap(), []);
        assert_eq!(
            pair.host.route_to(to).unwrap(),
            Lookup::Refused(Errno::ENETUNREACH)
        );
    }
}
