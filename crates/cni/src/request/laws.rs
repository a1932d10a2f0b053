//! What holds for every input.

use super::tests::{POD, parse};
use super::*;
use crate::conf::tests::conf_with;
use proptest::prelude::*;
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn any_bytes() -> impl Strategy<Value = OsString> {
    prop_oneof![
        "[A-Za-z0-9=;./%: _-]{0,24}".prop_map(OsString::from),
        proptest::collection::vec(any::<u8>(), 0..24).prop_map(OsString::from_vec),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!("1.1.0")),
        ".{0,16}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("cni|ips|mac|IPs|interfaces|routes|ip4|address|dst|containerID|ifname|gingham.dev/ipv4|io.kubernetes.cri.pod-annotations|[a-z]{0,4}", inner, 0..4)
                .prop_map(|keys| Value::Object(keys.into_iter().collect())),
        ]
    })
}

/// Keys that are read of a configuration.
const KEYS: [&str; 17] = [
    "cniVersion",
    "name",
    "type",
    "runDir",
    "logFile",
    "logLevel",
    "mtu",
    "cooldownSeconds",
    "disableGC",
    "statusOnExhaustion",
    "proxyArp",
    "ipam",
    "prevResult",
    "runtimeConfig",
    "args",
    "cni.dev/valid-attachments",
    "cni.dev/attachments",
];

/// Whether a message begins with the key, the variable or the stream that it is about.
fn names_something(msg: &str) -> bool {
    let begins = |name: &str| {
        msg.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', ':', ',', '.', '[']))
    };
    let sources = ["stdin", "annotation", "CNI_ARGS"];
    let variables = ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"];
    KEYS.iter()
        .chain(&sources)
        .chain(&variables)
        .any(|name| begins(name))
}

/// A configuration that is right but for a few keys with anything in them.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let key = proptest::sample::select(KEYS.to_vec());
    proptest::collection::btree_map(key, any_value(), 0..3)
        .prop_map(|keys| conf_with(json!(keys)).to_string().into_bytes())
}

proptest! {
    /// Whatever comes in: no panic, and what is refused is refused in a document that a runtime
    /// can read.
    #[test]
    fn anything_is_a_request_or_a_well_formed_error(
        command in proptest::sample::select(Command::ALL.to_vec()),
        id in any_bytes(), ifname in any_bytes(), netns in any_bytes(), args in any_bytes(),
        stdin in prop_oneof![nearly_right(), proptest::collection::vec(any::<u8>(), 0..64)],
    ) {
        let vars = [("CNI_CONTAINERID", id), ("CNI_IFNAME", ifname), ("CNI_NETNS", netns), ("CNI_ARGS", args)];
        let env = Environment::from_vars(vars.map(|(name, value)| (name.into(), value)));
        match Request::parse(command, &env, &stdin) {
            Ok(Request::Version(reply)) => {
                prop_assert!(serde_json::from_str::<Value>(&reply.to_json()).is_ok());
            }
            Ok(request) => prop_assert!(Version::ALL.contains(&request.version())),
            Err(error) => {
                let document: Value = serde_json::from_str(&error.to_json()).unwrap();
                prop_assert_eq!(&document["code"], error.code.number());
                prop_assert!(names_something(&error.msg) && error.msg.len() < 2000, "{}", error);
            }
        }
    }

    /// A typing error in an optional key never holds a pod.
    #[test]
    fn no_optional_key_stops_a_del(
        keys in proptest::collection::btree_map(
            "logFile|logLevel|mtu|cooldownSeconds|disableGC|proxyArp|ipam|prevResult|runtimeConfig",
            any_value(),
            0..4,
        ),
        args in any_bytes(),
    ) {
        let vars = POD.iter().map(|(k, v)| (k.into(), v.into()));
        let env = Environment::from_vars(vars.chain([("CNI_ARGS".into(), args)]));
        prop_assert!(parse(Command::Del, &env, &conf_with(json!(keys))).is_ok());
    }

    #[test]
    fn any_command_is_known_or_refused(text in any_bytes()) {
        let env = Environment::from_vars([("CNI_COMMAND".into(), text.clone())]);
        if let Err(error) = env.command() {
            prop_assert_eq!(error.code, Code::InvalidEnvironment);
        }
    }
}
