//! Routes: what is written reads back.

use crate::support::*;
use gingham_model::{
    Change, Owner, Route, RouteKey, RouteProtocol, RouteSet, TABLE_MAIN, Target, diff,
};
use gingham_netlink::route;
use nix::errno::Errno;

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
        apply(&mut pair.host, change).unwrap();
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
        apply(&mut pair.host, change).unwrap();
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
            apply(&mut pair.host, Change::Replace(wanted.clone())).unwrap();
            let have = owned(&mut pair.host, Owner::Direct);
            assert_eq!(have.get(&wanted.key), Some(&wanted));
        }
    }
    assert_eq!(owned(&mut pair.host, Owner::Direct).len(), 2);
}

#[test]
fn each_change_is_read_back_by_its_echo() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let hops = [("10.1.0.22", "fd00:1::22"), ("10.1.0.23", "fd00:1::23")];
    let [one, other] = hops.map(|(v4, v6)| [(v4, dev), (v6, dev)]);
    for (family, destination) in ["10.102.0.0/16", "fd00:102::/48"].into_iter().enumerate() {
        let route =
            |hops: &[(&str, u32)]| Route::of(Owner::Learned, prefix(destination), via(hops));
        let (first, both) = (route(&[one[family]]), route(&[one[family], other[family]]));
        let changes = [
            Change::Add(first.clone()),
            Change::Replace(both.clone()),
            Change::Replace(first.clone()),
            Change::Remove(first.clone()),
            Change::Remove(first.clone()),
            Change::Add(both.clone()),
        ];
        let read = pair.host.apply_and_read(&changes).into_iter();
        let read: Vec<_> = read.map(Result::unwrap).collect();
        let (first, both) = (Some(first), Some(both));
        assert_eq!(
            read,
            [first.clone(), both.clone(), first, None, None, both.clone()]
        );
        let again = pair
            .host
            .apply_and_read(&[Change::Add(both.unwrap())])
            .remove(0);
        assert_eq!(again.unwrap_err().errno(), Some(Errno::EEXIST));
    }
}

/// As long as a route of ours can be: every echo has room.
#[test]
fn echoes_of_routes_with_128_next_hops_are_all_heard() {
    let mut pair = connected();
    let dev = pair.host_dev;
    for (pool, net) in [("10.128.0.0/10", "10.1.0."), ("fd00:102::/48", "fd00:1::")] {
        let hops: Vec<String> = (100..228).map(|last| format!("{net}{last}")).collect();
        let hops: Vec<(&str, u32)> = hops.iter().map(|hop| (hop.as_str(), dev)).collect();
        let pool = prefix(pool);
        let length = pool.length() + 12;
        let routes = (0..64).map(|at| pool.nth(length, at).unwrap());
        let changes: Vec<Change> = routes
            .map(|prefix| Change::Add(Route::of(Owner::Learned, prefix, via(&hops))))
            .collect();
        for (change, read) in changes.iter().zip(pair.host.apply_and_read(&changes)) {
            assert_eq!(read.unwrap().as_ref(), Some(change.route()));
        }
    }
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
    apply(&mut pair.host, Change::Replace(foreign.clone())).unwrap();
    let ours = Route {
        key,
        protocol: Owner::Direct.protocol(),
        target,
    };
    apply(&mut pair.host, Change::Remove(ours)).unwrap();
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
    apply(&mut pair.host, Change::Replace(route.clone())).unwrap();
    assert_eq!(
        pair.host.routes(1000).unwrap(),
        std::slice::from_ref(&route)
    );
    apply(&mut pair.host, Change::Remove(route)).unwrap();
    assert!(pair.host.routes(1000).unwrap().is_empty());
}
