//! Laws of filters.

use super::*;
use crate::RouterId;
use crate::attributes::{AsPath, Interner};
use crate::rib::{Freshness, Import, Path, Provenance, Refusal, Source, SourceKind};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;

fn some_prefix() -> impl Strategy<Value = Prefix> {
    // Few bits, so that rules and paths meet.
    (0u8..4, 8u8..=24).prop_map(|(second, length)| {
        Prefix::containing(Ipv4Addr::new(10, second, second, 0).into(), length).unwrap()
    })
}

fn some_range() -> impl Strategy<Value = PrefixRange> {
    let length = || proptest::option::of(8u8..=32);
    (some_prefix(), length(), length()).prop_map(|(prefix, min_length, max_length)| PrefixRange {
        prefix,
        min_length,
        max_length,
    })
}

fn some_action() -> impl Strategy<Value = Action> {
    let community = || (0u32..4).prop_map(Community);
    prop_oneof![
        community().prop_map(Action::AddCommunity),
        community().prop_map(Action::RemoveCommunity),
        (0u32..4).prop_map(|low| Action::AddLargeCommunity(LargeCommunity([1, 2, low]))),
        (0u32..3).prop_map(Action::SetLocalPref),
        (0u32..3).prop_map(Action::SetMed),
        (1u32..3, 1u8..3).prop_map(|(asn, count)| Action::Prepend {
            asn: Asn(asn),
            count
        }),
    ]
}

fn some_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Accept), Just(Verdict::Reject)]
}

prop_compose! {
    fn some_rule()(
        prefixes in vec(some_range(), 0..3),
        communities in vec((0u32..4).prop_map(Community), 0..2),
        contains in proptest::option::of((1u32..4).prop_map(Asn)),
        then in some_verdict(),
        actions in vec(some_action(), 0..4),
    ) -> Rule {
        Rule {
            name: String::new(),
            prefixes,
            origin_nodes: Vec::new(),
            provenance: Vec::new(),
            communities,
            large_communities: Vec::new(),
            as_path: AsPathMatch { contains, ..AsPathMatch::default() },
            next_hops: Vec::new(),
            then,
            actions,
        }
    }
}

fn some_filter() -> impl Strategy<Value = Filter> {
    (vec(some_rule(), 0..6), some_verdict()).prop_map(|(mut rules, otherwise)| {
        for (index, rule) in rules.iter_mut().enumerate() {
            rule.name = index.to_string();
        }
        Filter {
            rules,
            otherwise,
            next: None,
        }
    })
}

prop_compose! {
    fn some_attributes()(
        communities in proptest::collection::btree_set((0u32..4).prop_map(Community), 0..3),
        numbers in vec((1u32..4).prop_map(Asn), 0..4),
        med in proptest::option::of(0u32..3),
    ) -> Attributes {
        Attributes {
            communities: communities.into_iter().collect(),
            as_path: AsPath::sequence(numbers),
            med,
            ..Attributes::originated(Ipv4Addr::new(10, 0, 0, 1).into())
        }
    }
}

fn subject(prefix: Prefix, attributes: &Attributes) -> Subject<'_> {
    Subject {
        nlri: Nlri::plain(prefix),
        attributes,
        peer: PeerId(1),
        origin_node: None,
        provenance: Provenance::Outside,
    }
}

/// Paths as a RIB holds them, some of them refused.
fn paths(of: Vec<(Prefix, Attributes)>) -> Vec<(Prefix, Path)> {
    let mut interner = Interner::default();
    let source = Arc::new(Source {
        peer: PeerId(1),
        kind: SourceKind::External,
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, 1)),
        address: Ipv4Addr::new(10, 0, 0, 1).into(),
        node: None,
    });
    let mut path = |(index, (prefix, attributes)): (usize, (Prefix, Attributes))| {
        let received = interner.intern(attributes);
        let import = match index % 2 {
            0 => Import::Accepted(received.clone()),
            _ => Import::Refused(Refusal::NoFilter),
        };
        let path = Path {
            source: Arc::clone(&source),
            path_id: index as u32,
            received,
            import,
            provenance: Provenance::Outside,
            freshness: Freshness::Fresh,
        };
        (prefix, path)
    };
    of.into_iter().enumerate().map(&mut path).collect()
}

proptest! {
    #[test]
    fn without_rules_the_rest_is_everything(
        prefix in some_prefix(), attributes in some_attributes(), otherwise in some_verdict(),
    ) {
        let filter = Filter { rules: Vec::new(), otherwise, next: None };
        let expected = match otherwise {
            Verdict::Accept => Decision::Accept,
            Verdict::Reject => Decision::Reject(None),
        };
        prop_assert_eq!(filter.decide(&subject(prefix, &attributes)), expected);
    }

    #[test]
    fn rules_behind_one_for_everything_say_nothing(
        filter in some_filter(), prefix in some_prefix(), attributes in some_attributes(),
        catch_all in some_rule(), at in 0usize..6,
    ) {
        let everything = Rule { prefixes: Vec::new(), communities: Vec::new(), as_path: AsPathMatch::default(), ..catch_all };
        let mut rules = filter.rules.clone();
        rules.truncate(at);
        rules.push(everything);
        let short = Filter { rules: rules.clone(), otherwise: filter.otherwise, next: None };
        rules.extend(filter.rules.iter().skip(at).cloned());
        let long = Filter { rules, otherwise: Verdict::Accept, next: None };
        let subject = subject(prefix, &attributes);
        prop_assert_eq!(short.decide(&subject), long.decide(&subject));
    }

    #[test]
    fn a_change_is_one_and_its_lists_stay_sorted(
        filter in some_filter(), prefix in some_prefix(), attributes in some_attributes(),
    ) {
        if let Decision::Change(changed) = filter.decide(&subject(prefix, &attributes)) {
            prop_assert_ne!(&*changed, &attributes);
            prop_assert!(changed.communities.is_sorted_by(|one, next| one < next));
            prop_assert!(changed.large_communities.is_sorted_by(|one, next| one < next));
        }
    }

    #[test]
    fn a_dry_run_changes_nothing_and_says_what_decide_says(
        filter in some_filter(), of in vec((some_prefix(), some_attributes()), 0..20),
    ) {
        let paths = paths(of);
        let before = paths.clone();
        let trials = dry_run(&filter, paths.iter().map(|(prefix, path)| (*prefix, path)));
        prop_assert_eq!(&paths, &before);
        prop_assert_eq!(trials.len(), paths.len());
        for (trial, (prefix, path)) in trials.iter().zip(&paths) {
            prop_assert_eq!(trial.nlri, Nlri { prefix: *prefix, path_id: path.path_id });
            prop_assert_eq!(&trial.decision, &filter.decide(&Subject::of(*prefix, path)));
            match &trial.decision {
                Decision::Reject(rule) => prop_assert_eq!(&trial.rule, rule),
                _ => prop_assert!(trial.rule.is_some() || filter.otherwise == Verdict::Accept),
            }
        }
    }

    #[test]
    fn a_filter_behind_another_is_one_after_the_other(
        first in some_filter(), second in some_filter(), third in some_filter(),
        prefix in some_prefix(), attributes in some_attributes(),
    ) {
        let filters = [first, second, third];
        let mut expected = Ok(attributes.clone());
        for filter in &filters {
            expected = expected.and_then(|so_far| match filter.decide(&subject(prefix, &so_far)) {
                Decision::Accept => Ok(so_far),
                Decision::Change(changed) => Ok(*changed),
                Decision::Reject(rule) => Err(rule),
            });
        }
        let behind = |next, filter| Some(Box::new(Filter { next, ..filter }));
        let chain = filters.into_iter().rev().fold(None, behind).unwrap();
        let decided = match chain.decide(&subject(prefix, &attributes)) {
            Decision::Accept => Ok(attributes),
            Decision::Change(changed) => {
                prop_assert_ne!(&*changed, &attributes);
                Ok(*changed)
            }
            Decision::Reject(rule) => Err(rule),
        };
        prop_assert_eq!(decided, expected);
    }

    #[test]
    fn a_range_holds_what_its_lengths_say(range in some_range(), prefix in some_prefix()) {
        let own = range.prefix.length();
        let least = range.min_length.unwrap_or(own);
        let most = range.max_length.unwrap_or(if range.min_length.is_some() { 32 } else { own });
        let expected = range.prefix.covers(prefix) && least <= prefix.length() && prefix.length() <= most;
        prop_assert_eq!(range.contains(prefix), expected);
    }
}
