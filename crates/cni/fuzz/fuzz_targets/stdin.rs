//! Any bytes on stdin, for every verb: a request, or a document that a runtime can read.
#![no_main]

use gingham_cni::{Command, Environment, Request};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|stdin: &[u8]| {
    let vars = [
        ("CNI_CONTAINERID", "c0ffee"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_NETNS", "/run/netns/p1"),
    ];
    let env = Environment::from_vars(vars.map(|(name, value)| (name.into(), value.into())));
    for command in Command::ALL {
        let Err(error) = Request::parse(command, &env, stdin) else {
            continue;
        };
        let document: Value = serde_json::from_str(&error.to_json()).expect("an error is JSON");
        assert_eq!(document["code"], error.code.number());
        assert!(!error.msg.is_empty() && error.msg.len() < 4096, "{error}");
    }
});
