//! Joining, joining again, and coming back.

use crate::given::{borders, clients, end_of_rib, ranked, slash_24, version};
use crate::model::{Member, Offers};
use gingham_bgp::PeerId;
use gingham_bgp::export::{Borders, Group};
use gingham_bgp::wire::{RefreshPart, encode_refresh};
use gingham_model::Family;

#[test]
fn borders_stand_around_the_table_and_before_anything_later() {
    let mut group = Group::new(clients());
    group.offer(slash_24(1), &ranked(vec![version(1, 0)]));
    let borders = Borders {
        before: Some(encode_refresh(Family::V4, RefreshPart::Begin)),
        after: Some(encode_refresh(Family::V4, RefreshPart::End)),
    };
    let mut cursor = group.join(PeerId(9), borders.clone());
    assert!(group.flush(), "what joining packed is news for the others");
    group.offer(slash_24(2), &ranked(vec![version(2, 0)]));
    group.flush();
    let read: Vec<_> = std::iter::from_fn(|| cursor.next(usize::MAX)).collect();
    assert_eq!(read.len(), 4);
    assert_eq!(Some(&read[0]), borders.before.as_ref());
    assert_eq!(Some(&read[2]), borders.after.as_ref());
}

#[test]
fn an_empty_table_is_its_borders() {
    let mut group = Group::new(clients());
    let mut cursor = group.join(PeerId(9), borders());
    assert_eq!(cursor.next(1), Some(end_of_rib()));
    assert_eq!(cursor.next(1), None);
    assert!(!group.flush());
}

#[test]
fn a_table_that_was_only_added_to_is_not_packed_again() {
    let mut group = Group::new(clients());
    for index in 0..1000 {
        group.offer(slash_24(index), &ranked(vec![version(1 + index, 0)]));
    }
    group.join(PeerId(1), borders());
    let held = group.held();
    for peer in 2..100 {
        group.join(PeerId(peer), borders());
    }
    assert_eq!(group.held(), held);
}

#[test]
fn a_table_that_was_changed_is_packed_once_for_all() {
    let mut group = Group::new(clients());
    for round in 0..5 {
        for index in 0..1000 {
            group.offer(slash_24(index), &ranked(vec![version(1 + index, round)]));
        }
        group.flush();
    }
    let cursors: Vec<_> = (1..100)
        .map(|peer| group.join(PeerId(peer), borders()))
        .collect();
    assert!(group.held() < 200_000, "{}", group.held());
    drop(cursors);
}

#[test]
fn who_asks_again_is_first_told_what_went_unread() {
    let mut group = Group::new(clients());
    let mut offers = Offers::default();
    for index in 0..10 {
        offers.offer(&mut group, slash_24(index), ranked(vec![version(1, 0)]));
    }
    let cursor = group.join(PeerId(9), borders());
    let mut member = Member::new(&group, PeerId(9), cursor);
    member.read_all(&mut group);
    assert_eq!(member.view().len(), 10);
    offers.offer(&mut group, slash_24(3), ranked(vec![]));
    offers.offer(&mut group, slash_24(4), ranked(vec![version(9, 0)]));
    group.flush();
    let mut again = group.join(PeerId(9), borders());
    std::mem::swap(&mut member.cursor, &mut again);
    assert_eq!(again.next(usize::MAX), None, "the cursor before has ended");
    member.read_all(&mut group);
    assert_eq!(member.view(), offers.view(group.profile(), PeerId(9)));
    assert_eq!(member.ends, 2);
}

#[test]
fn a_member_that_left_reads_nothing_and_a_dropped_group_still_serves() {
    let mut group = Group::new(clients());
    group.offer(slash_24(1), &ranked(vec![version(1, 0)]));
    let mut gone = group.join(PeerId(8), borders());
    let mut there = group.join(PeerId(9), borders());
    assert!(!group.is_empty());
    group.leave(PeerId(8));
    group.catch_up(&mut gone);
    assert_eq!(gone.next(usize::MAX), None);
    assert!(!gone.is_cut_off());
    drop(group);
    assert!(there.next(usize::MAX).is_some());
    assert_eq!(there.next(usize::MAX), Some(end_of_rib()));
}
