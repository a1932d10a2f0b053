//! The custom resources in a real API server: what it takes, what it refuses by name, what it prints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod crds_world;

use crds_world::{PLURALS, World, documents};
use gingham_model::{Aggregate, Block, BlockSize, CidrState, Pool, PoolCidr, PoolSpec, Prefix};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};

const ACCEPTED: &str = include_str!("../../node-agent/tests/objects/accepted.yaml");
const REFUSED: &str = include_str!("../../node-agent/tests/objects/refused.yaml");

#[test]
fn the_definitions_are_taken_without_a_warning_and_stay_as_they_are() {
    let world = World::bare();
    let apply = [
        "apply",
        "--server-side",
        "--warnings-as-errors",
        "-f",
        crds_world::DEPLOYED,
    ];
    let said = world.kubectl(&apply).unwrap();
    assert!(!said.contains("Warning"), "{said}");
    for plural in PLURALS {
        let name = format!("customresourcedefinitions/{plural}.gingham.dev");
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            &name,
        ];
        world.kubectl(&wait).unwrap();
        let definition = world.definition(plural);
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        let bad = conditions
            .iter()
            .find(|one| one["type"] == "NonStructuralSchema");
        assert_eq!(bad, None);
        assert_eq!(definition["metadata"]["generation"], 1);
    }
    world.kubectl(&apply).unwrap();
    for plural in PLURALS {
        assert_eq!(
            world.definition(plural)["metadata"]["generation"],
            1,
            "{plural}"
        );
    }
}

#[test]
fn what_is_wrong_is_refused_by_name_and_what_is_right_is_taken() {
    let world = World::start();
    let mut wrong = Vec::new();
    for object in documents(ACCEPTED) {
        match world.try_create(&object) {
            Ok(made) => assert!(holds(&made["spec"], &object["spec"]), "{made}"),
            Err(why) => wrong.push(format!("refused: {object}: {why}")),
        }
    }
    for object in documents(REFUSED) {
        let expected = object["metadata"]["annotations"]["refused"]
            .as_str()
            .unwrap();
        match world.try_create(&object) {
            Ok(_) => wrong.push(format!("taken: {object}")),
            Err(why) if why.contains(expected) => {}
            Err(why) => wrong.push(format!("{why}\n  has no {expected}: {object}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    for (kind, spec, field) in [
        (
            "BGPPeer",
            json!({"peerIP": "10.1.0.1", "bfd": {}}),
            "spec.bfd",
        ),
        (
            "RouteFilter",
            json!({"export": [{"name": "r", "then": "accept", "prefix": ["10.0.0.0/8"]}]}),
            "spec.export[0].prefix",
        ),
    ] {
        let why = world.try_create(&object(kind, "p", spec)).unwrap_err();
        assert!(why.contains(&format!("unknown field \"{field}\"")), "{why}");
    }
}

/// Whether everything `given` says is so in `full`.
fn holds(full: &Value, given: &Value) -> bool {
    match given {
        Value::Object(fields) => fields.iter().all(|(key, value)| holds(&full[key], value)),
        Value::Array(items) => {
            let pairs = items.iter().enumerate();
            full.as_array()
                .is_some_and(|full| full.len() == items.len())
                && pairs.into_iter().all(|(at, value)| holds(&full[at], value))
        }
        plain => full == plain,
    }
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

#[test]
fn a_pool_grows_and_drains_but_never_shrinks() {
    let world = World::start();
    let cidrs = |cidrs: &[(&str, &str)]| -> Value {
        let each = cidrs
            .iter()
            .map(|(cidr, state)| json!({"cidr": cidr, "state": state}));
        json!({"cidrs": each.collect::<Value>()})
    };
    let mut spec = cidrs(&[("10.64.0.0/16", "Active"), ("10.65.0.0/16", "Active")]);
    spec["zone"] = json!("z1");
    world.api.create(&object("ZonePool", "p", spec)).unwrap();
    let change = |spec: Value| world.change("ZonePool", "p", spec);
    let gone = "spec.cidrs: Invalid value: cidrs must not be taken away, blocks of them may be in use; \
                set state: Draining instead: ";
    for (spec, expected) in [
        (
            json!({"zone": "z2"}),
            "spec.zone: Invalid value: \"z2\": zone is immutable",
        ),
        (
            json!({"blockSize": {"v4": 27}}),
            "blockSize is immutable: blocks of that size are in use",
        ),
        (
            cidrs(&[("10.64.0.0/16", "Active")]),
            &format!("{gone}10.65.0.0/16"),
        ),
        (
            cidrs(&[("10.64.0.0/17", "Active"), ("10.65.0.0/16", "Active")]),
            &format!("{gone}10.64.0.0/16"),
        ),
        (
            cidrs(&[("10.64.0.0/15", "Active")]),
            &format!("{gone}10.64.0.0/16"),
        ),
    ] {
        let why = change(spec).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    for spec in [
        cidrs(&[("10.65.0.0/16", "Active"), ("10.64.0.0/16", "Draining")]),
        cidrs(&[
            ("10.64.0.0/16", "Draining"),
            ("10.65.0.0/16", "Active"),
            ("fd00:10::/48", "Active"),
        ]),
        cidrs(&[
            ("10.64.0.0/16", "Active"),
            ("10.65.0.0/16", "Draining"),
            ("fd00:10::/48", "Active"),
        ]),
        json!({"aggregate": "Zone", "natOutgoing": false, "cooldownSeconds": 5}),
        json!({"blockSize": {"v4": 26}}),
    ] {
        change(spec).unwrap();
    }
}

#[test]
fn a_block_moves_with_its_node_and_to_no_other() {
    let world = World::start();
    let block = json!({
        "cidr": "10.64.3.0/26", "pool": "p", "zone": "z1", "node": "w1", "nodeUID": "u1",
        "nodeIPs": ["10.1.0.1"],
    });
    world
        .api
        .create(&object("Block", "10-64-3-0-26", block))
        .unwrap();
    let change = |spec: Value| world.change("Block", "10-64-3-0-26", spec);
    for (field, value) in [("cidr", "10.64.3.64/26"), ("pool", "q"), ("node", "w2")] {
        let why = change(json!({field: value})).unwrap_err();
        let expected = format!("spec.{field}: Invalid value: \"{value}\": {field} is immutable");
        assert!(why.contains(&expected), "{why}");
    }
    change(json!({"zone": "z2", "nodeUID": "u2", "nodeIPs": ["10.2.0.1", "fd00:2::1"]})).unwrap();
    change(json!({"state": "Orphaned"})).unwrap();
    // podCIDR mode takes a block that the Node lists as it stands.
    change(json!({"pool": "node-pod-cidrs"})).unwrap();

    // What lies below status is written there alone.
    let since = json!({"orphanedSince": "2026-11-28T02:00:00Z"});
    world
        .api
        .patch("Block", "10-64-3-0-26", json!({"status": since}))
        .unwrap();
    let read = || world.api.get("Block", "10-64-3-0-26").unwrap().unwrap();
    assert_eq!(read()["status"], Value::Null);
    world
        .api
        .patch_status("Block", "10-64-3-0-26", since.clone())
        .unwrap();
    assert_eq!(read()["status"], since);
    let bad = json!({"orphanedSince": "yesterday"});
    let why = world
        .api
        .patch_status("Block", "10-64-3-0-26", bad)
        .unwrap_err();
    let why = format!("{why:#}");
    assert!(why.contains("status.orphanedSince"), "{why}");
}

#[test]
fn conditions_are_those_of_kubernetes() {
    let world = World::start();
    world
        .api
        .create(&object("RoutingConfig", "default", json!({})))
        .unwrap();
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "Valid", "message": "",
            "observedGeneration": 1, "lastTransitionTime": "2026-11-28T02:00:00Z",
        })
    };
    let write = |conditions: &[Value]| {
        let status = json!({"observedGeneration": 1, "conditions": conditions});
        let answer = world.api.patch_status("RoutingConfig", "default", status);
        answer.map(|_| ()).map_err(|error| format!("{error:#}"))
    };
    let (yes, no) = (
        condition("Accepted", "True"),
        condition("Accepted", "False"),
    );
    let why = write(&[yes.clone(), no]).unwrap_err();
    assert!(
        why.contains("status.conditions[1]: Duplicate value"),
        "{why}"
    );
    let why = write(&[condition("Accepted", "maybe")]).unwrap_err();
    assert!(
        why.contains("status.conditions[0].status: Unsupported value"),
        "{why}"
    );
    let why = write(&[json!({"type": "Accepted"})]).unwrap_err();
    assert!(
        why.contains("status.conditions[0].lastTransitionTime: Required value"),
        "{why}"
    );
    write(&[yes, condition("Other", "Unknown")]).unwrap();
    let line = world.line(&["rtcfg", "default"]);
    assert_eq!(line[..4], ["default", "false", "30", "True"]);
}

#[test]
fn blocks_are_selected_by_zone_and_by_node_and_columns_tell_the_state() {
    let world = World::start();
    let block = |name: &str, zone: &str, node: &str| {
        let cidr = name.replacen('-', ".", 3).replace('-', "/");
        let spec = json!({
            "cidr": cidr, "pool": "p", "zone": zone, "node": node, "nodeUID": "u",
            "nodeIPs": ["10.1.0.1", "fd00:1::1"],
        });
        world.api.create(&object("Block", name, spec)).unwrap();
    };
    block("10-64-1-0-26", "z1", "w1");
    block("10-64-2-0-26", "z2", "w1");
    block("10-64-3-0-26", "z1", "w3");
    let one = ["10-64-1-0-26", "10-64-3-0-26"];
    assert_eq!(world.blocks_where("spec.zone=z1"), one);
    assert_eq!(
        world.blocks_where("spec.node=w1"),
        ["10-64-1-0-26", "10-64-2-0-26"]
    );
    assert_eq!(
        world.blocks_where("spec.node=w1,spec.zone!=z1"),
        ["10-64-2-0-26"]
    );
    world
        .change("Block", "10-64-2-0-26", json!({"state": "Orphaned"}))
        .unwrap();
    let since = json!({"orphanedSince": "2026-01-01T00:00:00Z"});
    world
        .api
        .patch_status("Block", "10-64-2-0-26", since)
        .unwrap();
    let line = world.line(&["blk", "10-64-2-0-26"]);
    let told = ["10-64-2-0-26", "10.64.2.0/26", "w1", "z2", "Orphaned"];
    assert_eq!(line[..5], told);
    assert!(line[5].ends_with('d') && line[6] == "p", "{line:?}");

    let pool = json!({"zone": "z1", "cidrs": [{"cidr": "10.64.0.0/16"}, {"cidr": "fd00:10::/48", "state": "Draining"}]});
    world.api.create(&object("ZonePool", "p", pool)).unwrap();
    let line = world.line(&["zp", "p"]).join(" ");
    let cidrs =
        r#"[{"cidr":"10.64.0.0/16","state":"Active"},{"cidr":"fd00:10::/48","state":"Draining"}]"#;
    assert!(line.starts_with(&format!("p z1 {cidrs} None ")), "{line}");
    let peer = json!({"peerIP": "10.250.1.0", "asNumber": 64512, "zone": "z1", "node": "m1"});
    world.api.create(&object("BGPPeer", "core", peer)).unwrap();
    let line = world.line(&["bgpp", "core"]);
    assert_eq!(line[..5], ["core", "z1", "m1", "10.250.1.0", "64512"]);
    world
        .api
        .create(&object("RouteFilter", "f", json!({})))
        .unwrap();
    assert_eq!(world.line(&["rtf", "f"])[0], "f");
    let all = world.kubectl(&["get", "gingham", "-o", "name"]).unwrap();
    assert_eq!(all.lines().count(), 6, "{all}");
}

/// What a value is spelled like: a prefix, with a bit too many here and there, or with a letter changed.
fn spellings() -> impl Strategy<Value = String> {
    let v4 =
        (any::<u32>(), 0u8..=34).prop_map(|(bits, length)| spelled(Ipv4Addr::from(bits), length));
    let v6 =
        (any::<u128>(), 0u8..=130).prop_map(|(bits, length)| spelled(Ipv6Addr::from(bits), length));
    let masked = prefixes().prop_map(|prefix| prefix.to_string());
    let broken = (prefixes(), any::<prop::sample::Index>(), "[0-9a-f:./ +-]").prop_map(
        |(prefix, at, letter)| {
            let mut text = prefix.to_string();
            let at = at.index(text.len());
            text.replace_range(at..=at, &letter);
            text
        },
    );
    prop_oneof![v4, v6, masked, broken]
}

fn spelled(address: impl std::fmt::Display, length: u8) -> String {
    format!("{address}/{length}")
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    let v4 = (any::<u32>(), 0u8..=32)
        .prop_map(|(bits, length)| Prefix::containing(Ipv4Addr::from(bits).into(), length));
    let v6 = (any::<u128>(), 0u8..=128)
        .prop_map(|(bits, length)| Prefix::containing(Ipv6Addr::from(bits).into(), length));
    prop_oneof![v4, v6].prop_map(Result::unwrap)
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn whatever_prefix_the_api_server_takes_the_agent_takes_and_so_back() {
    let world = World::start();
    let taken = |text: &str| {
        let spec = json!({"zones": [{"name": "z1", "asNumber": 1, "nodeCIDRs": [text]}]});
        world.try_create(&object("RoutingConfig", "default", spec))
    };
    let agree = |text: String| {
        let (api, agent) = (taken(&text), text.parse::<Prefix>());
        let canonical = agent
            .as_ref()
            .is_ok_and(|prefix| prefix.to_string() == text);
        prop_assert!(api.is_err() || agent.is_ok(), "{}", text);
        prop_assert!(api.is_ok() || !canonical, "{}: {:?}", text, api);
        Ok(())
    };
    runner(400).run(&spellings(), agree).unwrap();
    let named = |(cidr, other): (Prefix, Prefix)| {
        let block = |name: &str| {
            let spec = json!({
                "cidr": cidr, "pool": "p", "zone": "z1", "node": "w1", "nodeUID": "u", "nodeIPs": [],
            });
            world.try_create(&object("Block", name, spec))
        };
        let own = block(&Block::object_name(cidr));
        prop_assert!(own.is_ok(), "{}: {:?}", cidr, own);
        let wrong = block(&Block::object_name(other));
        prop_assert!(
            cidr == other || wrong.is_err(),
            "{} named as {}",
            cidr,
            other
        );
        Ok(())
    };
    runner(200).run(&(prefixes(), prefixes()), named).unwrap();
}

/// Pools of few addresses, so that much overlaps.
fn pools() -> impl Strategy<Value = PoolSpec> {
    let v4 = (
        prop_oneof![Just(10u8), Just(127), Just(169), any::<u8>()],
        0u8..4,
        0u8..4,
        0u8..=30,
    )
        .prop_map(|(a, b, c, length)| Prefix::containing(Ipv4Addr::new(a, b, c, 0).into(), length));
    let v6 = (
        prop_oneof![Just(0xfd00u16), Just(0), Just(0xfe80)],
        0u16..4,
        0u8..=126,
    )
        .prop_map(|(a, b, length)| {
            Prefix::containing(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0).into(), length)
        });
    let cidr = prop_oneof![v4, v6].prop_map(|cidr| PoolCidr {
        cidr: cidr.unwrap(),
        state: CidrState::Active,
    });
    let size = (1u8..=32, 1u8..=128).prop_map(|(v4, v6)| BlockSize { v4, v6 });
    (prop::collection::vec(cidr, 0..4), size).prop_map(|(cidrs, block_size)| PoolSpec {
        zone: "z1".parse().unwrap(),
        cidrs,
        block_size,
        aggregate: Aggregate::None,
        nat_outgoing: true,
        cooldown_seconds: 120,
    })
}

#[test]
fn the_api_server_takes_the_pools_the_agent_takes_and_no_others() {
    let world = World::start();
    let agree = |spec: PoolSpec| {
        let api = world.try_create(&object("ZonePool", "p", json!(spec)));
        let agent = Pool::new("p".parse().unwrap(), spec);
        prop_assert!(api.is_ok() == agent.is_ok(), "{:?} but {:?}", api, agent);
        Ok(())
    };
    runner(400).run(&pools(), agree).unwrap();
}
