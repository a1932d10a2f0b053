//! As few messages as attributes and readers allow.

use crate::given::{add_path_clients, borders, clients, path, ranked, slash_24, version};
use crate::model::{Member, Offers, frames};
use bytes::Bytes;
use gingham_bgp::PeerId;
use gingham_bgp::attributes::{Attributes, Community};
use gingham_bgp::export::{Borders, Cursor, Group, Profile};
use std::net::{IpAddr, Ipv4Addr};

fn slices(cursor: &mut Cursor) -> Vec<Bytes> {
    std::iter::from_fn(|| cursor.next(1 << 16)).collect()
}

fn count(cursor: &mut Cursor) -> usize {
    slices(cursor).iter().map(|slice| frames(slice).len()).sum()
}

fn ten_thousand(profile: Profile) -> Group {
    let mut group = Group::new(profile);
    let one = version(1, 0);
    for index in 0..10_000 {
        group.offer(slash_24(index), &ranked(vec![one.clone()]));
    }
    group
}

#[test]
fn ten_thousand_prefixes_of_one_set_fill_eleven_messages() {
    let mut group = ten_thousand(clients());
    let mut reader = group.join(PeerId(2), Borders::default());
    let messages = count(&mut reader);
    assert!(messages <= 11, "{messages} messages");
}

#[test]
fn with_extended_messages_they_fill_one() {
    let mut profile = clients();
    profile.codec.max_length = u16::MAX;
    let mut group = ten_thousand(profile);
    let mut reader = group.join(PeerId(2), Borders::default());
    assert_eq!(count(&mut reader), 1);
}

#[test]
fn the_source_reads_nothing_and_others_read_in_few_slices() {
    let mut group = Group::new(clients());
    let mut cursors: Vec<Cursor> = (1..=2000)
        .map(|peer| group.join(PeerId(peer), Borders::default()))
        .collect();
    for peer in 1..=2000 {
        group.offer(slash_24(peer), &ranked(vec![version(peer, 0)]));
    }
    assert!(group.flush());
    assert!(!group.flush(), "news is told once");
    for cursor in &mut cursors {
        let slices = slices(cursor);
        assert!(slices.len() <= 5, "{} slices", slices.len());
        let told: usize = slices.iter().map(|slice| frames(slice).len()).sum();
        assert_eq!(told, 1999);
    }
}

#[test]
fn what_nets_out_is_not_told() {
    let mut group = Group::new(clients());
    let mut reader = group.join(PeerId(9), borders());
    assert_eq!(count(&mut reader), 1, "End-of-RIB of an empty table");
    group.offer(slash_24(1), &ranked(vec![version(1, 0)]));
    group.offer(slash_24(1), &ranked(vec![]));
    assert!(!group.flush());
    group.offer(slash_24(1), &ranked(vec![version(1, 0)]));
    assert!(group.flush());
    assert_eq!(count(&mut reader), 1);
    group.offer(slash_24(1), &ranked(vec![version(1, 7)]));
    group.offer(slash_24(1), &ranked(vec![version(1, 0)]));
    assert!(!group.flush());
    assert_eq!(group.len(), 1);
}

#[test]
fn a_path_that_gives_way_is_withdrawn_from_the_new_source_alone() {
    let mut group = Group::new(clients());
    let mut offers = Offers::default();
    let mut members: Vec<Member> = (1..=3)
        .map(|peer| {
            let cursor = group.join(PeerId(peer), Borders::default());
            Member::new(&group, PeerId(peer), cursor)
        })
        .collect();
    offers.offer(&mut group, slash_24(1), ranked(vec![version(1, 0)]));
    group.flush();
    members
        .iter_mut()
        .for_each(|member| member.read_all(&mut group));
    offers.offer(&mut group, slash_24(1), ranked(vec![version(2, 0)]));
    group.flush();
    let [first, second, third] = &mut members[..] else {
        panic!("three members");
    };
    assert_eq!(first.read(4096).map(|it| it.len()), Some(1));
    assert_eq!(second.read(4096), Some(vec![]), "a withdrawal");
    assert!(second.view().is_empty());
    assert_eq!(third.read(4096).map(|it| it.len()), Some(1));
    assert_eq!(third.read(4096), None, "no withdrawal before or after");
}

#[test]
fn numbers_of_paths_last_while_they_are_told() {
    let mut group = Group::new(add_path_clients(4));
    let ids = |group: &Group| -> Vec<(u32, IpAddr)> {
        let told = group.told();
        told.map(|(nlri, attributes)| (nlri.path_id, attributes.next_hop))
            .collect()
    };
    let mut told = |peers: &[u32]| {
        let paths = peers.iter().map(|peer| version(*peer, 0)).collect();
        group.offer(slash_24(1), &ranked(paths));
        group.flush();
        ids(&group)
    };
    let next_hop = |peer: u32| IpAddr::from(crate::given::address(peer));
    assert_eq!(told(&[5, 6]), [(1, next_hop(5)), (2, next_hop(6))]);
    assert_eq!(told(&[7, 6]), [(2, next_hop(6)), (3, next_hop(7))]);
    assert_eq!(
        told(&[6, 5, 7]),
        [(1, next_hop(5)), (2, next_hop(6)), (3, next_hop(7))]
    );
}

#[test]
fn paths_that_share_a_next_hop_are_told_once() {
    let mut group = Group::new(add_path_clients(4));
    let via = |peer| {
        path(
            peer,
            Attributes::originated(Ipv4Addr::new(10, 9, 9, 9).into()),
        )
    };
    group.offer(slash_24(1), &ranked(vec![via(1), via(2), version(3, 0)]));
    group.flush();
    assert_eq!(group.len(), 2);
}

#[test]
fn attributes_that_fit_into_no_message_are_withdrawn() {
    let mut group = Group::new(clients());
    let cursor = group.join(PeerId(9), Borders::default());
    let mut reader = Member::new(&group, PeerId(9), cursor);
    group.offer(slash_24(1), &ranked(vec![version(1, 0)]));
    group.flush();
    reader.read_all(&mut group);
    assert_eq!(reader.view().len(), 1);
    let mut long = Attributes::originated(crate::given::address(1).into());
    long.communities = (0..2000).map(Community).collect();
    group.offer(slash_24(1), &ranked(vec![path(1, long)]));
    group.flush();
    reader.read_all(&mut group);
    assert!(reader.view().is_empty());
    assert_eq!(group.len(), 0);
}
