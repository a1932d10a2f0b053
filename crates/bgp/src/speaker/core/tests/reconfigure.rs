//! Another configuration: only those it concerns notice, and only what changed is told.

use super::lab::{Lab, open, restarting};
use super::reflection::client;
use super::world::{World, prefix};
use crate::session::ConnectionId;

const ONE: &str = "{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'], multipath: 4,
    filters: {in: {otherwise: accept}, out: {otherwise: accept}}, neighbours: [
    {name: two, address: 10.0.0.2, asn: 64512, role: client, connect: passive, import: in},
    {name: three, address: 10.0.0.3, asn: 64512, role: client, connect: passive, export: out},
    {name: four, address: 10.0.0.4, asn: 64512, role: client, connect: passive}],
    announce: [{prefix: 10.1.0.0/24}, {prefix: 10.1.1.0/24}]}";

/// A filter that lets everything pass but 10.2.0.0/24.
const BUT_ONE: &str =
    "{rules: [{name: not, prefixes: [{prefix: 10.2.0.0/24}], then: reject}], otherwise: accept}";

fn lab() -> (Lab, [ConnectionId; 3]) {
    let mut lab = Lab::new(ONE);
    let peers = [2, 3, 4].map(|node| lab.peer(&format!("10.0.0.{node}"), open(64512, node)));
    lab.announce(peers[0], &["10.2.0.0/24", "10.3.0.0/24"]);
    forget(&mut lab, peers);
    (lab, peers)
}

fn forget(lab: &mut Lab, peers: [ConnectionId; 3]) {
    for peer in peers {
        lab.heard(peer);
    }
}

fn all_open(lab: &Lab, peers: [ConnectionId; 3]) -> bool {
    peers.iter().all(|peer| lab.is_open(*peer))
}

#[test]
fn the_same_again_is_noticed_by_nobody() {
    let (mut lab, peers) = lab();
    lab.configure(ONE);
    assert!(all_open(&lab, peers));
    for peer in peers {
        assert!(lab.heard(peer).is_empty());
    }
}

#[test]
fn an_import_filter_looks_anew_at_what_is_held() {
    let (mut lab, peers) = lab();
    lab.configure(&ONE.replace("in: {otherwise: accept}", &format!("in: {BUT_ONE}")));
    assert!(all_open(&lab, peers));
    assert_eq!(
        lab.table()[0],
        "10.2.0.0/24 from two via 10.0.0.2, Filter(Some(\"not\"))"
    );
    assert_eq!(lab.heard(peers[1]), ["not 10.2.0.0/24"]);
    assert_eq!(lab.heard(peers[2]), ["not 10.2.0.0/24"]);
    lab.configure(ONE);
    assert_eq!(lab.heard(peers[1]), ["10.2.0.0/24"]);
    assert!(lab.heard(peers[0]).is_empty());
}

#[test]
fn an_import_filter_looks_at_what_is_kept_of_a_peer_that_is_away() {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, false));
    lab.announce(two, &["10.2.0.0/24"]);
    lab.lose(two);
    lab.configure(&ONE.replace("in: {otherwise: accept}", &format!("in: {BUT_ONE}")));
    assert_eq!(
        lab.table(),
        ["10.2.0.0/24 from two via 10.0.0.2, Stale, Filter(Some(\"not\"))"]
    );
}

#[test]
fn an_export_filter_takes_back_what_it_stops() {
    let (mut lab, peers) = lab();
    lab.configure(&ONE.replace("out: {otherwise: accept}", &format!("out: {BUT_ONE}")));
    assert!(all_open(&lab, peers));
    let mut told = lab.heard(peers[1]);
    assert_eq!(told.remove(0), "not 10.2.0.0/24");
    assert_eq!(told, ["10.1.0.0/24", "10.1.1.0/24", "10.3.0.0/24"]);
    assert!(lab.heard(peers[0]).is_empty() && lab.heard(peers[2]).is_empty());
    // The same filter by another name is no news.
    let renamed = ONE.replace("out: {otherwise: accept}", &format!("other: {BUT_ONE}"));
    lab.configure(&renamed.replace("export: out", "export: other"));
    assert!(lab.heard(peers[1]).is_empty());
}

#[test]
fn a_filter_follows_its_peer_through_a_refresh_it_asked_for() {
    let (mut lab, peers) = lab();
    lab.refresh(peers[1], crate::wire::RefreshPart::Request);
    lab.configure(&ONE.replace("out: {otherwise: accept}", &format!("out: {BUT_ONE}")));
    let told = lab.heard(peers[1]);
    let last = told.iter().rev().find(|line| line.contains("10.2.0.0/24"));
    assert_eq!(
        last.map(String::as_str),
        Some("not 10.2.0.0/24"),
        "{told:?}"
    );
}

#[test]
fn another_cluster_is_told_to_those_who_are_reflected_to() {
    let (mut lab, peers) = lab();
    lab.configure(&ONE.replace("multipath: 4", "multipath: 4, clusterId: 9.9.9.9"));
    assert!(all_open(&lab, peers));
    assert_eq!(lab.heard(peers[1]).len(), 4);
}

#[test]
fn announcements_are_compared_one_by_one() {
    let (mut lab, peers) = lab();
    let other = "{prefix: 10.1.1.0/24, med: 5}, {prefix: 10.1.2.0/24}]}";
    lab.configure(&ONE.replace("{prefix: 10.1.0.0/24}, {prefix: 10.1.1.0/24}]}", other));
    let mut told = lab.heard(peers[0]);
    told.sort();
    assert_eq!(told, ["10.1.1.0/24", "10.1.2.0/24", "not 10.1.0.0/24"]);
}

#[test]
fn more_paths_may_share_the_load_from_now_on() {
    let (mut lab, peers) = lab();
    lab.announce(peers[2], &["10.2.0.0/24"]);
    let shares = |lab: &Lab| {
        lab.core
            .rib
            .select(prefix("10.2.0.0/24"))
            .multipath()
            .count()
    };
    assert_eq!(shares(&lab), 2);
    lab.configure(&ONE.replace("multipath: 4", "multipath: 1"));
    assert_eq!(shares(&lab), 1);
}

#[test]
fn neighbours_come_and_go_while_others_notice_nothing() {
    let one = |peers: &[u8]| {
        let peers: Vec<String> = peers
            .iter()
            .map(|node| {
                format!("{{name: n{node}, address: 10.0.0.{node}, asn: 64512, role: client}}")
            })
            .collect();
        format!(
            "{{asn: 64512, routerId: 10.0.0.1, neighbours: [{}]}}",
            peers.join(", ")
        )
    };
    let clients: Vec<String> = [2, 3, 4].map(client).into();
    let mut world = World::new(&[
        (1, &one(&[2, 3])),
        (2, &clients[0]),
        (3, &clients[1]),
        (4, &clients[2]),
    ]);
    for node in [2, 3, 4] {
        world.announce(node, &format!("{{prefix: 10.{node}.0.0/24}}"));
    }
    let before = world.updates(2, "one");
    world.configure(1, &one(&[2, 4]));
    world.run(20);
    assert_eq!(
        world.table(1),
        [
            "10.2.0.0/24 from n2 via 10.0.0.2",
            "10.4.0.0/24 from n4 via 10.0.0.4"
        ]
    );
    assert_eq!(world.lost(2), 0);
    assert_eq!(
        world.updates(2, "one"),
        before + 2,
        "one prefix goes, one comes"
    );
    assert!(!world.is_up(3, "one"));
    // What only a new session can follow ends that one, and it comes back.
    world.configure(
        1,
        &one(&[2, 4]).replace("10.0.0.4, asn", "10.0.0.4, holdSeconds: 30, asn"),
    );
    world.run(10);
    assert_eq!((world.lost(2), world.lost(4)), (0, 1));
    assert!(world.is_up(4, "one"));
}
