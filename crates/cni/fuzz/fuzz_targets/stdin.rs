//! Any bytes on stdin and in the variables, for every verb: a request, or a document that a runtime
//! can read. An input is three lines, container ID, interface and namespace, and then stdin.
#![no_main]

use gingham_cni::{Command, Environment, Request};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const VARIABLES: [&str; 3] = ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"];

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(4, |byte| *byte == b'\n');
    let vars = VARIABLES.map(|name| {
        let value = parts.next().unwrap_or_default();
        (name.into(), OsStr::from_bytes(value).to_owned())
    });
    let env = Environment::from_vars(vars);
    let stdin = parts.next().unwrap_or_default();
    for command in Command::ALL {
        let Err(error) = Request::parse(command, &env, stdin) else {
            continue;
        };
        let document: Value = serde_json::from_str(&error.to_json()).expect("an error is JSON");
        assert_eq!(document["code"], error.code.number());
        assert!(!error.msg.is_empty() && error.msg.len() < 4096, "{error}");
    }
});
