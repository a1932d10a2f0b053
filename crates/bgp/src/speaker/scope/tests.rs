//! Scopes against what the words say, block by block.

use super::*;
use gingham_model::NodeName;
use proptest::prelude::*;
use proptest::sample::select;

const PREFIXES: [&str; 8] = [
    "0.0.0.0/0",
    "10.64.0.0/16",
    "10.64.1.0/24",
    "10.64.1.0/26",
    "10.64.2.0/25",
    "10.64.2.128/25",
    "10.64.2.192/32",
    "fd00:10:64:1::/64",
];

/// Three nodes, two of which claim one address.
const ADDRESSES: [&[&str]; 3] = [
    &["10.0.0.1", "fd00::1"],
    &["10.0.0.2", "10.0.0.1"],
    &["10.0.0.3"],
];

fn node(number: usize) -> NodeName {
    format!("n{number}").try_into().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn holder(number: usize) -> Holder {
    let addresses = ADDRESSES[number].iter().map(|text| address(text));
    Holder {
        node: node(number),
        addresses: addresses.collect(),
    }
}

fn territory() -> impl Strategy<Value = Territory> {
    let who = || prop::option::of(0..3usize);
    // Whole, or in halves.
    let whole = (who(), who(), who()).prop_map(|(one, two, six)| {
        vec![
            ("10.64.1.0/24", one),
            ("10.64.2.0/24", two),
            ("fd00:10:64:1::/64", six),
        ]
    });
    let halves = (who(), who())
        .prop_map(|(low, high)| vec![("10.64.2.0/25", low), ("10.64.2.128/25", high)]);
    (prop_oneof![whole, halves], who()).prop_map(|(blocks, ours)| {
        let held = blocks
            .into_iter()
            .filter_map(|(block, who)| Some((block, who?)));
        Territory {
            node: ours.map(node),
            blocks: held
                .map(|(block, who)| (block.parse().unwrap(), holder(who)))
                .collect(),
        }
    })
}

/// The rules in words.
fn expected(claim: &Claim, scope: Scope, territory: &Territory) -> (Provenance, Option<Refusal>) {
    let around = || {
        let blocks = territory.blocks.iter();
        blocks.filter(|(block, _)| block.covers(claim.prefix))
    };
    let of_peer = || around().filter(|(_, holder)| holder.addresses.contains(&claim.peer));
    let as_node = if of_peer().next().is_none() {
        Some(Refusal::NotItsBlock)
    } else if !of_peer().any(|(_, holder)| holder.addresses.contains(&claim.next_hop)) {
        Some(Refusal::NotItsNextHop)
    } else {
        None
    };
    let ours = |holder: &Holder| Some(&holder.node) == territory.node.as_ref();
    let from_outside = if around().any(|(_, holder)| ours(holder)) {
        Some(Refusal::OwnBlock)
    } else if around().next().is_some() {
        Some(Refusal::ZoneBlock)
    } else {
        None
    };
    match scope {
        Scope::Anywhere => (Provenance::Outside, None),
        Scope::Node => (Provenance::Zone, as_node),
        Scope::Outside => (Provenance::Outside, from_outside),
        Scope::Fellow if around().next().is_some() => (Provenance::Zone, as_node),
        Scope::Fellow => (Provenance::Outside, None),
    }
}

proptest! {
    #[test]
    fn a_scope_allows_what_its_words_say(
        territory in territory(),
        scope in select(vec![Scope::Anywhere, Scope::Node, Scope::Outside, Scope::Fellow]),
        prefix in select(&PREFIXES[..]),
        peer in select(vec!["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9", "fd00::1"]),
        next_hop in select(vec!["10.0.0.1", "10.0.0.2", "10.0.0.9", "fd00::1"]),
    ) {
        let claim = Claim {
            prefix: prefix.parse().unwrap(),
            next_hop: address(next_hop),
            peer: address(peer),
        };
        prop_assert_eq!(
            claim.judge(scope, &territory),
            expected(&claim, scope, &territory)
        );
    }

    #[test]
    fn territories_differ_where_a_block_is_somebody_elses(
        one in territory(), other in territory(),
    ) {
        let ours = |of: &Territory, block: &Prefix| {
            of.blocks.get(block).is_some_and(|holder| Some(&holder.node) == of.node.as_ref())
        };
        let blocks = one.blocks.keys().chain(other.blocks.keys());
        let mut differ: Vec<Prefix> = blocks
            .filter(|block| {
                one.blocks.get(block) != other.blocks.get(block)
                    || ours(&one, block) != ours(&other, block)
            })
            .copied()
            .collect();
        differ.sort();
        differ.dedup();
        let mut found = one.differences(&other);
        found.sort();
        prop_assert_eq!(found, differ);
    }
}
