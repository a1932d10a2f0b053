use crate::make::{apply, block, cluster, me, planned, pool};
use gingham_agent::claim::{self, Step, Unlisted};
use gingham_agent::cluster::Cluster;
use gingham_agent::config::RoutingConfig;
use gingham_agent::give_back::{GiveBack, Holding, Situation, TOLD, Waiting, give_back};
use gingham_agent::objects::{Kind, Object};
use gingham_agent::store::Event;
use gingham_ipam::{NodeBlockState, Usage, capacity};
use gingham_model::{Block, BlockState, Family, Prefix};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const V6: &str = "fd00:10::/122";

/// How long a block must have been empty where nothing else is said.
fn empty_block() -> Duration {
    RoutingConfig::default().empty_block
}

fn own(cidr: &str, state: BlockState) -> Block {
    Block {
        state,
        ..block(cidr, "w1", &["10.1.0.1", "fd00:1::1"])
    }
}

/// A node with these Active IPv4 blocks, and an IPv6 one.
fn with_active(cidrs: &[&str]) -> Cluster {
    let all = cidrs.iter().chain([&V6]);
    let blocks: Vec<Block> = all.map(|cidr| own(cidr, BlockState::Active)).collect();
    cluster(&blocks)
}

/// Writes a block, as the store would show it.
fn put(index: &mut Cluster, block: Block) {
    index.apply(apply(Object::Block(block)));
}

/// How many addresses of which block are pods'.
type Held = BTreeMap<Prefix, u64>;

fn held(blocks: &[(&str, u64)]) -> Held {
    let parsed = blocks.iter().map(|(cidr, n)| (cidr.parse().unwrap(), *n));
    parsed.collect()
}

/// What the agent knows while pods hold so many addresses of each block.
fn holding(index: &Cluster, held: &Held) -> Holding {
    let told = planned(index).node_state.unwrap();
    let mut usage: BTreeMap<Family, Usage> = BTreeMap::new();
    let active = |state| state == NodeBlockState::Active;
    for block in told.blocks.iter().filter(|block| active(block.state)) {
        let held = held.get(&block.cidr).copied().unwrap_or_default();
        let of_family = usage.entry(block.cidr.family()).or_default();
        of_family.capacity += capacity(block.cidr);
        of_family.held += held;
        of_family.free += capacity(block.cidr) - held;
    }
    let blocks = told.blocks.iter().map(|block| block.cidr);
    let in_use = blocks.filter(|cidr| held.get(cidr).is_some_and(|held| *held > 0));
    Holding {
        usage,
        in_use: in_use.collect(),
        told,
    }
}

/// One agent over time.
struct Story {
    held: Held,
    waiting: Waiting,
    now: Instant,
}

impl Story {
    fn of(held: Held) -> Self {
        Story {
            held,
            waiting: Waiting::default(),
            now: Instant::now(),
        }
    }

    /// What is decided once `pause` has passed.
    fn after(&mut self, pause: Duration, index: &Cluster) -> Vec<GiveBack> {
        self.now += pause;
        let holding = holding(index, &self.held);
        self.waiting.observe(Some(&holding), self.now);
        give_back(&Situation {
            me: &me(),
            cluster: index,
            complete: index.complete(&me()).unwrap(),
            holding: &holding,
            waiting: &self.waiting,
            now: self.now,
        })
    }
}

#[test]
fn a_draining_block_goes_once_it_is_empty_and_the_plugin_knows() {
    let first = own("10.64.0.0/26", BlockState::Draining);
    let mut index = with_active(&["10.64.0.64/26"]);
    put(&mut index, first.clone());
    let release = [GiveBack::Release(first.clone())];

    let mut story = Story::of(held(&[("10.64.0.0/26", 1)]));
    assert_eq!(story.after(Duration::ZERO, &index), []);
    assert_eq!(story.after(2 * empty_block(), &index), [], "a pod has it");
    story.held.clear();
    assert_eq!(story.after(Duration::ZERO, &index), []);
    let second = Duration::from_secs(1);
    assert_eq!(story.after(empty_block() - second, &index), []);
    assert_eq!(story.after(second, &index), release);

    let at_once = RoutingConfig {
        empty_block: Duration::ZERO,
        ..RoutingConfig::default()
    };
    index.apply(apply(Object::Config(at_once)));
    let mut story = Story::of(held(&[]));
    assert_eq!(story.after(Duration::ZERO, &index), []);
    assert_eq!(story.after(TOLD - second, &index), []);
    assert_eq!(story.after(second, &index), release);
    story.waiting.observe(None, story.now);
    assert_eq!(
        story.after(second, &index),
        [],
        "what is not known counts anew"
    );

    index.apply(Event::Delete(Kind::Block, Block::object_name(first.cidr)));
    assert_eq!(story.after(TOLD, &index), []);
}

#[test]
fn a_drain_of_a_pools_cidr_can_be_taken_back_until_the_block_goes() {
    let mut index = with_active(&["10.64.0.0/26", "10.65.0.0/26"]);
    let cidrs = |state| {
        let cidrs = [
            ("10.64.0.0/16", state),
            ("10.65.0.0/16", "Active"),
            ("fd00:10::/48", "Active"),
        ];
        apply(pool("z1", &cidrs))
    };
    index.apply(cidrs("Draining"));
    let mut story = Story::of(held(&[("10.65.0.0/26", 40)]));
    assert_eq!(story.after(Duration::ZERO, &index), []);
    index.apply(cidrs("Active"));
    assert_eq!(story.after(2 * empty_block(), &index), [], "taken back");

    index.apply(cidrs("Draining"));
    assert_eq!(
        story.after(TOLD - Duration::from_secs(1), &index),
        [],
        "not told for long"
    );
    let draining = own("10.64.0.0/26", BlockState::Draining);
    let drain = [GiveBack::Drain(draining.clone())];
    assert_eq!(story.after(TOLD, &index), drain);
    assert_eq!(drain[0].cause(&index), "its pool's CIDR drains");
    story.waiting.asked(drain[0].clone(), story.now);
    assert_eq!(story.after(Duration::ZERO, &index), [], "it is on its way");
    assert_eq!(story.after(TOLD, &index), drain, "the list never showed it");
    put(&mut index, draining.clone());
    assert_eq!(
        story.after(Duration::ZERO, &index),
        [GiveBack::Release(draining)]
    );
}

/// The node then has no block of the family, and says so; but it had none that gave anything.
#[test]
fn a_draining_block_goes_even_if_it_is_the_only_one() {
    let only = own("10.64.0.0/26", BlockState::Draining);
    let index = cluster(&[only.clone(), own(V6, BlockState::Active)]);
    let mut story = Story::of(held(&[]));
    story.after(Duration::ZERO, &index);
    assert_eq!(
        story.after(empty_block(), &index),
        [GiveBack::Release(only)]
    );
}

#[test]
fn of_the_empty_blocks_the_last_goes_first_and_one_stays() {
    let all = ["10.64.0.0/26", "10.64.0.64/26", "10.64.0.128/26"];
    let mut index = with_active(&all);
    let mut story = Story::of(held(&[]));
    for extra in [all[2], all[1]] {
        assert_eq!(story.after(Duration::ZERO, &index), []);
        let drained = own(extra, BlockState::Draining);
        let drain = [GiveBack::Drain(drained.clone())];
        assert_eq!(story.after(empty_block(), &index), drain);
        assert_eq!(drain[0].cause(&index), "it is empty and the others suffice");
        put(&mut index, drained.clone());
        story.after(Duration::ZERO, &index);
        assert_eq!(
            story.after(TOLD, &index)[0],
            GiveBack::Release(drained.clone())
        );
        index.apply(Event::Delete(Kind::Block, Block::object_name(drained.cidr)));
        story.waiting = Waiting::default();
    }
    assert_eq!(story.after(2 * empty_block(), &index), []);
    assert_eq!(
        story.after(2 * empty_block(), &index),
        [],
        "the last one stays"
    );
}

#[test]
fn half_of_what_remains_must_be_free() {
    let index = with_active(&["10.64.0.64/26", "10.64.0.128/26"]);
    for (taken, steps) in [(32, 1), (33, 0)] {
        let mut story = Story::of(held(&[("10.64.0.64/26", taken)]));
        story.after(Duration::ZERO, &index);
        assert_eq!(
            story.after(empty_block(), &index).len(),
            steps,
            "{taken} of 64"
        );
    }
}

#[test]
fn nothing_is_given_back_during_a_pause_or_by_another_incarnation() {
    let mut foreign = own("10.64.0.0/26", BlockState::Draining);
    foreign.node_uid = "before".to_owned();
    let mut index = with_active(&["10.64.0.64/26", "10.64.0.128/26"]);
    put(&mut index, foreign);
    let mut story = Story::of(held(&[]));
    story.after(Duration::ZERO, &index);
    let steps = story.after(empty_block(), &index);
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].block().cidr.to_string(), "10.64.0.128/26");
    index.apply(apply(Object::Config(RoutingConfig {
        paused: true,
        ..RoutingConfig::default()
    })));
    assert_eq!(story.after(empty_block(), &index), []);
}

/// Blocks of several sizes and states, some in a CIDR that drains, each with a share of its
/// addresses held.
fn any_blocks() -> impl Strategy<Value = Vec<(Block, u8)>> {
    let shapes = proptest::sample::subsequence(
        vec![
            "10.64.0.0/24",
            "10.64.1.0/26",
            "10.64.1.64/26",
            "10.64.2.0/28",
            "10.64.3.0/30",
            "10.64.4.1/32",
            "10.64.4.0/32",
            "10.65.0.0/26",
            "10.65.1.0/24",
        ],
        0..9,
    );
    let states = proptest::collection::vec((any::<bool>(), 0u8..=4), 9);
    (shapes, states).prop_map(|(shapes, states)| {
        let made = shapes.iter().zip(states).map(|(cidr, (active, quarters))| {
            let state = if active {
                BlockState::Active
            } else {
                BlockState::Draining
            };
            (own(cidr, state), quarters)
        });
        made.collect()
    })
}

/// Carries out what the node wants of the store, all of it at once. Says how many claims there were.
fn claim_all(index: &mut Cluster, held: &Held) -> usize {
    let told = planned(index).node_state.is_ok();
    let usage = if told {
        holding(index, held).usage
    } else {
        BTreeMap::new()
    };
    let wanted = claim::wanted(&claim::Situation {
        me: &me(),
        cluster: index,
        complete: index.complete(&me()).unwrap(),
        unlisted: &Unlisted::default(),
        reserved: &std::collections::BTreeSet::new(),
        usage: &usage,
    });
    let claims = wanted.steps.len();
    for step in wanted.steps {
        let Step::Claim(block) = step else {
            panic!("{step:?}")
        };
        put(index, block);
    }
    claims
}

fn carry_out(index: &mut Cluster, step: GiveBack) {
    match step {
        GiveBack::Drain(block) => put(index, block),
        GiveBack::Release(block) => {
            let name = Block::object_name(block.cidr);
            index.apply(Event::Delete(Kind::Block, name));
        }
    }
}

proptest! {
    /// While pods stay the same, what was given back as one too many is not claimed again, no pod
    /// loses its address, and after a while nothing happens any more.
    #[test]
    fn giving_back_and_claiming_do_not_take_turns(blocks in any_blocks(), seconds in 0u64..=120) {
        let mut index = with_active(&[]);
        index.apply(apply(pool("z1", &[
            ("10.64.0.0/16", "Active"), ("10.65.0.0/16", "Draining"), ("fd00:10::/48", "Active"),
        ])));
        index.apply(apply(Object::Config(RoutingConfig {
            empty_block: Duration::from_secs(seconds),
            ..RoutingConfig::default()
        })));
        let mut story = Story::of(Held::new());
        for (block, quarters) in blocks {
            story.held.insert(block.cidr, capacity(block.cidr) * u64::from(quarters) / 4);
            put(&mut index, block);
        }
        let (mut gave, mut quiet) = (false, 0);
        for _ in 0..100 {
            let claims = claim_all(&mut index, &story.held);
            prop_assert!(claims == 0 || !gave, "what was one too many is claimed again");
            let steps = story.after(Duration::from_secs(60), &index);
            quiet = if steps.is_empty() && claims == 0 { quiet + 1 } else { 0 };
            if quiet > 4 {
                return Ok(());
            }
            for step in steps {
                gave |= step.cause(&index) == "it is empty and the others suffice";
                let held = story.held.get(&step.block().cidr).copied();
                prop_assert_eq!(held.unwrap_or_default(), 0);
                carry_out(&mut index, step);
            }
        }
        prop_assert!(false, "no rest is found");
    }
}
