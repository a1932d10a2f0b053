//! Laws of `carve`.

use crate::builders::prefix;
use gingham_ipam::carve;
use gingham_model::{Aggregate, BlockSize, CidrState, Family, NodeName, Pool, PoolCidr, PoolSpec};
use gingham_model::{PoolName, Prefix};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

fn pool(cidrs: &[(&str, CidrState)], block_size: BlockSize) -> Pool {
    let cidrs = cidrs.iter().map(|(cidr, state)| PoolCidr {
        cidr: prefix(cidr),
        state: *state,
    });
    let spec = PoolSpec {
        zone: "z1".parse().unwrap(),
        cidrs: cidrs.collect(),
        block_size,
        aggregate: Aggregate::None,
        nat_outgoing: true,
        cooldown_seconds: 120,
    };
    Pool::new("pool".parse::<PoolName>().unwrap(), spec).unwrap()
}

fn node(number: usize) -> NodeName {
    format!("node-{number}").parse().unwrap()
}

/// Two Active CIDRs of 16 blocks with a Draining one between, in both families.
fn small_pool() -> Pool {
    use CidrState::{Active, Draining};
    let cidrs = [
        ("10.0.0.0/24", Active),
        ("fd00:1::/120", Active),
        ("10.0.1.0/24", Draining),
        ("fd00:2::/120", Draining),
        ("10.0.2.0/24", Active),
        ("fd00:3::/120", Active),
    ];
    pool(&cidrs, BlockSize { v4: 28, v6: 124 })
}

/// Prefixes in and around the small pool, from eight times a block down to single addresses, and
/// now and then one that covers a CIDR.
fn any_taken() -> impl Strategy<Value = BTreeSet<Prefix>> {
    let v4 = (0u8..4, any::<u8>(), 25u8..=32).prop_map(|(third, last, length)| {
        Prefix::containing(IpAddr::from([10, 0, third, last]), length)
    });
    let v6 = (0u16..4, any::<u8>(), 121u8..=128).prop_map(|(second, last, length)| {
        let last = u16::from(last);
        Prefix::containing(IpAddr::from([0xfd00, second, 0, 0, 0, 0, 0, last]), length)
    });
    let covering = (0u8..4, 22u8..=24)
        .prop_map(|(third, length)| Prefix::containing(IpAddr::from([10, 0, third, 0]), length));
    let any = prop_oneof![8 => v4, 8 => v6, 1 => covering].prop_map(Result::unwrap);
    proptest::collection::btree_set(any, 0..40)
}

/// Every free block of the first Active CIDR that has one.
fn free_blocks(pool: &Pool, family: Family, taken: &BTreeSet<Prefix>) -> Vec<Prefix> {
    let length = pool.spec.block_size.of(family);
    let active = pool
        .spec
        .cidrs
        .iter()
        .filter(|c| c.state == CidrState::Active);
    let cidrs = active.map(|c| c.cidr).filter(|c| c.family() == family);
    let free = |cidr: Prefix| -> Vec<Prefix> {
        let all = (0..cidr.count(length).unwrap()).map(|n| cidr.nth(length, n).unwrap());
        all.filter(|block| !taken.iter().any(|t| t.overlaps(*block)))
            .collect()
    };
    cidrs
        .map(free)
        .find(|free| !free.is_empty())
        .unwrap_or_default()
}

proptest! {
    /// So it lies in an Active CIDR, has the pool's length, overlaps nothing taken, and is missed
    /// only when there is none.
    #[test]
    fn the_block_is_one_a_naive_search_finds(taken in any_taken(), number in 0usize..50) {
        let pool = small_pool();
        for family in Family::ALL {
            let free = free_blocks(&pool, family, &taken);
            match carve(&pool, family, &taken, &node(number)) {
                Some(block) => prop_assert!(free.contains(&block), "{block} not in {free:?}"),
                None => prop_assert!(free.is_empty(), "missed {free:?}"),
            }
        }
    }

    #[test]
    fn the_same_arguments_give_the_same_block(taken in any_taken(), number in 0usize..50) {
        let carved = || carve(&small_pool(), Family::V4, &taken, &node(number));
        prop_assert_eq!(carved(), carved());
    }
}

#[test]
fn a_pool_is_carved_to_its_last_block_and_no_further() {
    let pool = small_pool();
    let mut taken = BTreeSet::new();
    for number in 0..32 {
        let block = carve(&pool, Family::V6, &taken, &node(number)).unwrap();
        let first_cidr = prefix("fd00:1::/120").covers(block);
        assert_eq!(first_cidr, number < 16, "CIDRs are used up in their order");
        assert!(taken.iter().all(|t| !block.overlaps(*t)));
        taken.insert(block);
    }
    assert_eq!(carve(&pool, Family::V6, &taken, &node(99)), None);
}

#[test]
fn a_taken_prefix_that_covers_the_pool_leaves_nothing() {
    let taken = BTreeSet::from([prefix("10.0.0.0/8")]);
    assert_eq!(carve(&small_pool(), Family::V4, &taken, &node(1)), None);
}

#[test]
fn nodes_that_carve_at_the_same_moment_rarely_want_the_same_block() {
    let cidrs = [
        ("10.64.0.0/16", CidrState::Active),
        ("fd00:10::/48", CidrState::Active),
    ];
    let pool = pool(&cidrs, BlockSize::default());
    let first_choices = |family| -> BTreeSet<Prefix> {
        let nodes = (0..200).map(node);
        nodes
            .map(|n| carve(&pool, family, &BTreeSet::new(), &n).unwrap())
            .collect()
    };
    // Of 200 even choices among 1,024, chance makes about 182 different ones.
    assert!(first_choices(Family::V4).len() > 170);
    assert_eq!(first_choices(Family::V6).len(), 200);
}

/// 2^74 candidates: this ends only because none are walked.
#[test]
fn a_vast_pool_is_carved_without_walking_it() {
    let pool = pool(&[("fd00:10::/48", CidrState::Active)], BlockSize::default());
    let mut taken = BTreeSet::new();
    // All five thousand in one row, right where this node starts to look.
    let first = carve(&pool, Family::V6, &taken, &node(7)).unwrap();
    for _ in 0..5_000 {
        let block = carve(&pool, Family::V6, &taken, &node(7)).unwrap();
        assert!(taken.insert(block), "{block} given twice");
    }
    assert!(taken.contains(&first));
    // The half of the pool that holds the row: one jump leads out of it.
    let half = Prefix::containing(first.address(), 49).unwrap();
    taken.insert(half);
    let block = carve(&pool, Family::V6, &taken, &node(7)).unwrap();
    assert!(!half.overlaps(block));
}
