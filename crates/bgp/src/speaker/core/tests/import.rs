//! What is believed of what peers say, and what external peers are told.

use super::lab::{Lab, open};
use super::world::World;
use crate::attributes::AsPath;
use crate::{Asn, RouterId};

const ONE: &str = "{asn: 64512, routerId: 10.0.0.1, clusterId: 9.9.9.9, filters: {all: {otherwise: accept}}, neighbours: [
    {name: in, address: 10.0.0.2, asn: 64512, connect: passive},
    {name: ex, address: 10.0.0.3, asn: 65003, connect: passive, import: all, export: all},
    {name: again, address: 10.0.0.4, asn: 65004, connect: passive, import: all, allowOwnAsn: 1},
    {name: deaf, address: 10.0.0.5, asn: 65005, connect: passive}], listen: ['0.0.0.0:179']}";

fn path(numbers: &[u32]) -> AsPath {
    AsPath::sequence(numbers.iter().copied().map(Asn))
}

#[test]
fn what_no_filter_can_allow_is_kept_out_and_says_why() {
    let mut lab = Lab::new(ONE);
    let inside = lab.peer("10.0.0.2", open(64512, 2));
    let outside = lab.peer("10.0.0.3", open(65003, 3));
    let again = lab.peer("10.0.0.4", open(65004, 4));
    let deaf = lab.peer("10.0.0.5", open(65005, 5));
    lab.announce_as(outside, &["10.1.0.0/24"], |it| {
        it.as_path = path(&[65003, 64512])
    });
    lab.announce_as(outside, &["10.2.0.0/24"], |it| it.as_path = path(&[65099]));
    lab.announce_as(outside, &["10.3.0.0/24"], |it| {
        it.next_hop = [10, 0, 0, 1].into()
    });
    lab.announce_as(outside, &["10.4.0.0/24"], |it| {
        it.next_hop = [10, 0, 0, 99].into()
    });
    lab.announce_as(again, &["10.5.0.0/24"], |it| {
        it.as_path = path(&[65004, 64512])
    });
    lab.announce_as(again, &["10.6.0.0/24"], |it| {
        it.as_path = path(&[65004, 64512, 64512])
    });
    lab.announce(deaf, &["10.7.0.0/24"]);
    lab.announce_as(inside, &["10.8.0.0/24"], |it| {
        it.originator = Some(RouterId([10, 0, 0, 1].into()))
    });
    lab.announce_as(inside, &["10.9.0.0/24"], |it| {
        it.cluster_list = Box::new([RouterId([9, 9, 9, 9].into())])
    });
    assert_eq!(
        lab.table(),
        [
            "10.1.0.0/24 from ex via 10.0.0.3, path 65003 64512, AsLoop",
            "10.2.0.0/24 from ex via 10.0.0.3, path 65099, FirstAs",
            "10.3.0.0/24 from ex via 10.0.0.1, path 65003, NextHop",
            "10.4.0.0/24 from ex via 10.0.0.99, path 65003",
            "10.5.0.0/24 from again via 10.0.0.4, path 65004 64512",
            "10.6.0.0/24 from again via 10.0.0.4, path 65004 64512 64512, AsLoop",
            "10.7.0.0/24 from deaf via 10.0.0.5, path 65005, NoFilter",
            "10.8.0.0/24 from in via 10.0.0.2, by 10.0.0.1, OwnOriginator",
            "10.9.0.0/24 from in via 10.0.0.2, through 9.9.9.9, ClusterLoop",
        ]
    );
    assert_eq!(lab.heard(inside), ["10.4.0.0/24", "10.5.0.0/24"]);
    assert!(
        lab.heard(deaf).is_empty(),
        "without a filter an external peer is told nothing"
    );
}

#[test]
fn the_address_that_stands_for_us_is_no_next_hop_of_a_peer() {
    let yaml = "{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'], neighbours: [
        {name: in, address: 10.0.0.2, asn: 64512, connect: passive, families: {IPv4: {ownNextHop: 10.0.0.77}}}]}";
    let mut lab = Lab::new(yaml);
    let inside = lab.peer("10.0.0.2", open(64512, 2));
    lab.announce_as(inside, &["10.1.0.0/24"], |it| {
        it.next_hop = [10, 0, 0, 77].into()
    });
    assert_eq!(lab.table(), ["10.1.0.0/24 from in via 10.0.0.77, NextHop"]);
}

#[test]
fn a_change_of_how_often_our_own_as_may_be_in_a_path_asks_anew_of_what_is_held() {
    let mut lab = Lab::new(ONE);
    let again = lab.peer("10.0.0.4", open(65004, 4));
    lab.announce_as(again, &["10.5.0.0/24"], |it| {
        it.as_path = path(&[65004, 64512])
    });
    assert_eq!(
        lab.table(),
        ["10.5.0.0/24 from again via 10.0.0.4, path 65004 64512"]
    );
    lab.configure(&ONE.replace("allowOwnAsn: 1", "allowOwnAsn: 0"));
    assert_eq!(
        lab.table(),
        ["10.5.0.0/24 from again via 10.0.0.4, path 65004 64512, AsLoop"]
    );
    assert!(lab.is_open(again));
}

/// A speaker that believes and tells everything.
fn open_minded(node: u8, asn: u32, peers: &str) -> String {
    format!(
        "{{asn: {asn}, routerId: 10.0.0.{node}, filters: {{all: {{otherwise: accept}}}},
            neighbours: [{peers}]}}"
    )
}

#[test]
fn a_path_between_two_systems_has_their_numbers_and_their_next_hops() {
    let edge = "{name: two, address: 10.0.0.2, asn: 65002, import: all, export: all}";
    let inner = "{name: two, address: 10.0.0.2, asn: 65002, nextHop: own}";
    let peers = "{name: one, address: 10.0.0.1, asn: 65001, import: all, export: all},
        {name: three, address: 10.0.0.3, asn: 65002}";
    let mut world = World::new(&[
        (1, &open_minded(1, 65001, edge)),
        (2, &open_minded(2, 65002, peers)),
        (3, &open_minded(3, 65002, inner)),
    ]);
    world.announce(1, "{prefix: 10.1.0.0/24, med: 7}");
    world.announce(3, "{prefix: 10.3.0.0/24}");
    let by_one = "from two via 10.0.0.1, path 65001";
    assert_eq!(world.table(3), [format!("10.1.0.0/24 {by_one}")]);
    let back = "10.3.0.0/24 from two via 10.0.0.2, path 65002";
    assert_eq!(world.table(1), [back]);
    let own = peers.replace("asn: 65002}", "asn: 65002, nextHop: own}");
    world.configure(2, &open_minded(2, 65002, &own));
    let by_two = "from two via 10.0.0.2, path 65001";
    assert_eq!(world.table(3), [format!("10.1.0.0/24 {by_two}")]);
    assert_eq!(world.lost(2), 0, "a next hop ends no session");
}
