//! Memory is bounded by the table, whatever members do.

use crate::given::{borders, clients, ranked, slash_24, version};
use crate::model::{Member, Offers};
use gingham_bgp::PeerId;
use gingham_bgp::export::{Borders, Group};
use std::thread;

const TABLE: u32 = 1000;
/// More than one encoded table with its index.
const TABLE_OCTETS: usize = TABLE as usize * 100;
const LEAST_HELD: usize = 1 << 20;

#[test]
fn a_stuck_member_holds_no_more_than_the_bound() {
    let mut group = Group::new(clients()).with_least_held(LEAST_HELD);
    let mut offers = Offers::default();
    let join = |group: &mut Group, peer: u32| {
        let cursor = group.join(PeerId(peer), borders());
        Member::new(group, PeerId(peer), cursor)
    };
    let mut reader = join(&mut group, TABLE + 1);
    let mut stuck = join(&mut group, TABLE + 2);
    let mut late = None;
    for round in 0..60 {
        for peer in 1..=TABLE {
            // A part of the prefixes comes and goes.
            let paths = match (peer + round) % 7 {
                0 => vec![],
                _ => vec![version(peer, round)],
            };
            offers.offer(&mut group, slash_24(peer), ranked(paths));
        }
        group.flush();
        group.shed();
        reader.read_all(&mut group);
        assert!(
            group.held() <= LEAST_HELD + TABLE_OCTETS,
            "{}",
            group.held()
        );
        if round == 30 {
            late = Some(join(&mut group, TABLE + 3));
        }
    }
    assert!(stuck.cursor.is_cut_off());
    assert!(!reader.cursor.is_cut_off());
    for member in [&mut stuck, &mut reader, late.as_mut().unwrap()] {
        member.read_all(&mut group);
        assert!(member.view() == offers.view(group.profile(), member.peer));
        assert_eq!(member.ends, 1);
    }
    group.shed();
    assert!(group.held() <= 2 * TABLE_OCTETS, "{}", group.held());
}

#[test]
fn a_log_that_everybody_read_is_gone() {
    let mut group = Group::new(clients());
    let mut cursor = group.join(PeerId(9), Borders::default());
    for round in 0..10_000 {
        group.offer(slash_24(1), &ranked(vec![version(1, round)]));
        group.flush();
        while cursor.next(usize::MAX).is_some() {}
    }
    assert!(group.held() < 4096, "{}", group.held());
}

#[test]
fn a_long_chain_goes_without_recursion() {
    let mut group = Group::new(clients()).with_least_held(usize::MAX);
    let cursor = group.join(PeerId(9), Borders::default());
    for round in 0..50_000 {
        group.offer(slash_24(1), &ranked(vec![version(1, round)]));
        group.flush();
    }
    drop(cursor);
    group.leave(PeerId(9));
    assert!(group.held() < 4096, "{}", group.held());
}

#[test]
fn members_read_in_other_threads_while_the_group_goes_on() {
    let mut group = Group::new(clients()).with_least_held(0);
    let mut offers = Offers::default();
    let members: Vec<Member> = (1..=4)
        .map(|peer| {
            let cursor = group.join(PeerId(peer), borders());
            Member::new(&group, PeerId(peer), cursor)
        })
        .collect();
    let mut members = thread::scope(|scope| {
        let readers: Vec<_> = members
            .into_iter()
            .map(|mut member| {
                scope.spawn(move || {
                    while !member.cursor.is_cut_off() && member.ends == 0 {
                        member.read(200);
                    }
                    for _ in 0..20_000 {
                        member.read(200);
                    }
                    member
                })
            })
            .collect();
        for round in 0..2000 {
            let selection = ranked(vec![version(round % 6, round)]);
            offers.offer(&mut group, slash_24(round % 16), selection);
            group.flush();
            group.shed();
        }
        let joined: Vec<Member> = readers.into_iter().map(|it| it.join().unwrap()).collect();
        joined
    });
    for member in &mut members {
        member.read_all(&mut group);
        assert_eq!(member.view(), offers.view(group.profile(), member.peer));
    }
}
