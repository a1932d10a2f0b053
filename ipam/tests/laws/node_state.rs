//! `node.json`: what is read, what is refused and in which words.

use crate::builders::{BOOT, OTHER_BOOT, boot};
use gingham_ipam::{BootId, NodeState, Unusable};
use gingham_model::Family;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn document() -> Value {
    json!({
        "version": 1, "bootId": BOOT, "node": "z1w1", "zone": "z1", "mtu": 1500,
        "families": ["IPv4", "IPv6"],
        "blocks": [
            {"cidr": "10.64.3.0/26", "pool": "z1", "state": "Active"},
            {"cidr": "fd00:10::40/122", "pool": "z1", "state": "Active"},
        ],
        "cooldownSeconds": 120,
    })
}

/// The document with the value at this JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut document = document();
    *document.pointer_mut(pointer).unwrap() = value;
    document.to_string().into_bytes()
}

fn refusal(bytes: &[u8]) -> String {
    NodeState::parse(bytes).unwrap_err().to_string()
}

#[test]
fn a_refusal_names_the_field_and_the_value() {
    for (pointer, value, message) in [
        (
            "/version",
            json!(2),
            "version 2: this release reads version 1 only",
        ),
        (
            "/bootId",
            json!("x"),
            "bootId \"x\": boot id \"x\": must be a UUID",
        ),
        (
            "/node",
            json!("A b"),
            "node \"A b\": node name \"A b\": must be 1 to 253",
        ),
        ("/zone", json!(""), "zone \"\": zone \"\": must be 1 to 63"),
        (
            "/mtu",
            json!(0),
            "mtu 0: must be 1280 (RFC 8200, section 5) to 65535",
        ),
        ("/mtu", json!(-1), "mtu -1: invalid value"),
        ("/mtu", json!("1500"), "mtu \"1500\": invalid type"),
        (
            "/families",
            json!([]),
            "families []: must name one family or both",
        ),
        (
            "/families",
            json!(["IPv4", "IPv4"]),
            "families [\"IPv4\",\"IPv4\"]: must name",
        ),
        (
            "/families",
            json!(["IPX"]),
            "families [\"IPX\"]: unknown variant `IPX`",
        ),
        ("/blocks", json!({}), "blocks {}: invalid type"),
        ("/blocks/1", json!(7), "blocks[1] 7: must be an object"),
        (
            "/blocks/1",
            json!({"cidr": "10.0.0.0/26"}),
            "blocks[1].pool: missing",
        ),
        (
            "/blocks/0/cidr",
            json!("10.64.3.1/26"),
            "blocks[0].cidr \"10.64.3.1/26\": prefix",
        ),
        (
            "/blocks/1/cidr",
            json!("10.64.0.0/16"),
            "blocks[1].cidr \"10.64.0.0/16\": overlaps 10.64.3.0/26 of the same node",
        ),
        (
            "/blocks/0/state",
            json!("Orphaned"),
            "blocks[0].state \"Orphaned\": unknown variant `Orphaned`",
        ),
        (
            "/cooldownSeconds",
            json!(1.5),
            "cooldownSeconds 1.5: invalid type",
        ),
    ] {
        let error = refusal(&with(pointer, value));
        assert!(error.starts_with(message), "{error}\n not {message}");
    }
}

#[test]
fn every_field_must_be_there() {
    for field in document().as_object().unwrap().keys() {
        let mut document = document();
        document.as_object_mut().unwrap().remove(field);
        assert_eq!(
            refusal(document.to_string().as_bytes()),
            format!("{field}: missing")
        );
    }
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    assert_eq!(refusal(b""), "the file is empty");
    assert_eq!(refusal(b" \n"), "the file is empty");
    assert_eq!(
        refusal(b"{\"version\": 1"),
        "EOF while parsing an object at line 1 column 13"
    );
    assert!(refusal(b"[]").starts_with("invalid type: sequence"));
    let twice = document()
        .to_string()
        .replace("\"mtu\":1500", "\"mtu\":1500,\"mtu\":9000");
    assert!(refusal(twice.as_bytes()).starts_with("duplicate field `mtu` at line 1"));
}

#[test]
fn no_truncation_of_the_file_is_taken_for_the_whole() {
    let whole = document().to_string();
    for end in 0..whole.len() {
        assert!(NodeState::parse(&whole.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn unknown_fields_survive_a_rewrite() {
    let mut newer = document();
    newer["drainAfter"] = json!({"seconds": [1, 2]});
    newer["blocks"][0]["weight"] = json!(3);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.json");
    NodeState::parse(newer.to_string().as_bytes())
        .unwrap()
        .write(&path)
        .unwrap();
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(written, newer);
}

#[test]
fn the_file_is_replaced_whole_and_readable_by_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.json");
    assert!(NodeState::read(&path).unwrap_err().is_missing());
    fs::write(
        dir.path().join("node.json.tmp"),
        "left by a killed writer, and longer".repeat(99),
    )
    .unwrap();
    let state = NodeState::parse(document().to_string().as_bytes()).unwrap();
    state.write(&path).unwrap();
    assert_eq!(NodeState::read(&path).unwrap(), state);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );

    let error = NodeState { mtu: 0, ..state }
        .write(&path)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("{}: mtu 0: must be", path.display())),
        "{error}"
    );
    assert!(NodeState::read(&path).is_ok(), "the last valid one is kept");
}

#[test]
fn a_state_of_another_boot_or_without_an_active_block_is_of_no_use() {
    let parse = |bytes: Vec<u8>| NodeState::parse(&bytes).unwrap();
    assert_eq!(parse(with("/mtu", json!(9000))).usable(&boot()), Ok(()));
    let error = parse(with("/bootId", json!(OTHER_BOOT)))
        .usable(&boot())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("bootId {OTHER_BOOT}: of another boot, this one is {BOOT}")
    );
    for blocks in [json!([]), json!([document()["blocks"][0]])] {
        let state = parse(with("/blocks", blocks));
        assert!(matches!(
            state.usable(&boot()),
            Err(Unusable::NoActiveBlock(_))
        ));
    }
    let draining = parse(with("/blocks/1/state", json!("Draining")));
    assert_eq!(
        draining.usable(&boot()),
        Err(Unusable::NoActiveBlock(Family::V6))
    );
    let only_v4 = NodeState {
        families: vec![Family::V4],
        ..draining
    };
    assert_eq!(only_v4.usable(&boot()), Ok(()));
}

#[test]
fn the_kernel_says_which_boot_this_is() {
    let ours = BootId::of_this_boot().unwrap();
    assert_eq!(BootId::of_this_boot().unwrap(), ours);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boot_id");
    fs::write(&path, "not-an-id\n").unwrap();
    let error = BootId::read(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!(
        "{}: boot id \"not-an-id\": must be a UUID",
        path.display()
    )));
}
