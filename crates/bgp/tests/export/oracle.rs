//! Law: whatever happens in whatever order, a member that has read all knows what the naive model says,
//! was never told anything else, and knows the table exactly when it is told that this was all.

use crate::given::{add_path_clients, borders, clients, ranked, slash_24, version};
use crate::model::{Member, Offers, View};
use gingham_bgp::PeerId;
use gingham_bgp::export::{Group, Profile};
use gingham_bgp::rib::Path;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

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
        1 => peer.clone().prop_map(Step::Leave),
        6 => (peer, 1..4usize, 1..300usize).prop_map(|(peer, slices, max)| Step::Read(peer, slices, max)),
    ]
}

struct World {
    group: Group,
    offers: Offers,
    members: BTreeMap<u32, (Member, Expected)>,
}

/// What a member must know when the border behind its table is read.
struct Expected {
    ends: usize,
    view: View,
}

impl World {
    fn new(profile: Profile, least_held: usize) -> Self {
        World {
            group: Group::new(profile).with_least_held(least_held),
            offers: Offers::default(),
            members: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Offer(prefix, paths) => {
                let selection = ranked(distinct(paths));
                self.offers
                    .offer(&mut self.group, slash_24(prefix), selection);
            }
            Step::Flush => {
                self.group.flush();
            }
            Step::Shed => self.group.shed(),
            Step::Join(peer) => self.join(peer),
            Step::Leave(peer) => {
                self.group.leave(PeerId(peer));
                if let Some((mut member, _)) = self.members.remove(&peer) {
                    assert_eq!(member.cursor.next(usize::MAX), None);
                }
            }
            Step::Read(peer, slices, max) => (0..slices).for_each(|_| self.read(peer, max)),
        }
    }

    fn join(&mut self, peer: u32) {
        let cursor = self.group.join(PeerId(peer), borders());
        let view = self.offers.view(self.group.profile(), PeerId(peer));
        let member = match self.members.remove(&peer) {
            Some((mut known, _)) => {
                known.cursor = cursor;
                known
            }
            None => Member::new(&self.group, PeerId(peer), cursor),
        };
        let ends = member.ends + 1;
        self.members.insert(peer, (member, Expected { ends, view }));
    }

    fn read(&mut self, peer: u32, max: usize) {
        let Some((member, expected)) = self.members.get_mut(&peer) else {
            return;
        };
        if member.cursor.is_cut_off() {
            self.group.catch_up(&mut member.cursor);
            expected.view = self.offers.view(self.group.profile(), member.peer);
        }
        let before = member.ends;
        let announced = member.read(max.max(40)).unwrap_or_default();
        for (prefix, attributes) in &announced {
            let said = (*prefix, attributes);
            assert!(self.offers.ever(self.group.profile(), member.peer, said));
        }
        if member.ends > before {
            assert_eq!(member.ends, expected.ends, "one border for one table");
            assert_eq!(member.view(), expected.view, "at the end of the table");
        }
    }

    fn settle(&mut self) {
        self.group.flush();
        for (member, expected) in self.members.values_mut() {
            member.read_all(&mut self.group);
            let wanted = self.offers.view(self.group.profile(), member.peer);
            assert_eq!(member.view(), wanted);
            assert_eq!(member.ends, expected.ends);
        }
        let told: usize = self.group.told().count();
        assert_eq!(told, self.group.len());
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
