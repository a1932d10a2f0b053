//! Law: whatever happens in whatever order, a member that has read all knows what the naive model says,
//! was never told anything else, and knows the table exactly when it is told that this was all.

use crate::given::{accept, add_path_clients, borders, clients, ranked, slash_24, version};
use crate::model::{Member, Offers, View};
use gingham_bgp::PeerId;
use gingham_bgp::export::{Group, Profile};
use gingham_bgp::policy::{Filter, PrefixRange, Rule, Verdict};
use gingham_bgp::rib::Path;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const PEERS: u32 = 5;
const PREFIXES: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// To this prefix there are these paths: peer and version.
    Offer(u32, Vec<(u32, u32)>),
    Flush,
    Shed,
    /// A peer comes, or asks for everything again.
    Join(u32),
    /// A peer moves to the other group.
    Move(u32),
    /// A peer goes, and knows nothing when it is back.
    Leave(u32),
    /// A peer reads so many slices of so many octets.
    Read(u32, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 1..=PEERS;
    let paths = vec((0..=PEERS, 0..3u32), 0..4);
    prop_oneof![
        8 => (0..PREFIXES, paths).prop_map(|(prefix, paths)| Step::Offer(prefix, paths)),
        4 => Just(Step::Flush),
        2 => Just(Step::Shed),
        2 => peer.clone().prop_map(Step::Join),
        1 => peer.clone().prop_map(Step::Move),
        1 => peer.clone().prop_map(Step::Leave),
        6 => (peer, 1..4usize, 1..300usize).prop_map(|(peer, slices, max)| Step::Read(peer, slices, max)),
    ]
}

/// Two groups of peers, one of which hears of every other prefix only.
struct World {
    groups: [Group; 2],
    offers: Offers,
    members: BTreeMap<u32, Seat>,
}

/// A member, its group, and what it must know when the border behind its table is read.
struct Seat {
    member: Member,
    group: usize,
    ends: usize,
    view: View,
}

impl World {
    fn new(profile: Profile, least_held: usize) -> Self {
        let picky = Profile {
            filter: Some(Arc::new(even())),
            ..profile.clone()
        };
        let group = |profile| Group::new(profile).with_least_held(least_held);
        World {
            groups: [profile, picky].map(group),
            offers: Offers::default(),
            members: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Offer(prefix, paths) => {
                let selection = ranked(distinct(paths));
                for group in &mut self.groups {
                    group.offer(slash_24(prefix), &selection);
                }
                self.offers.note(slash_24(prefix), selection);
            }
            Step::Flush => self.groups.iter_mut().for_each(|group| {
                group.flush();
            }),
            Step::Shed => self.groups.iter_mut().for_each(Group::shed),
            Step::Join(peer) => self.join(peer),
            Step::Move(peer) => self.change_group(peer),
            Step::Leave(peer) => {
                if let Some(mut seat) = self.members.remove(&peer) {
                    self.groups[seat.group].leave(PeerId(peer));
                    assert_eq!(seat.member.cursor.next(usize::MAX), None);
                }
            }
            Step::Read(peer, slices, max) => (0..slices).for_each(|_| self.read(peer, max)),
        }
    }

    fn join(&mut self, peer: u32) {
        let known = self.members.remove(&peer);
        let group = known.as_ref().map_or(0, |seat| seat.group);
        let cursor = self.groups[group].join(PeerId(peer), borders());
        let member = match known {
            Some(Seat { mut member, .. }) => {
                member.cursor = cursor;
                member
            }
            None => Member::new(&self.groups[group], PeerId(peer), cursor),
        };
        self.seat(member, group);
    }

    fn change_group(&mut self, peer: u32) {
        let Some(Seat {
            mut member, group, ..
        }) = self.members.remove(&peer)
        else {
            return;
        };
        let [first, second] = &mut self.groups;
        let (from, to) = if group == 0 {
            (first, second)
        } else {
            (second, first)
        };
        member.cursor = to.join_from(from, PeerId(peer), borders());
        self.seat(member, 1 - group);
    }

    fn seat(&mut self, member: Member, group: usize) {
        let view = self.offers.view(self.groups[group].profile(), member.peer);
        let seat = Seat {
            group,
            ends: member.ends + 1,
            view,
            member,
        };
        self.members.insert(seat.member.peer.0, seat);
    }

    fn read(&mut self, peer: u32, max: usize) {
        let Some(seat) = self.members.get_mut(&peer) else {
            return;
        };
        let group = &mut self.groups[seat.group];
        let member = &mut seat.member;
        if member.cursor.is_cut_off() {
            group.catch_up(&mut member.cursor);
            seat.view = self.offers.view(group.profile(), member.peer);
        }
        let before = member.ends;
        let announced = member.read(max.max(40)).unwrap_or_default();
        for (prefix, attributes) in &announced {
            let said = (*prefix, attributes);
            assert!(self.offers.ever(group.profile(), member.peer, said));
        }
        if member.ends > before {
            assert_eq!(member.ends, seat.ends, "one border for one table");
            assert_eq!(member.view(), seat.view, "at the end of the table");
        }
    }

    fn settle(&mut self) {
        for group in &mut self.groups {
            group.flush();
            assert_eq!(group.told().count(), group.len());
        }
        for seat in self.members.values_mut() {
            let group = &mut self.groups[seat.group];
            let member = &mut seat.member;
            member.read_all(group);
            assert_eq!(
                member.view(),
                self.offers.view(group.profile(), member.peer)
            );
            assert_eq!(member.ends, seat.ends);
            let told = group.told_to(member.peer).map(|(nlri, _)| nlri);
            assert!(told.eq(member.nlri()));
        }
    }
}

/// Accepts every other prefix.
fn even() -> Filter {
    let prefixes = (0..PREFIXES).step_by(2).map(|index| PrefixRange {
        prefix: slash_24(index),
        min_length: None,
        max_length: None,
    });
    Filter {
        rules: vec![Rule {
            prefixes: prefixes.collect(),
            ..accept("even", vec![])
        }],
        otherwise: Verdict::Reject,
        next: None,
    }
}

/// One path per peer; peer 0 is ourselves.
fn distinct(paths: Vec<(u32, u32)>) -> Vec<Path> {
    let mut seen = Vec::new();
    let mut once = |peer: u32| {
        let new = !seen.contains(&peer);
        seen.push(peer);
        new
    };
    let paths = paths.into_iter().filter(|(peer, _)| once(*peer));
    paths.map(|(peer, med)| version(peer, med)).collect()
}

fn run(profile: Profile, least_held: usize, steps: Vec<Step>) {
    let mut world = World::new(profile, least_held);
    for (index, step) in steps.into_iter().enumerate() {
        world.take(step);
        if index % 40 == 39 {
            world.settle();
        }
    }
    world.settle();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn members_know_the_best_paths(steps in vec(step(), 1..150)) {
        run(clients(), 4 << 20, steps);
    }

    #[test]
    fn members_that_are_cut_off_know_them_too(steps in vec(step(), 1..150)) {
        run(clients(), 0, steps);
    }

    #[test]
    fn members_know_several_paths(steps in vec(step(), 1..150), paths in 1..4u8) {
        run(add_path_clients(paths), 4 << 20, steps);
    }

    #[test]
    fn members_that_are_cut_off_know_several(steps in vec(step(), 1..150), paths in 1..4u8) {
        run(add_path_clients(paths), 0, steps);
    }
}
