use crate::make::{apply, block, cluster, me, node, pool, refused};
use gingham_agent::claim::{Situation, Step, Unlisted, Wanted, wanted};
use gingham_agent::cluster::Cluster;
use gingham_agent::objects::{Kind, Object};
use gingham_ipam::Usage;
use gingham_model::{Block, BlockState, Family};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn decide(cluster: &Cluster, unlisted: &Unlisted, free: u64) -> Wanted {
    decide_by(cluster, unlisted, usage(64, free))
}

fn usage(capacity: u64, free: u64) -> Usage {
    Usage {
        capacity,
        held: capacity - free,
        resting: 0,
        free,
    }
}

fn decide_by(cluster: &Cluster, unlisted: &Unlisted, usage: Usage) -> Wanted {
    wanted(&Situation {
        me: &me(),
        cluster,
        complete: cluster.complete(&me()).unwrap(),
        unlisted,
        reserved: &std::collections::BTreeSet::new(),
        usage: &BTreeMap::from([(Family::V4, usage)]),
    })
}

fn claims(wanted: &Wanted) -> Vec<&Block> {
    let claims = wanted.steps.iter().filter_map(|step| match step {
        Step::Claim(block) => Some(block),
        Step::Update(_) => None,
    });
    claims.collect()
}

fn ips() -> [&'static str; 2] {
    ["10.1.0.1", "fd00:1::1"]
}

fn settled() -> Vec<Block> {
    vec![
        block("10.64.0.0/26", "w1", &ips()),
        block("fd00:10::/122", "w1", &ips()),
    ]
}

#[test]
fn a_node_without_blocks_claims_one_of_each_family_and_only_one() {
    let index = cluster(&[]);
    let mut unlisted = Unlisted::default();
    let first = decide(&index, &unlisted, 64);
    let families: Vec<Family> = claims(&first).iter().map(|b| b.cidr.family()).collect();
    assert_eq!(families, Family::ALL);
    assert_eq!(
        first,
        decide(&index, &unlisted, 64),
        "the same choice every time"
    );
    let now = Instant::now();
    for block in claims(&first) {
        unlisted.note(block.clone(), now);
    }
    assert_eq!(decide(&index, &unlisted, 64), Wanted::default());
    unlisted.prune(&index, now + Duration::from_secs(60));
    assert_eq!(
        claims(&decide(&index, &unlisted, 64)).len(),
        2,
        "the list never showed them"
    );
}

#[test]
fn blocks_of_ours_are_adopted() {
    assert_eq!(
        decide(&cluster(&settled()), &Unlisted::default(), 64),
        Wanted::default()
    );
}

#[test]
fn another_block_is_claimed_when_a_quarter_is_left() {
    let index = cluster(&settled());
    assert!(claims(&decide(&index, &Unlisted::default(), 17)).is_empty());
    let short = decide(&index, &Unlisted::default(), 16);
    let [block] = claims(&short)[..] else {
        panic!("{short:?}")
    };
    assert_eq!(block.cidr.family(), Family::V4);
    assert!(!block.cidr.overlaps(settled()[0].cidr));
    let mut unlisted = Unlisted::default();
    unlisted.note(block.clone(), Instant::now());
    assert!(
        claims(&decide(&index, &unlisted, 16)).is_empty(),
        "one shortage, one block"
    );
}

/// A /64 has as many addresses as the number can tell: a shortage that no block could end would
/// claim blocks without end.
#[test]
fn a_block_too_large_to_count_is_not_short_of_addresses() {
    let index = cluster(&settled());
    for free in [u64::MAX, u64::MAX - 200] {
        let decided = decide_by(&index, &Unlisted::default(), usage(u64::MAX, free));
        assert!(claims(&decided).is_empty(), "{free}: {decided:?}");
    }
}

#[test]
fn a_draining_block_is_replaced() {
    let mut blocks = settled();
    blocks[0].state = BlockState::Draining;
    assert_eq!(
        claims(&decide(&cluster(&blocks), &Unlisted::default(), 64)).len(),
        1
    );
}

#[test]
fn nobody_elses_block_is_carved_listed_or_not_or_unread() {
    let mut index = cluster(&settled()[1..]);
    index.apply(apply(pool("z1", &[("10.64.0.0/24", "Active")])));
    index.apply(apply(Object::Block(block(
        "10.64.0.0/26",
        "w2",
        &["10.1.0.2"],
    ))));
    index.apply(refused(Kind::Block, "10-64-0-64-26"));
    let mut unlisted = Unlisted::default();
    unlisted.note(block("10.64.0.128/26", "w3", &["10.1.0.3"]), Instant::now());
    let last = decide(&index, &unlisted, 64);
    let [found] = claims(&last)[..] else {
        panic!("{last:?}")
    };
    assert_eq!(found.cidr.to_string(), "10.64.0.192/26");
    index.apply(apply(Object::Block(block(
        "10.64.0.192/26",
        "w4",
        &["10.1.0.4"],
    ))));
    let none = decide(&index, &unlisted, 64);
    assert_eq!(none.obstacles, ["no pool of zone z1 has a free IPv4 block"]);
}

#[test]
fn a_block_follows_its_owner() {
    let mut blocks = settled();
    blocks[0].node_uid = "before".to_owned();
    blocks[0].state = BlockState::Orphaned;
    blocks[0].zone = "z9".parse().unwrap();
    blocks[1].node_ips = vec!["10.1.0.99".parse().unwrap()];
    let steps = decide(&cluster(&blocks), &Unlisted::default(), 64).steps;
    let expected: Vec<Step> = settled().into_iter().map(Step::Update).collect();
    assert_eq!(steps, expected);
}

#[test]
fn what_an_operator_drains_stays_drained_and_addresses_are_not_forgotten() {
    let mut blocks = settled();
    blocks[0].state = BlockState::Draining;
    let mut index = cluster(&blocks);
    index.apply(apply(Object::Node(node("w1", &[]))));
    assert_eq!(decide(&index, &Unlisted::default(), 64).steps, []);
}
