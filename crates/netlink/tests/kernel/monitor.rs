//! The monitor: what happens is heard, by whose hand, and own writes are not.

use crate::support::*;
use gingham_model::{Change, Owner, Route, RouteProtocol};
use gingham_netlink::monitor::{Heard, Notice, Object, Op};
use gingham_netlink::{Monitor, link, neighbour};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

pub(crate) fn listen(pair: &Pair) -> Monitor {
    pair.host_netns.visit(Monitor::open).unwrap().unwrap()
}

/// Everything up to and with the first notice that is `wanted`.
pub(crate) fn until(monitor: &mut Monitor, wanted: impl Fn(&Notice) -> bool) -> Vec<Notice> {
    let deadline = Instant::now() + TIMEOUT;
    let mut all = Vec::new();
    while Instant::now() < deadline {
        match monitor.hear().unwrap() {
            Heard::Notices(notices) => {
                let found = notices.iter().any(&wanted);
                all.extend(notices);
                if found {
                    return all;
                }
            }
            Heard::Nothing => std::thread::sleep(Duration::from_millis(1)),
            other => panic!("{other:?} after {all:?}"),
        }
    }
    panic!("not heard, only {all:?}");
}

fn is(op: Op, object: impl Fn(&Object) -> bool) -> impl Fn(&Notice) -> bool {
    move |notice| notice.op == op && object(&notice.object)
}

#[test]
fn a_foreign_hands_routes_are_heard_with_their_op_and_port() {
    let pair = connected();
    let mut monitor = listen(&pair);
    let dev = pair.host_dev;
    for (family, block, hop) in [
        ("-4", "10.101.22.0/24", "10.1.0.22"),
        ("-6", "fd00:101:0:22::/64", "fd00:1::22"),
    ] {
        let route = Route {
            protocol: RouteProtocol(4),
            ..Route::of(Owner::Direct, prefix(block), via(&[(hop, dev)]))
        };
        for (verb, op) in [("add", Op::New), ("delete", Op::Gone)] {
            let hand = format!("ip {family} route {verb} {block} via {hop} proto 4 metric 12");
            foreign(&pair.host_netns, &hand);
            let wanted = Object::Route(route.clone());
            let heard = until(&mut monitor, is(op, |object| *object == wanted));
            let port = heard.last().unwrap().port;
            assert!(port != 0 && port != pair.host.port(), "{port}");
        }
    }
}

#[test]
fn own_writes_are_heard_until_their_port_is_ignored() {
    let mut pair = connected();
    let mut monitor = listen(&pair);
    let dev = pair.host_dev;
    let own = pair.host.port();
    let ours = |third: u32| {
        let block = prefix(&format!("10.101.{third}.0/24"));
        Route::of(Owner::Direct, block, via(&[("10.1.0.22", dev)]))
    };
    let is_route = |route: Route| {
        is(Op::New, move |object| {
            *object == Object::Route(route.clone())
        })
    };
    apply(&mut pair.host, Change::Add(ours(1))).unwrap();
    let heard = until(&mut monitor, is_route(ours(1)));
    assert_eq!(heard.last().unwrap().port, own);

    // What waits already is dropped, what comes is filtered, and others' are heard.
    apply(&mut pair.host, Change::Add(ours(2))).unwrap();
    monitor.ignore(1);
    monitor.ignore(own);
    apply(&mut pair.host, Change::Add(ours(3))).unwrap();
    apply(&mut open(&pair.host_netns), Change::Add(ours(4))).unwrap();
    let heard = until(&mut monitor, is_route(ours(4)));
    assert!(heard.iter().all(|notice| notice.port != own), "{heard:?}");
}

#[test]
fn neighbours_and_addresses_are_heard() {
    let mut pair = connected();
    let mut monitor = listen(&pair);
    let dev = pair.host_dev;
    let netns = &pair.host_netns;
    for (neighbour, address) in [("10.1.0.99", "10.2.0.1/24"), ("fd00:1::99", "fd00:2::1/64")] {
        let set = neighbour::set_permanent(dev, ip(neighbour), POD_MAC);
        pair.host.run(&[set]).unwrap();
        let is_neighbour = |object: &Object| matches!(object, Object::Neighbour(n) if n.address == ip(neighbour) && n.dev == dev);
        let heard = until(&mut monitor, is(Op::New, is_neighbour));
        let Object::Neighbour(heard) = &heard.last().unwrap().object else {
            panic!("{heard:?}");
        };
        assert_eq!((heard.mac, heard.permanent), (Some(POD_MAC), true));
        foreign(netns, &format!("ip neigh del {neighbour} dev gh0"));
        until(&mut monitor, is(Op::Gone, is_neighbour));

        let is_address = |object: &Object| matches!(object, Object::Address(a) if address.starts_with(&a.address.to_string()));
        foreign(netns, &format!("ip address add {address} dev gh0"));
        until(&mut monitor, is(Op::New, is_address));
        foreign(netns, &format!("ip address del {address} dev gh0"));
        until(&mut monitor, is(Op::Gone, is_address));
    }
}

/// An IPv4 route goes with its link and there is no event of the route: the link's must do.
#[test]
fn a_link_going_down_up_and_away_is_heard() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let route = Route::of(
        Owner::Direct,
        prefix("10.101.22.0/24"),
        via(&[("10.1.0.22", dev)]),
    );
    apply(&mut pair.host, Change::Add(route)).unwrap();
    let mut monitor = listen(&pair);
    let is_link = |up| move |object: &Object| matches!(object, Object::Link(l) if l.index == dev && l.up == up);
    foreign(&pair.host_netns, "ip link set gh0 down");
    let heard = until(&mut monitor, is(Op::New, is_link(false)));
    let Object::Link(heard) = &heard.last().unwrap().object else {
        panic!("{heard:?}");
    };
    assert_eq!((heard.name.as_str(), heard.group), ("gh0", 0x6768));
    assert!(owned(&mut pair.host, Owner::Direct).is_empty());
    foreign(&pair.host_netns, "ip link set gh0 up");
    until(&mut monitor, is(Op::New, is_link(true)));
    pair.host.run(&[link::delete("gh0")]).unwrap();
    let gone = |object: &Object| matches!(object, Object::Link(l) if l.index == dev);
    until(&mut monitor, is(Op::Gone, gone));
}

#[test]
fn a_port_that_leaves_its_bridge_is_no_link_that_goes() {
    let pair = connected();
    foreign(&pair.host_netns, "ip link add br0 type bridge");
    foreign(&pair.host_netns, "ip link set gh0 master br0");
    let mut monitor = listen(&pair);
    foreign(&pair.host_netns, "ip link set gh0 nomaster");
    foreign(&pair.host_netns, "ip link set gh0 alias end");
    let end =
        |object: &Object| matches!(object, Object::Link(l) if l.alias.as_deref() == Some("end"));
    let heard = until(&mut monitor, is(Op::New, end));
    let gone = is(Op::Gone, |object| matches!(object, Object::Link(_)));
    assert!(!heard.iter().any(gone), "{heard:?}");
}

#[test]
fn a_next_hop_object_is_heard() {
    let pair = connected();
    let mut monitor = listen(&pair);
    foreign(
        &pair.host_netns,
        "ip nexthop add id 7 via 10.1.0.22 dev gh0",
    );
    until(
        &mut monitor,
        is(Op::New, |object| *object == Object::NextHop(7)),
    );
    foreign(&pair.host_netns, "ip nexthop del id 7");
    until(
        &mut monitor,
        is(Op::Gone, |object| *object == Object::NextHop(7)),
    );
}

#[test]
fn a_monitor_can_be_waited_on_and_hears_only_its_own_namespace() {
    let (here, there) = (connected(), connected());
    let mut monitor = listen(&here);
    assert_eq!(monitor.as_fd().as_raw_fd(), monitor.as_raw_fd());
    assert!(monitor.buffer_bytes() >= 16 * 1024 * 1024);
    foreign(&there.host_netns, "ip link set gh0 alias there");
    foreign(&here.host_netns, "ip link set gh0 alias here");
    let alias = |notice: &Notice| match &notice.object {
        Object::Link(link) => link.alias.clone(),
        _ => None,
    };
    let heard = until(&mut monitor, |notice| {
        alias(notice).as_deref() == Some("here")
    });
    let there = |notice: &Notice| alias(notice).as_deref() == Some("there");
    assert!(!heard.iter().any(there), "{heard:?}");
}
