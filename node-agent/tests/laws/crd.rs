//! What the API server is told of the custom resources, beside what the agent reads of them.

mod schema;

use crate::make::{block, object};
use crate::peers::specs;
use gingham_agent::crd;
use gingham_agent::manifest::{manifest, of_value};
use gingham_agent::objects::{Kind, Object};
use gingham_model::{Block, BlockState, Prefix};
use proptest::prelude::*;
use schema::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

const DEPLOYED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/chart/crds/crds.yaml"
);
const ACCEPTED: &str = include_str!("../objects/accepted.yaml");
const REFUSED: &str = include_str!("../objects/refused.yaml");

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

/// The object as it comes out of the type of its custom resource.
fn through_its_type(object: &Value) -> Value {
    fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
        let typed: T = serde_json::from_value(object.clone()).unwrap();
        serde_json::to_value(typed).unwrap()
    }
    match kind(object) {
        "ZonePool" => through::<crd::ZonePool>(object),
        "Block" => through::<crd::Block>(object),
        "RoutingConfig" => through::<crd::RoutingConfig>(object),
        "BGPPeer" => through::<crd::BGPPeer>(object),
        "RouteFilter" => through::<crd::RouteFilter>(object),
        other => panic!("no resource of ours: {other}"),
    }
}

/// Without what says nothing: nulls, which the API server drops, and empty lists.
fn terse(value: &Value) -> Value {
    let silent = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !silent(value));
            said.map(|(key, value)| (key.clone(), terse(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(terse).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_deployed_definitions_are_those_of_the_agent() {
    let deployed = std::fs::read_to_string(DEPLOYED).unwrap_or_default();
    assert!(
        deployed == crd::yaml().unwrap(),
        "deploy/chart/crds/crds.yaml is out of date: cargo run -p gingham-agent -- crds > deploy/chart/crds/crds.yaml"
    );
    let list: Value = serde_json::from_str(&crd::json().unwrap()).unwrap();
    assert_eq!(list["items"], Value::from(documents(&deployed)));
}

#[test]
fn there_is_a_definition_of_every_kind_of_ours() {
    let definitions = crd::definitions().unwrap();
    let found = definitions.iter().map(|definition| {
        let spec = &definition["spec"];
        assert_eq!(spec["group"], "gingham.dev");
        assert_eq!(spec["scope"], "Cluster");
        assert_eq!(spec["names"]["categories"][0], "gingham");
        assert!(spec["names"]["shortNames"][0].is_string(), "{spec}");
        let version = &spec["versions"][0];
        assert_eq!(version["name"], "v1alpha1");
        assert_eq!(version["subresources"]["status"], serde_json::json!({}));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&spec["names"]["kind"]), text(&spec["names"]["plural"]))
    });
    let ours = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Node);
    let ours: Vec<_> = ours
        .map(|kind| (kind.to_string(), kind.plural().to_owned()))
        .collect();
    assert_eq!(found.collect::<Vec<_>>(), ours);
}

#[test]
fn every_part_of_a_schema_has_a_type_a_format_and_bounds_that_api_servers_know() {
    for definition in crd::definitions().unwrap() {
        let mut faults = Vec::new();
        Schema::of(&definition).check("", &mut faults);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn the_accepted_objects_have_every_field_of_every_schema() {
    for definition in crd::definitions().unwrap() {
        let schema = Schema::of(&definition);
        let mut all = BTreeSet::new();
        schema.fields("spec", &mut all);
        let mut said = BTreeSet::new();
        for object in documents(ACCEPTED) {
            if definition["spec"]["names"]["kind"] == object["kind"] {
                schema.said("spec", &object["spec"], &mut said);
            }
        }
        assert_eq!(said, all);
    }
}

#[test]
fn the_parser_takes_what_is_accepted_and_knows_every_field_of_it() {
    for object in documents(ACCEPTED) {
        let parsed = of_value(&object).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(parsed.unknown, Vec::<String>::new(), "{object}");
        assert_eq!(terse(&through_its_type(&object)), terse(&filled(&object)));
    }
}

#[test]
fn the_parser_refuses_what_is_refused_unless_that_does_no_harm() {
    for object in documents(REFUSED) {
        let harmless = &object["metadata"]["annotations"]["parser"];
        match of_value(&object) {
            Ok(_) => assert!(harmless.is_string(), "taken: {object}"),
            Err((_, why)) => assert!(harmless.is_null(), "{why}: {object}"),
        }
    }
}

/// The object with every default of its schema.
fn filled(object: &Value) -> Value {
    let definitions = crd::definitions().unwrap();
    let mut definitions = definitions.iter();
    let definition = definitions
        .find(|definition| definition["spec"]["names"]["kind"] == object["kind"])
        .unwrap();
    let mut object = object.clone();
    Schema::of(definition).fill(&mut object);
    object
}

#[test]
fn a_default_of_the_api_server_is_one_of_the_parser() {
    for object in documents(ACCEPTED) {
        let plain = of_value(&object).unwrap();
        let full = of_value(&filled(&object)).unwrap();
        assert_eq!(full.object, plain.object);
        // What is filled in is what the agent would write.
        let written = terse(&manifest(plain.object.clone()));
        let filled = terse(&filled(&written));
        assert_eq!(filled, written, "{object}");
    }
}

#[test]
fn what_the_agent_writes_is_of_the_type_without_loss() {
    let mut objects = specs();
    let states = [
        BlockState::Active,
        BlockState::Draining,
        BlockState::Orphaned,
    ];
    objects.extend(states.map(|state| {
        Object::Block(Block {
            state,
            ..block("10.64.0.0/26", "w1", &["10.1.0.1", "fd00:1::1"])
        })
    }));
    objects.push(object(Kind::BgpPeer, "p", "{peerSelector: {}}"));
    objects.extend(
        documents(ACCEPTED)
            .iter()
            .map(|object| of_value(object).unwrap().object),
    );
    for object in objects {
        let written = manifest(object.clone());
        let typed = through_its_type(&written);
        assert_eq!(terse(&typed), terse(&written));
        assert_eq!(of_value(&typed).unwrap().object, object);
    }
}

proptest! {
    #[test]
    fn every_block_is_of_the_type_without_loss(v4 in any::<u32>(), v6 in any::<u128>(), length in 0u8..=32) {
        let prefixes = [
            Prefix::containing(Ipv4Addr::from(v4).into(), length).unwrap(),
            Prefix::containing(Ipv6Addr::from(v6).into(), length * 4).unwrap(),
        ];
        for cidr in prefixes {
            let block = Block { cidr, ..block("10.64.0.0/26", "w1", &["10.1.0.1"]) };
            let typed = through_its_type(&manifest(Object::Block(block.clone())));
            prop_assert_eq!(of_value(&typed).unwrap().object, Object::Block(block));
        }
    }
}
