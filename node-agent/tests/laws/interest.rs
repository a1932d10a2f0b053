//! What of the kernel's news is a reason to look, and what must not wake anybody.

use crate::make::{self, LOOPBACK, UPLINK, address, block, cluster, learned, seen};
use gingham_agent::dirty::Cause;
use gingham_agent::interest::Interest;
use gingham_agent::pass::Wired;
use gingham_model::{MacAddress, Owner, Route, RouteKey, RouteProtocol, Target};
use gingham_netlink::monitor::{Notice, Object, Op};
use gingham_netlink::{Address, Link, Neighbour};
use proptest::prelude::*;
use std::sync::Arc;

/// The index of the host end of the one pod, which has 10.64.0.5 and fd00:10::5.
const POD: u32 = 7;
/// An index nobody has heard of.
const STRANGER: u32 = 99;

/// Of node w1, with a pod, with a route to a block of node w2, and with one learned.
fn interest() -> Interest {
    let cluster = cluster(&[
        block("10.64.0.0/26", "w1", &["10.1.0.1"]),
        block("10.64.0.64/26", "w2", &["10.1.0.2"]),
    ]);
    let addresses = ["10.64.0.5", "fd00:10::5"].map(|text| text.parse().unwrap());
    let wired = Wired {
        ends: [(POD, addresses.into())].into(),
        ..Wired::default()
    };
    let learned = learned(&[("10.65.0.0/16", &["10.1.0.8", "10.1.0.9"])]);
    Interest::new(Some(Arc::new(seen(cluster, learned))), Arc::new(wired))
}

fn notice(op: Op, object: Object) -> Notice {
    Notice {
        op,
        object,
        port: 1234,
    }
}

/// Asks about each notice of a table, and names the row that is answered otherwise.
#[track_caller]
fn assert_concerns(table: impl IntoIterator<Item = (&'static str, Op, Object, Option<Cause>)>) {
    let interest = interest();
    for (what, op, object, cause) in table {
        let concern = interest.concern(&notice(op, object));
        assert_eq!(concern, cause, "{what}");
    }
}

#[test]
fn interfaces_count_when_they_are_ours_and_differ() {
    let link = |link: Link| Object::Link(link);
    let uplink = make::link(UPLINK, "eth0");
    let pod = make::link(POD, "gh5");
    let down = |link: &Link| {
        Object::Link(Link {
            up: false,
            ..link.clone()
        })
    };
    let (new, gone) = (Op::New, Op::Gone);
    let links = Some(Cause::Links);
    assert_concerns([
        ("uplink as it was", new, link(uplink.clone()), None),
        ("uplink down", new, down(&uplink), links),
        (
            "uplink without carrier",
            new,
            link(Link {
                running: false,
                ..uplink.clone()
            }),
            links,
        ),
        (
            "uplink with another MTU",
            new,
            link(Link {
                mtu: 1400,
                ..uplink.clone()
            }),
            links,
        ),
        ("uplink gone", gone, link(uplink), links),
        (
            "loopback as it was",
            new,
            link(make::link(LOOPBACK, "lo")),
            None,
        ),
        (
            "a new interface",
            new,
            link(make::link(STRANGER, "eth7")),
            None,
        ),
        (
            "an unknown interface gone",
            gone,
            link(make::link(STRANGER, "eth7")),
            None,
        ),
        ("host end being wired", new, link(pod.clone()), None),
        ("host end down", new, down(&pod), Some(Cause::Pods)),
        ("host end gone, and all with it", gone, link(pod), None),
    ]);
}

#[test]
fn addresses_count_when_other_nodes_are_reached_by_them() {
    let at = |dev, text, length| Object::Address(address(dev, text, length));
    let tentative = Address {
        tentative: true,
        ..address(UPLINK, "fd00:1::1", 64)
    };
    let (new, gone) = (Op::New, Op::Gone);
    let addresses = Some(Cause::Addresses);
    assert_concerns([
        ("renewed", new, at(UPLINK, "fd00:1::1", 64), None),
        ("one more", new, at(UPLINK, "10.1.0.7", 24), addresses),
        ("another length", new, at(UPLINK, "10.1.0.1", 16), addresses),
        (
            "a duplicate elsewhere",
            new,
            Object::Address(tentative),
            addresses,
        ),
        ("gone", gone, at(UPLINK, "10.1.0.1", 24), addresses),
        (
            "on a new interface",
            new,
            at(STRANGER, "10.9.0.1", 24),
            addresses,
        ),
        ("link-local", new, at(UPLINK, "fe80::5", 64), None),
        ("link-local gone", gone, at(UPLINK, "169.254.7.7", 16), None),
        ("loopback", new, at(LOOPBACK, "10.9.0.1", 32), None),
        (
            "the gateway of a pod just made",
            new,
            at(STRANGER, "fe80::1", 64),
            None,
        ),
        (
            "the gateway of a pod that went",
            gone,
            at(STRANGER, "fe80::1", 64),
            None,
        ),
        (
            "the gateway of a pod taken away",
            gone,
            at(POD, "fe80::1", 64),
            Some(Cause::Pods),
        ),
        (
            "the gateway of a pod given again",
            new,
            at(POD, "fe80::1", 64),
            None,
        ),
    ]);
}

#[test]
fn neighbours_count_when_they_are_pods() {
    let at = |dev, address: &str| {
        Object::Neighbour(Neighbour {
            dev,
            address: address.parse().unwrap(),
            mac: Some(MacAddress([2, 0, 0, 0, 0, 9])),
            permanent: false,
        })
    };
    assert_concerns([
        (
            "of a pod, changed",
            Op::New,
            at(POD, "10.64.0.5"),
            Some(Cause::Pods),
        ),
        (
            "of a pod, gone",
            Op::Gone,
            at(POD, "fd00:10::5"),
            Some(Cause::Pods),
        ),
        (
            "what else a pod's end learns",
            Op::New,
            at(POD, "fe80::99"),
            None,
        ),
        ("a node of the zone", Op::New, at(UPLINK, "10.1.0.2"), None),
        (
            "a node that no longer answers",
            Op::Gone,
            at(UPLINK, "10.1.0.2"),
            None,
        ),
        (
            "a pod's address elsewhere",
            Op::New,
            at(UPLINK, "10.64.0.5"),
            None,
        ),
        (
            "of a pod just made",
            Op::New,
            at(STRANGER, "10.64.0.6"),
            None,
        ),
    ]);
}

/// A route of `protocol` as far as that matters.
fn route(protocol: u8, prefix: &str, metric: u32) -> Route {
    let key = Owner::Direct.key(prefix.parse().unwrap());
    Route {
        key: RouteKey { metric, ..key },
        protocol: RouteProtocol(protocol),
        target: Target::Unreachable,
    }
}

#[test]
fn routes_count_when_they_are_ours_or_in_our_place() {
    let at = |protocol, prefix, metric| Object::Route(route(protocol, prefix, metric));
    let (new, gone) = (Op::New, Op::Gone);
    let (routes, pods, foreign) = (
        Some(Cause::Routes),
        Some(Cause::Pods),
        Some(Cause::ForeignRoutes),
    );
    assert_concerns([
        ("direct changed", new, at(201, "10.64.0.64/26", 12), routes),
        ("direct gone", gone, at(201, "10.64.0.64/26", 12), routes),
        ("direct to nobody", new, at(201, "10.98.0.0/24", 12), routes),
        (
            "sink gone",
            gone,
            at(203, "10.64.0.0/26", 4_000_000_000),
            routes,
        ),
        ("learned changed", new, at(202, "10.65.0.0/16", 40), routes),
        ("learned gone", gone, at(202, "10.65.0.0/16", 40), routes),
        (
            "learned from nobody",
            new,
            at(202, "10.98.0.0/24", 40),
            routes,
        ),
        ("of a pod just made", new, at(200, "10.64.0.6/32", 10), None),
        ("of a pod, replaced", new, at(200, "10.64.0.5/32", 10), pods),
        ("of a pod, gone", gone, at(200, "fd00:10::5/128", 10), pods),
        (
            "foreign over a pod's",
            new,
            at(4, "10.64.0.5/32", 10),
            foreign,
        ),
        (
            "foreign over a pod's gone",
            gone,
            at(4, "10.64.0.5/32", 10),
            foreign,
        ),
        (
            "foreign beside a pod's",
            new,
            at(4, "10.64.0.5/32", 20),
            None,
        ),
        (
            "foreign over a block's",
            new,
            at(4, "10.64.0.64/26", 5),
            foreign,
        ),
        (
            "foreign over a block's gone",
            gone,
            at(4, "10.64.0.64/26", 12),
            foreign,
        ),
        (
            "foreign over our sink",
            new,
            at(4, "10.64.0.0/26", 20),
            foreign,
        ),
        (
            "foreign over a learned one",
            new,
            at(12, "10.65.0.0/16", 32),
            foreign,
        ),
        ("foreign elsewhere", new, at(4, "10.99.0.0/24", 12), None),
        (
            "foreign in part of a block",
            new,
            at(4, "10.64.0.64/27", 12),
            None,
        ),
    ]);
}

#[test]
fn next_hop_objects_count_when_they_go() {
    assert_concerns([
        ("new", Op::New, Object::NextHop(7), None),
        ("gone", Op::Gone, Object::NextHop(7), Some(Cause::Routes)),
    ]);
}

#[test]
fn before_the_first_look_everything_counts() {
    let interest = Interest::default();
    for object in [
        Object::NextHop(7),
        Object::Address(address(LOOPBACK, "127.0.0.1", 8)),
        Object::Route(route(4, "10.99.0.0/24", 12)),
    ] {
        let concern = interest.concern(&notice(Op::New, object));
        assert_eq!(concern, Some(Cause::Start));
    }
}

proptest! {
    #[test]
    fn other_tables_concern_nobody(
        table in any::<u32>().prop_filter("ours", |table| *table != 254),
        protocol in any::<u8>(),
        metric in any::<u32>(),
        prefix in prop::sample::select(vec!["10.64.0.64/26", "10.64.0.0/26", "10.64.0.5/32"]),
        op in prop::sample::select(vec![Op::New, Op::Gone]),
    ) {
        let mut route = route(protocol, prefix, metric);
        route.key.table = table;
        prop_assert_eq!(interest().concern(&notice(op, Object::Route(route))), None);
    }

    #[test]
    fn a_foreign_route_to_a_block_counts_whoever_made_it(
        protocol in any::<u8>().prop_filter("ours", |p| !(200..=203).contains(p)),
        metric in any::<u32>(),
        op in prop::sample::select(vec![Op::New, Op::Gone]),
    ) {
        let notice = notice(op, Object::Route(route(protocol, "10.64.0.64/26", metric)));
        prop_assert_eq!(interest().concern(&notice), Some(Cause::ForeignRoutes));
    }
}
