//! Every condition and every action, one at a time.

use super::*;
use crate::attributes::AsPath;

fn path() -> Attributes {
    Attributes {
        as_path: AsPath::sequence([64601, 64602, 64701].map(Asn)),
        communities: Box::new([Community(64512 << 16 | 7), Community::NO_EXPORT]),
        large_communities: Box::new([LargeCommunity([64512, 1, 2])]),
        ..Attributes::originated("10.1.0.11".parse().unwrap())
    }
}

/// What becomes of 10.64.3.0/24 from node w1, through the filter in `yaml`.
fn decide(yaml: &str, attributes: &Attributes) -> Decision {
    let filter: Filter =
        serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    let node = NodeName::try_from("w1".to_owned()).unwrap();
    filter.decide(&Subject {
        nlri: Nlri::plain("10.64.3.0/24".parse().unwrap()),
        attributes,
        peer: PeerId(3),
        origin_node: Some(&node),
        provenance: Provenance::Zone,
    })
}

/// A filter that accepts where `condition` holds, and nothing else.
fn accepts(condition: &str) -> bool {
    let yaml = format!("rules: [{{name: r, then: accept, {condition}}}]");
    decide(&yaml, &path()) == Decision::Accept
}

#[test]
fn conditions_hold_or_not() {
    let table = [
        ("", true),
        ("prefixes: []", true),
        ("prefixes: [{prefix: 10.64.3.0/24}]", true),
        ("prefixes: [{prefix: 10.64.0.0/16}]", false),
        ("prefixes: [{prefix: 10.64.0.0/16, minLength: 24}]", true),
        ("prefixes: [{prefix: 10.64.0.0/16, minLength: 25}]", false),
        ("prefixes: [{prefix: 10.64.0.0/16, maxLength: 23}]", false),
        ("prefixes: [{prefix: 10.64.0.0/16, maxLength: 24}]", true),
        (
            "prefixes: [{prefix: 10.64.0.0/16, minLength: 16, maxLength: 23}]",
            false,
        ),
        ("prefixes: [{prefix: 10.65.0.0/16, minLength: 16}]", false),
        ("prefixes: [{prefix: '::/0', minLength: 0}]", false),
        ("prefixes: [{prefix: '::/0'}, {prefix: 10.64.3.0/24}]", true),
        ("originNodes: [w2, w1]", true),
        ("originNodes: [w2]", false),
        ("provenance: [zone]", true),
        ("provenance: [own, zone]", true),
        ("provenance: [own, outside]", false),
        ("communities: [no-export]", true),
        ("communities: ['64512:7', '64512:8']", true),
        ("communities: ['64512:8']", false),
        ("largeCommunities: ['64512:1:2']", true),
        ("largeCommunities: ['64512:1:3']", false),
        ("nextHops: [10.1.0.0/24]", true),
        ("nextHops: [10.2.0.0/24, 'fd00::/8']", false),
        ("asPath: {startsWith: [64601]}", true),
        ("asPath: {startsWith: [64601, 64602]}", true),
        ("asPath: {startsWith: [64602]}", false),
        ("asPath: {startsWith: [64601, 64602, 64702]}", false),
        ("asPath: {origin: 64701}", true),
        ("asPath: {origin: 64602}", false),
        ("asPath: {contains: 64602}", true),
        ("asPath: {contains: 64703}", false),
        ("asPath: {maxHops: 3}", true),
        ("asPath: {maxHops: 2}", false),
        ("communities: [no-export], nextHops: [10.2.0.0/24]", false),
    ];
    for (condition, expected) in table {
        assert_eq!(accepts(condition), expected, "{condition}");
    }
}

#[test]
fn actions_change_what_they_name() {
    type Case = (&'static str, fn(&mut Attributes));
    let table: [Case; 8] = [
        ("setLocalPref: 200", |to| to.local_pref = Some(200)),
        ("setMed: 0", |to| to.med = Some(0)),
        ("addCommunity: '64512:1'", |to| {
            to.communities = [1, 7]
                .map(|low| Community(64512 << 16 | low))
                .into_iter()
                .chain([Community::NO_EXPORT])
                .collect();
        }),
        ("addCommunity: no-export", |_| {}),
        ("removeCommunity: '64512:7'", |to| {
            to.communities = Box::new([Community::NO_EXPORT]);
        }),
        ("removeCommunity: '64512:9'", |_| {}),
        ("addLargeCommunity: '1:2:3'", |to| {
            to.large_communities = Box::new([[1, 2, 3], [64512, 1, 2]].map(LargeCommunity));
        }),
        ("prepend: {asn: 64512, count: 2}", |to| {
            to.as_path = to.as_path.prepended(Asn(64512), 2);
        }),
    ];
    for (action, change) in table {
        let mut expected = path();
        change(&mut expected);
        let expected = match expected == path() {
            true => Decision::Accept,
            false => Decision::Change(Box::new(expected)),
        };
        let yaml = format!("rules: [{{name: r, then: accept, actions: [{{{action}}}]}}]");
        assert_eq!(decide(&yaml, &path()), expected, "{action}");
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_the_last_action_wins() {
    let yaml = "
        rules:
          - {name: others, originNodes: [w2], then: reject}
          - name: ours
            prefixes: [{prefix: 10.64.0.0/16, minLength: 16}]
            then: accept
            actions: [{addCommunity: blackhole}, {removeCommunity: blackhole}, {setMed: 1}, {setMed: 2}]
          - {name: rest, then: reject}";
    let changed = Attributes {
        med: Some(2),
        ..path()
    };
    assert_eq!(decide(yaml, &path()), Decision::Change(Box::new(changed)));
}

#[test]
fn a_refusal_names_its_rule() {
    let yaml = "rules: [{name: leaks, communities: [no-export], then: reject}]\notherwise: accept";
    assert_eq!(
        decide(yaml, &path()),
        Decision::Reject(Some("leaks".into()))
    );
    let plain = Attributes::originated("10.1.0.11".parse().unwrap());
    assert_eq!(decide(yaml, &plain), Decision::Accept);
    assert_eq!(decide("rules: []", &plain), Decision::Reject(None));
}

#[test]
fn the_next_filter_sees_what_the_first_let_through_and_how() {
    let first = |next: &str| {
        format!(
            "rules: [{{name: first, originNodes: [w1], then: accept, actions: [{{setMed: 1}}, {{addCommunity: '64512:9'}}]}}]
next: {next}"
        )
    };
    let marked = Attributes {
        med: Some(1),
        ..path().with_community(Community(64512 << 16 | 9))
    };
    let table = [
        (
            "{otherwise: accept}",
            Decision::Change(Box::new(marked.clone())),
        ),
        ("{}", Decision::Reject(None)),
        (
            "{rules: [{name: second, communities: ['64512:9'], then: reject}], otherwise: accept}",
            Decision::Reject(Some("second".into())),
        ),
        (
            "{rules: [{name: second, communities: ['64512:9'], then: accept, actions: [{setMed: 2}]}]}",
            Decision::Change(Box::new(Attributes {
                med: Some(2),
                ..marked
            })),
        ),
    ];
    for (next, expected) in table {
        assert_eq!(decide(&first(next), &path()), expected, "{next}");
    }
    let undone = "{name: undo, then: accept, actions: [{removeCommunity: '64512:9'}, {setMed: 0}]}";
    let plain = Attributes {
        med: Some(0),
        ..path()
    };
    let there_and_back = first(&format!("{{rules: [{undone}]}}"));
    assert_eq!(decide(&there_and_back, &plain), Decision::Accept);
    let refused = "otherwise: reject\nnext: {otherwise: accept}";
    assert_eq!(decide(refused, &path()), Decision::Reject(None));
}

#[test]
fn a_path_from_our_own_as_has_no_origin_as() {
    let plain = Attributes::originated("10.1.0.11".parse().unwrap());
    let of = |condition: &str| {
        let yaml = format!("rules: [{{name: r, then: accept, asPath: {{{condition}}}}}]");
        decide(&yaml, &plain) == Decision::Accept
    };
    assert!(of("maxHops: 0"));
    assert!(!of("origin: 64601"));
    assert!(!of("startsWith: [64601]"));
}
