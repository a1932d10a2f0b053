//! MED is compared among paths of the same neighbouring AS only; the outcome must not depend on the
//! order of paths all the same (RFC 4451 and RFC 3345 tell how it does elsewhere).

use crate::given::{Given, decided, external, internal};
use gingham_bgp::rib::{Loss, Standing};
use gingham_bgp::{PeerId, RouterId};
use proptest::prelude::*;

fn via(peer: u8, neighbour: u32, med: u32) -> Given {
    external(peer, [neighbour, 64999]).med(med)
}

/// The peers in the order they are ranked, with how they stand.
fn ranked(given: &[Given]) -> Vec<(u32, Standing)> {
    let ranked = decided(given, 1).ranked.into_iter();
    ranked
        .map(|ranked| (ranked.path.source.peer.0, ranked.standing))
        .collect()
}

fn in_every_order(given: &[Given; 3]) -> Vec<(u32, Standing)> {
    let outcome = ranked(given);
    for [a, b, c] in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let order = [&given[a], &given[b], &given[c]].map(Clone::clone);
        assert_eq!(ranked(&order), outcome);
    }
    outcome
}

/// Compared pair by pair these go in circles: 1 beats 2 and 2 beats 3 by identifier, 3 beats 1 by MED.
#[test]
fn a_circle_of_three_has_one_outcome() {
    let outcome = in_every_order(&[via(1, 100, 10), via(2, 200, 0), via(3, 100, 5)]);
    let (first, second) = (
        RouterId([10, 0, 0, 2].into()),
        RouterId([10, 0, 0, 3].into()),
    );
    assert_eq!(
        outcome,
        [
            (2, Standing::Best),
            (
                3,
                Standing::Lost(Loss::RouterId {
                    ours: second,
                    best: first
                })
            ),
            (1, Standing::Lost(Loss::Med { ours: 10, best: 5 })),
        ]
    );
}

/// The path that beats another by MED need not be the best itself.
#[test]
fn a_path_beaten_by_cost_still_beats_its_group_by_med() {
    let far = |given: Given, cost| Given { cost, ..given };
    let outcome = in_every_order(&[
        far(via(1, 100, 10), 1),
        far(via(2, 100, 5), 30),
        far(via(3, 200, 99), 20),
    ]);
    assert_eq!(
        outcome,
        [
            (3, Standing::Best),
            (2, Standing::Lost(Loss::Cost { ours: 30, best: 20 })),
            (1, Standing::Lost(Loss::Med { ours: 10, best: 5 })),
        ]
    );
}

/// MED of a path that lost earlier is nothing to those still in.
#[test]
fn only_paths_that_got_as_far_are_compared() {
    let long = external(1, [100, 64998, 64999]).med(0);
    let outcome = in_every_order(&[long, via(2, 100, 50), via(3, 200, 0)]);
    assert_eq!(outcome[0], (2, Standing::Best));
}

#[test]
fn paths_of_our_own_system_are_a_group_and_no_med_is_zero() {
    let with = |peer, med| internal(peer).with(|attributes| attributes.med = med);
    let outcome = in_every_order(&[with(1, Some(1)), with(2, None), with(3, Some(0))]);
    assert_eq!(outcome[0].0, 2);
    assert_eq!(
        outcome[2],
        (1, Standing::Lost(Loss::Med { ours: 1, best: 0 }))
    );
    let selection = decided(&[with(1, Some(1)), via(2, 100, 0)], 1);
    assert_eq!(
        selection.best().unwrap().source.peer,
        PeerId(1),
        "the shorter path, not MED"
    );
}

/// Paths of which many tie, and the same in another order.
fn few() -> impl Strategy<Value = (Vec<Given>, Vec<Given>)> {
    let one = (1..4u32, 0..3u32, 0..2u32, 1..4u8);
    proptest::collection::vec(one, 0..12).prop_flat_map(|all| {
        let number = |(index, (neighbour, med, cost, router_id)): (usize, _)| Given {
            cost,
            router_id,
            ..via(u8::try_from(index).unwrap() + 1, neighbour, med)
        };
        let all: Vec<Given> = all.into_iter().enumerate().map(number).collect();
        (Just(all.clone()), Just(all).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn no_order_matters((given, shuffled) in few()) {
        prop_assert_eq!(decided(&shuffled, 3), decided(&given, 3));
    }
}
