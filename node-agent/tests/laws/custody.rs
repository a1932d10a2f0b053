//! Custody of blocks (law 17): what each rule says, and random histories against a naive model.

mod world;

use crate::make::{apply, block, cluster, edit_config, me};
use gingham_agent::cluster::Cluster;
use gingham_agent::custody::{
    Custody, Evidence, Look, Members, Paths, Situation, Verdict, judge, turn,
};
use gingham_agent::objects::Object;
use gingham_agent::store::{Inspected, Member, MemberEvent};
use gingham_model::{Block, BlockState, NodeName, Prefix};
use proptest::prelude::*;
use std::time::{Duration, Instant, SystemTime};
use world::{Act, World, acts};

const DELAY: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

fn name(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn of(node: &str, state: BlockState) -> Block {
    Block {
        state,
        ..block("10.64.1.0/24", node, &["10.1.0.9"])
    }
}

fn mirror(node: &str, state: BlockState) -> Block {
    Block {
        pool: "node-pod-cidrs".parse().unwrap(),
        ..of(node, state)
    }
}

fn members(nodes: &[(&str, &str)]) -> Members {
    let mut members = Members::default();
    for (node, uid) in nodes {
        members.apply(MemberEvent::Apply(name(node), (*uid).to_owned()));
    }
    members.apply(MemberEvent::Synced);
    members
}

/// What custody finds, by the only reflector of the zone.
fn look(custody: &mut Custody, (cluster, members): (&Cluster, &Members), now: Instant) -> Look {
    custody.look(&Situation {
        me: &name("m1"),
        reflectors: &[name("m1")],
        zone: &"z1".parse().unwrap(),
        cluster,
        complete: cluster.complete(&me()).unwrap(),
        members,
        now,
    })
}

/// What is to become of a block that nobody shows an owner of; `since` is how long ago it was
/// orphaned by its object, and `watched` by this reflector.
struct Story {
    block: Block,
    member: Option<Member>,
    since: Option<SystemTime>,
    watched: Duration,
    paths: Paths,
    wall: SystemTime,
}

impl Story {
    fn of(block: Block) -> Self {
        let wall = SystemTime::UNIX_EPOCH + 100 * DELAY;
        Story {
            block,
            member: None,
            since: Some(wall - DELAY),
            watched: DELAY,
            paths: Paths::None,
            wall,
        }
    }

    fn verdict(&self) -> Verdict {
        let found = Inspected {
            block: self.block.clone(),
            orphaned_since: self.since,
            version: "1".to_owned(),
        };
        judge(&Evidence {
            listed: &self.block,
            member: self.member.as_ref(),
            found: Some(&found),
            paths: &self.paths,
            watched: self.watched,
            delay: DELAY,
            wall: self.wall,
        })
    }
}

fn member(uid: &str, pod_cidrs: &[&str]) -> Option<Member> {
    Some(Member {
        name: name("w9"),
        uid: uid.to_owned(),
        pod_cidrs: pod_cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
    })
}

#[test]
fn a_block_whose_owner_no_list_shows_is_looked_into_and_others_are_not() {
    let blocks = [
        of("w9", BlockState::Active),
        block("10.64.2.0/24", "w8", &[]),
        block("10.64.3.0/24", "m1", &[]),
    ];
    let mut elsewhere = block("10.64.4.0/24", "w7", &[]);
    elsewhere.zone = "z2".parse().unwrap();
    let all: Vec<Block> = blocks.iter().cloned().chain([elsewhere]).collect();
    let (index, now) = (cluster(&all), Instant::now());
    let mut custody = Custody::default();
    let there = members(&[("w8", "of another life")]);
    let found = look(&mut custody, (&index, &there), now);
    assert_eq!(found.examine, blocks[..1]);
    let empty = Members::default();
    let none = look(&mut custody, (&index, &empty), now);
    assert_eq!(none.examine, [], "the list is not complete");
    let mut failed = there.clone();
    failed.apply(MemberEvent::Failed("denied".to_owned()));
    let none = look(&mut custody, (&index, &failed), now);
    assert_eq!(none.examine, [], "the list is not complete any more");
    assert_eq!(
        none.notices,
        ["custody waits: the Nodes of the zone cannot be listed: denied"]
    );
    let mut paused = index.clone();
    edit_config(&mut paused, |config| config.paused = true);
    let none = look(&mut custody, (&paused, &there), now);
    assert_eq!(none.examine, [], "an operator has stopped it");
}

#[test]
fn a_block_without_an_owner_is_orphaned_and_freed_after_its_delay() {
    let mut story = Story::of(of("w9", BlockState::Active));
    assert_eq!(story.verdict(), Verdict::Orphan);
    story.block.state = BlockState::Draining;
    assert_eq!(story.verdict(), Verdict::Orphan);
    story.block.state = BlockState::Orphaned;
    story.since = Some(story.wall - (DELAY - SECOND));
    assert_eq!(story.verdict(), Verdict::Wait(SECOND));
    story.since = Some(story.wall - DELAY);
    assert_eq!(story.verdict(), Verdict::Free);
}

#[test]
fn a_node_that_stands_elsewhere_or_is_back_under_its_name_keeps_its_blocks() {
    for state in [BlockState::Active, BlockState::Orphaned] {
        let mut story = Story::of(of("w9", state));
        for uid in ["uid-w9", "another"] {
            story.member = member(uid, &[]);
            assert_eq!(story.verdict(), Verdict::Lives, "{state:?} {uid}");
        }
    }
}

#[test]
fn a_time_that_is_missing_or_lies_ahead_starts_anew_and_no_jump_of_a_clock_frees() {
    let mut story = Story::of(of("w9", BlockState::Orphaned));
    story.since = None;
    assert_eq!(story.verdict(), Verdict::Orphan);
    story.since = Some(story.wall + DELAY);
    assert_eq!(story.verdict(), Verdict::Orphan);
    story.since = Some(story.wall + SECOND);
    assert_eq!(story.verdict(), Verdict::Wait(DELAY), "clocks differ a bit");
    story.since = Some(story.wall - 50 * DELAY);
    story.watched = Duration::ZERO;
    assert_eq!(
        story.verdict(),
        Verdict::Wait(DELAY),
        "the clock has jumped"
    );
}

#[test]
fn a_block_stays_while_a_path_of_its_owner_is_held_or_may_be() {
    let mut story = Story::of(of("w9", BlockState::Orphaned));
    for paths in [
        Paths::Live("w9".to_owned()),
        Paths::Stale("w9".to_owned()),
        Paths::Unknown("no speaker".to_owned()),
    ] {
        story.paths = paths;
        let verdict = story.verdict();
        assert!(matches!(verdict, Verdict::Held(_)), "{verdict:?}");
    }
}

#[test]
fn a_pod_cidr_is_freed_as_soon_as_its_owner_is_gone_or_has_another_and_is_not_heard_of() {
    let mut story = Story::of(mirror("w9", BlockState::Orphaned));
    (story.since, story.watched) = (Some(story.wall), Duration::ZERO);
    for owner in [None, member("another", &["10.64.2.0/24"])] {
        story.member = owner;
        assert_eq!(story.verdict(), Verdict::Free);
        story.paths = Paths::Stale("w9".to_owned());
        assert_eq!(story.verdict(), Verdict::Free);
        story.paths = Paths::Live("w9".to_owned());
        assert!(matches!(story.verdict(), Verdict::Held(_)));
        story.paths = Paths::None;
    }
    for owner in [
        member("another", &["10.64.1.0/24"]),
        member("uid-w9", &["10.64.2.0/24"]),
    ] {
        story.member = owner;
        assert_eq!(story.verdict(), Verdict::Lives);
    }
}

#[test]
fn a_node_registered_anew_is_asked_for_its_pod_cidrs_and_only_then() {
    let mut anew = mirror("w8", BlockState::Active);
    anew.cidr = "10.64.2.0/24".parse().unwrap();
    let index = cluster(&[of("w9", BlockState::Active), anew.clone()]);
    let there = members(&[("w9", "another"), ("w8", "another")]);
    let found = look(&mut Custody::default(), (&index, &there), Instant::now());
    assert_eq!(found.examine, [anew]);
}

/// So many nodes, each with a block, of which those from `gone` on have vanished.
fn crowd(all: u8, gone: u8) -> (Cluster, Members) {
    let node = |number: u8| format!("n{number}");
    let blocks = (0..all).map(|at| block(&format!("10.64.{at}.0/24"), &node(at), &[]));
    let there: Vec<(String, String)> = (0..gone)
        .map(|at| (node(at), format!("uid-n{at}")))
        .collect();
    let there: Vec<(&str, &str)> = there.iter().map(|(a, b)| (&**a, &**b)).collect();
    (cluster(&blocks.collect::<Vec<_>>()), members(&there))
}

#[test]
fn many_nodes_that_vanish_at_once_must_stay_so() {
    let now = Instant::now();
    let (index, few) = crowd(200, 180);
    let mut custody = Custody::default();
    let found = look(&mut custody, (&index, &few), now);
    assert_eq!(found.examine.len(), 16, "20 of 200, in portions");
    assert_eq!(found.notices, [""; 0]);

    let (index, many) = crowd(50, 39);
    let mut custody = Custody::default();
    let found = look(&mut custody, (&index, &many), now);
    assert_eq!(found.examine, []);
    let said = "custody: 11 of 50 nodes of zone z1 vanished at once; their blocks stay theirs \
                until that has lasted 300 s";
    assert_eq!(found.notices, [said]);
    let again = found.again.unwrap();
    assert_eq!(again, now + Duration::from_secs(300));
    let lasted = look(&mut custody, (&index, &many), again);
    assert_eq!((lasted.examine.len(), lasted.notices.len()), (11, 0));

    let mut custody = Custody::default();
    look(&mut custody, (&index, &many), now);
    let (_, whole) = crowd(50, 50);
    look(&mut custody, (&index, &whole), now + SECOND);
    let found = look(&mut custody, (&index, &many), again);
    assert_eq!(found.examine, [], "they were there in between");
}

#[test]
fn what_was_orphaned_before_a_reflector_started_is_no_mass_removal() {
    let (mut index, _) = crowd(50, 0);
    let blocks: Vec<Block> = index.blocks().cloned().collect();
    for block in blocks {
        let state = BlockState::Orphaned;
        index.apply(apply(Object::Block(Block { state, ..block })));
    }
    let gone = members(&[]);
    let found = look(&mut Custody::default(), (&index, &gone), Instant::now());
    assert_eq!((found.examine.len(), found.notices.len()), (16, 0));
    assert_eq!(found.orphaned, 50);
}

#[test]
fn each_block_has_an_order_of_the_reflectors_and_each_reflector_has_its_part() {
    let reflectors: Vec<NodeName> = ["m1", "m2", "m3"].map(name).into();
    let mut first = [0; 3];
    for at in 0..60u8 {
        let cidr: Prefix = format!("10.64.{at}.0/24").parse().unwrap();
        let turns = reflectors
            .iter()
            .map(|me| turn(cidr, me, reflectors.iter()));
        let turns: Vec<u32> = turns.collect();
        let mut sorted = turns.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2]);
        first[turns.iter().position(|turn| *turn == 0).unwrap()] += 1;
    }
    assert!(first.iter().all(|part| *part > 5), "{first:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The world checks at every deed that it is right; in the end everything is to be done.
    #[test]
    fn no_block_is_freed_early_and_each_in_the_end(acts in acts()) {
        let mut world = World::new();
        for act in acts {
            world.act(&act)?;
        }
        world.calm_down()?;
        let left = world.blocks_of_gone_nodes();
        prop_assert!(left.is_empty(), "{left:?}");
    }
}

/// The model itself: a history that is known to end well does.
#[test]
fn a_node_that_vanishes_in_the_model_loses_its_blocks() {
    let mut world = World::new();
    world.act(&Act::Vanish(0)).unwrap();
    assert_eq!(world.blocks_of_gone_nodes().len(), 2);
    world.act(&Act::Pass(world::DELAY / 2)).unwrap();
    assert_eq!(world.blocks_of_gone_nodes().len(), 2);
    world.calm_down().unwrap();
    assert!(world.blocks_of_gone_nodes().is_empty());
    assert!(world.freed > 0);
}
