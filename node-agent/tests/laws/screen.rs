use crate::make::{apply, block, cluster, planned};
use gingham_agent::cluster::Cluster;
use gingham_agent::objects::{Kind, Object};
use gingham_agent::plan::Plan;
use gingham_agent::store::Event;
use gingham_model::{Block, BlockState, Target};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The routes of a plan: where to, and by which next hop.
fn routes(plan: &Plan) -> BTreeMap<String, String> {
    let routes = plan.routes.values().map(|route| {
        let Target::Via(hops) = &route.target else {
            panic!("{route:?}")
        };
        let via: Vec<String> = hops.iter().map(|hop| hop.via.to_string()).collect();
        (route.key.prefix.to_string(), via.join(" "))
    });
    routes.collect()
}

fn disputes(plan: &Plan) -> Vec<String> {
    plan.disputes.iter().map(ToString::to_string).collect()
}

#[test]
fn of_two_nodes_with_one_address_one_is_believed_and_both_are_named() {
    let plan = planned(&cluster(&[
        block("10.64.3.0/26", "w3", &["10.1.0.5", "fd00:1::3"]),
        block("fd00:10::300/122", "w3", &["10.1.0.5", "fd00:1::3"]),
        block("10.64.4.0/26", "w4", &["10.1.0.5", "fd00:1::4"]),
        block("10.64.4.64/26", "w4", &["10.1.0.5", "fd00:1::4"]),
        block("fd00:10::400/122", "w4", &["10.1.0.5", "fd00:1::4"]),
        block("10.64.5.0/26", "w5", &["10.1.0.6"]),
    ]));
    let said = ["address 10.1.0.5 is claimed by nodes w3 and w4; w3 is believed"];
    assert_eq!(disputes(&plan), said);
    let skipped = plan.skipped.iter();
    let skipped: Vec<_> = skipped
        .map(|s| (s.block.to_string(), s.reason.as_str()))
        .collect();
    let reason = "next hop 10.1.0.5 is claimed by node w3 too, which is believed";
    let lost = ["10.64.4.0/26", "10.64.4.64/26"];
    assert_eq!(skipped, lost.map(|block| (block.to_owned(), reason)));
    let left = [
        "10.64.3.0/26",
        "10.64.5.0/26",
        "fd00:10::300/122",
        "fd00:10::400/122",
    ];
    assert!(
        routes(&plan).keys().eq(&left.map(str::to_owned)),
        "the other family is its own"
    );
}

#[test]
fn a_living_node_is_believed_before_an_orphaned_one_then_the_smaller_uid_then_the_name() {
    let winner = |change: fn(&mut [Block; 3])| {
        let mut blocks = ["w3", "w4", "w5"].map(|node| {
            let cidr = format!("10.64.{}.0/26", &node[1..]);
            block(&cidr, node, &["10.1.0.5"])
        });
        change(&mut blocks);
        disputes(&planned(&cluster(&blocks)))
    };
    let said = |winner: &str| {
        let names = "address 10.1.0.5 is claimed by nodes w3, w4 and w5";
        [format!("{names}; {winner} is believed")]
    };
    assert_eq!(winner(|_| {}), said("w3"));
    assert_eq!(
        winner(|blocks| blocks[2].node_uid = "a".to_owned()),
        said("w5")
    );
    let same = winner(|blocks| {
        for block in blocks {
            block.node_uid = "a".to_owned();
        }
    });
    assert_eq!(same, said("w3"));
    assert_eq!(
        winner(|blocks| blocks[0].state = BlockState::Orphaned),
        said("w4")
    );
}

#[test]
fn what_gets_no_route_anyway_disputes_nothing() {
    let plan = planned(&cluster(&[
        block("10.1.0.128/26", "w0", &["10.1.0.5"]),
        block("10.64.3.0/26", "w3", &["10.1.0.5"]),
        block("10.64.4.0/26", "w4", &["10.1.0.1"]),
        block("10.64.5.0/26", "w5", &["10.1.0.1"]),
        block("10.64.6.0/26", "w6", &["10.9.0.1"]),
        block("10.64.7.0/26", "w7", &["10.9.0.1"]),
    ]));
    assert_eq!(plan.disputes, []);
    assert_eq!(routes(&plan).len(), 1);
    assert_eq!(plan.skipped.len(), 5);
}

#[test]
fn what_cannot_be_is_refused_and_the_rest_has_its_routes() {
    let plan = planned(&cluster(&[
        block("0.0.0.0/0", "w2", &["10.1.0.2"]),
        block("::/0", "w2", &["fd00:1::2"]),
        block("10.1.0.0/26", "w2", &["10.1.0.2"]),
        block("fd00:1::/122", "w2", &["fd00:1::2"]),
        block("10.64.3.0/26", "w3", &["10.1.0.3"]),
        block("fd00:10::300/122", "w3", &["fd00:1::3"]),
    ]));
    let skipped = plan.skipped.iter();
    let skipped: Vec<String> = skipped.map(|s| s.block.to_string()).collect();
    assert_eq!(
        skipped,
        ["0.0.0.0/0", "10.1.0.0/26", "::/0", "fd00:1::/122"]
    );
    let left = ["10.64.3.0/26", "fd00:10::300/122"];
    assert!(routes(&plan).keys().eq(&left.map(str::to_owned)));
}

/// The blocks of three nodes whose addresses are given by `places`.
fn placed(places: &[usize]) -> Vec<Block> {
    let nodes = ["w3", "w4", "w5"].into_iter().zip(places);
    let blocks = nodes.map(|(node, place)| {
        let cidr = format!("10.64.{}.0/26", &node[1..]);
        block(&cidr, node, &[&format!("10.1.0.{}", 3 + place)])
    });
    blocks.collect()
}

/// What becomes of 10.64.0.0/24: still whole, another node's, or four blocks of other nodes.
fn reused(how: usize) -> Vec<Block> {
    match how {
        0 => vec![block("10.64.0.0/24", "w2", &["10.1.0.2"])],
        1 => vec![block("10.64.0.0/24", "w3", &["10.1.0.3"])],
        _ => (0..4)
            .map(|quarter| {
                let cidr = format!("10.64.0.{}/26", quarter * 64);
                let node = format!("w{}", 4 + quarter);
                block(&cidr, &node, &[&format!("10.1.0.{}", 4 + quarter)])
            })
            .collect(),
    }
}

/// What a store says to get from `before` to `after`: one event for each name, so in any order. Of
/// a name that is deleted and made again it may say both, in this order, or the last alone.
fn events(before: &[Block], after: &[Block], both: bool) -> Vec<Vec<Event>> {
    let name = |block: &Block| Block::object_name(block.cidr);
    let mut queues: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for block in before {
        let stays = after.iter().any(|other| name(other) == name(block));
        if both || !stays {
            let gone = Event::Delete(Kind::Block, name(block));
            queues.entry(name(block)).or_default().push(gone);
        }
    }
    for block in after {
        let made = apply(Object::Block(block.clone()));
        queues.entry(name(block)).or_default().push(made);
    }
    queues.into_values().collect()
}

/// Takes in the events of each queue in their order, and those of different queues in any.
fn shuffled(index: &mut Cluster, mut queues: Vec<Vec<Event>>, picks: &[prop::sample::Index]) {
    for queue in &mut queues {
        queue.reverse();
    }
    for pick in picks {
        queues.retain(|queue| !queue.is_empty());
        if queues.is_empty() {
            return;
        }
        let at = pick.index(queues.len());
        if let Some(event) = queues[at].pop() {
            index.apply(event);
        }
        // A plan on the way leaves no mark.
        planned(index);
    }
    panic!("too few picks");
}

fn any_picks() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 32)
}

proptest! {
    #[test]
    fn nodes_may_change_their_addresses_round_in_any_order(
        places in Just(vec![0, 1, 2]).prop_shuffle(),
        picks in any_picks(),
    ) {
        let before = placed(&[0, 1, 2]);
        let after = placed(&places);
        let mut index = cluster(&before);
        shuffled(&mut index, events(&before, &after, false), &picks);
        let plan = planned(&index);
        prop_assert_eq!(&plan, &planned(&cluster(&after)));
        prop_assert_eq!((plan.routes.len(), plan.skipped.len(), plan.disputes.len()), (3, 0, 0));
    }

    #[test]
    fn a_block_is_reused_whatever_comes_first(
        from in 0usize..3,
        to in 0usize..3,
        both in any::<bool>(),
        picks in any_picks(),
    ) {
        let (before, after) = (reused(from), reused(to));
        let mut index = cluster(&before);
        shuffled(&mut index, events(&before, &after, both), &picks);
        let plan = planned(&index);
        prop_assert_eq!(&plan, &planned(&cluster(&after)));
        prop_assert_eq!(plan.routes.len(), after.len());
    }

    /// Every node of the zone must believe the same, in whatever order it heard of the blocks.
    #[test]
    fn who_is_believed_does_not_depend_on_the_order(
        places in proptest::collection::vec(0usize..2, 3),
        picks in any_picks(),
    ) {
        let blocks = placed(&places);
        let mut index = cluster(&[]);
        shuffled(&mut index, events(&[], &blocks, false), &picks);
        let plan = planned(&index);
        prop_assert_eq!(&plan, &planned(&cluster(&blocks)));
        let hops: Vec<String> = routes(&plan).into_values().collect();
        let distinct: std::collections::BTreeSet<&String> = hops.iter().collect();
        prop_assert_eq!(distinct.len(), hops.len(), "one node to an address");
    }
}
