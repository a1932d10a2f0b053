use crate::make::block;
use gingham_agent::manifest::{parse, render};
use gingham_agent::objects::{Condition, Kind, Object, block_prefix};
use gingham_model::{Block, Prefix};
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) fn refusal(kind: Kind, name: &str, text: &str) -> String {
    parse(kind, name, text).unwrap_err().to_string()
}

pub(crate) fn ours(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: gingham.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

#[test]
fn a_node_is_read_for_its_internal_addresses() {
    let text = "
apiVersion: v1
kind: Node
metadata:
  name: w1
  uid: 5d1b
  labels: {topology.kubernetes.io/zone: z1, other: x}
spec: {podCIDRs: [10.0.0.0/24]}
status:
  addresses:
  - {type: Hostname, address: w1}
  - {type: InternalIP, address: 10.1.0.1}
  - {type: InternalIP, address: 'fd00:1::1'}
";
    let Object::Node(node) = parse(Kind::Node, "w1", text).unwrap().object else {
        panic!("no Node");
    };
    assert_eq!(
        node.zone("topology.kubernetes.io/zone").unwrap().as_str(),
        "z1"
    );
    let expected: [std::net::IpAddr; 2] =
        ["10.1.0.1".parse().unwrap(), "fd00:1::1".parse().unwrap()];
    assert_eq!(node.internal_ips, expected);
    assert_eq!(node.zone("rack").unwrap_err(), "Node w1 has no label rack");
}

#[test]
fn a_node_says_what_it_is_and_that_it_goes() {
    let node = |labels: &str, rest: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: w1, uid: u, labels: {{{labels}}}}}, {rest}}}"
        );
        match parse(Kind::Node, "w1", &text).unwrap().object {
            Object::Node(node) => node,
            other => panic!("{other:?}"),
        }
    };
    let plain = node("node-role.kubernetes.io/worker: ''", "status: {}");
    assert!(!plain.is_reflector() && !plain.is_ingress());
    assert!(plain.concerns(&"w1".parse().unwrap()) && !plain.concerns(&"w2".parse().unwrap()));
    for label in [
        "node-role.kubernetes.io/control-plane: ''",
        "node-restriction.kubernetes.io/gingham-reflector: 'true'",
    ] {
        let node = node(label, "status: {}");
        assert!(node.is_reflector() && !node.is_ingress());
        assert!(node.concerns(&"w2".parse().unwrap()));
    }
    let ingress = node(
        "node-restriction.kubernetes.io/gingham-ingress: ''",
        "status: {}",
    );
    assert!(ingress.is_ingress() && !ingress.is_reflector());
    assert!(ingress.concerns(&"w2".parse().unwrap()));

    let ready = |status: &str, message: &str| {
        let ready = format!("{{type: Ready, status: '{status}', message: {message}}}");
        let other = "{type: MemoryPressure, status: 'False'}";
        let rest = format!("status: {{conditions: [{other}, {ready}]}}");
        node("", &rest).condition
    };
    let shutdown = ready("False", "node is shutting down");
    assert_eq!(shutdown, Condition::ShuttingDown);
    assert_eq!(ready("True", "node is shutting down"), Condition::Staying);
    assert_eq!(ready("False", "PLEG is not healthy"), Condition::Staying);
    let tainted = |key: &str| node("", &format!("spec: {{taints: [{{key: {key}}}]}}")).condition;
    let gone = tainted("node.kubernetes.io/out-of-service");
    assert_eq!(gone, Condition::ShuttingDown);
    let drained = tainted("node.kubernetes.io/unschedulable");
    assert_eq!(drained, Condition::Staying);
}

#[test]
fn whatever_is_wrong_is_named_by_field_and_value() {
    let block = |spec: &str| refusal(Kind::Block, "b", &ours("Block", "b", spec));
    let config = |spec: &str| refusal(Kind::RoutingConfig, "c", &ours("RoutingConfig", "c", spec));
    let pool = |spec: &str| refusal(Kind::ZonePool, "p", &ours("ZonePool", "p", spec));
    let full = "pool: p, zone: z1, node: w1, nodeUID: u, nodeIPs: [10.1.0.1]";
    let expected = [
        (refusal(Kind::Block, "b", ""), "is empty"),
        (
            refusal(Kind::Block, "b", "- 1"),
            "must be an object, is [1]",
        ),
        (
            refusal(Kind::Block, "b", "{kind: Block}"),
            "apiVersion: is missing, must be gingham.dev/v1alpha1",
        ),
        (
            refusal(Kind::Block, "b", &ours("Pod", "b", "{}")),
            "kind: must be Block, is \"Pod\"",
        ),
        (
            refusal(Kind::Block, "b", &ours("Block", "c", "{}")),
            "metadata.name: must be b, is \"c\"",
        ),
        (
            block("{cidr: 7}"),
            "spec.cidr: invalid type: integer `7`, expected a string",
        ),
        (
            block("{cidr: 10.0.0.1/24}"),
            "spec.cidr: prefix 10.0.0.1/24: has bits set behind its length; 10.0.0.0/24 is meant?",
        ),
        (block("{cidr: 10.0.0.0/24}"), "spec: missing field `pool`"),
        (
            block(&format!("{{cidr: 10.0.0.0/24, {full}, state: Gone}}")),
            "spec.state: unknown variant `Gone`, expected one of `Active`, `Draining`, `Orphaned`",
        ),
        (
            block(&format!("{{cidr: 10.0.0.0/24, {full}}}")),
            "metadata.name: b must be 10-0-0-0-24 for spec.cidr 10.0.0.0/24",
        ),
        (
            pool("{zone: z1, cidrs: [{cidr: x/8}]}"),
            "spec.cidrs[0].cidr: prefix \"x/8\": must be an address and a length, such as 10.64.0.0/16 or fd00:10::/48",
        ),
        (
            pool("{zone: z1, cidrs: [{cidr: 127.0.0.0/16}]}"),
            "spec.cidrs[0].cidr 127.0.0.0/16: overlaps 127.0.0.0/8, which pods cannot use",
        ),
        (
            config("{zones: [{name: z1, asNumber: 0}]}"),
            "spec.zones[0].asNumber: 0 is reserved (RFC 7607)",
        ),
        (
            config("{zones: [{name: z1, asNumber: 5000000000}]}"),
            "spec.zones[0].asNumber: invalid value: integer `5000000000`, expected u32",
        ),
        (
            config("{zones: [{name: z1, asNumber: 1}, {name: z1, asNumber: 2}]}"),
            "spec.zones[1].name: z1 is given twice",
        ),
        (
            config("{zones: [{name: z1, asNumber: 1, nodeCIDRs: [10.0.0.0]}]}"),
            "spec.zones[0].nodeCIDRs[0]: prefix \"10.0.0.0\": must be an address and a length, such as 10.64.0.0/16 or fd00:10::/48",
        ),
        (
            config("{paused: maybe}"),
            "spec.paused: invalid type: string \"maybe\", expected a boolean",
        ),
        (
            config("{zoneLabel: ''}"),
            "spec.zoneLabel: \"\" is no label key",
        ),
    ];
    for (found, expected) in expected {
        assert_eq!(found, expected);
    }
    let broken = refusal(Kind::Block, "b", "spec: {cidr: [");
    assert!(
        broken.starts_with("no YAML: ") && !broken.contains('\n'),
        "{broken}"
    );
}

#[test]
fn unknown_fields_are_told_and_kept() {
    let block = block("10.64.0.0/26", "w1", &["10.1.0.1"]);
    let name = Block::object_name(block.cidr);
    let text = render(&block, None).unwrap() + "status: {orphanedSince: now}\n";
    let text = text
        .replace("spec:\n", "spec:\n  colour: red\n")
        .replace("metadata:\n", "metadata:\n  generation: 4\n");
    let parsed = parse(Kind::Block, &name, &text).unwrap();
    assert_eq!(parsed.unknown, ["spec.colour"]);
    let moved = Block {
        zone: "z2".parse().unwrap(),
        ..block
    };
    let text = render(&moved, Some(&text)).unwrap();
    for kept in ["colour: red", "generation: 4", "orphanedSince: now"] {
        assert!(text.contains(kept), "{text}");
    }
    assert_eq!(
        parse(Kind::Block, &name, &text).unwrap().object,
        Object::Block(moved)
    );
}

proptest! {
    #[test]
    fn a_block_survives_being_written(v4 in any::<u32>(), v6 in any::<u128>(), length in 8u8..=32) {
        let prefixes = [
            Prefix::containing(Ipv4Addr::from(v4).into(), length).unwrap(),
            Prefix::containing(Ipv6Addr::from(v6).into(), length * 4).unwrap(),
        ];
        for cidr in prefixes {
            let name = Block::object_name(cidr);
            prop_assert_eq!(block_prefix(&name), Some(cidr));
            let block = Block { cidr, ..block("10.64.0.0/26", "w1", &["10.1.0.1", "fd00:1::1"]) };
            let text = render(&block, None).unwrap();
            prop_assert_eq!(parse(Kind::Block, &name, &text).unwrap().object, Object::Block(block));
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        for kind in Kind::ALL {
            let _ = parse(kind, "x", &text);
        }
        let _ = block_prefix(&text);
    }
}

#[test]
fn what_names_no_block_is_no_prefix() {
    for name in [
        "bad",
        "10-64-0-1-26",
        "10-64-0-0-33",
        "010-64-0-0-26",
        "fd00-10-26",
        "::-64",
    ] {
        assert_eq!(block_prefix(name), None, "{name}");
    }
}
