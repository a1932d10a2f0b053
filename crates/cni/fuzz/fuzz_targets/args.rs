//! Any bytes in `CNI_ARGS`: read, or refused by that name.
#![no_main]

use gingham_cni::{Command, Environment, Request};
use libfuzzer_sys::fuzz_target;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const CONF: &[u8] = br#"{"cniVersion": "1.1.0", "name": "gingham", "type": "gingham"}"#;

fuzz_target!(|args: &[u8]| {
    let vars = [
        ("CNI_CONTAINERID", OsStr::new("c0ffee")),
        ("CNI_IFNAME", OsStr::new("eth0")),
        ("CNI_NETNS", OsStr::new("/run/netns/p1")),
        ("CNI_ARGS", OsStr::from_bytes(args)),
    ];
    let env = Environment::from_vars(vars.map(|(name, value)| (name.into(), value.to_owned())));
    match Request::parse(Command::Add, &env, CONF) {
        Ok(Request::Add(add)) => assert!(add.pod.is_none_or(|pod| !pod.name.is_empty())),
        Ok(other) => panic!("{other:?}"),
        Err(error) => assert!(error.msg.contains("CNI_ARGS"), "{error}"),
    }
    assert!(Request::parse(Command::Del, &env, CONF).is_ok());
});
