//! Every bad input is refused by name, with the specification's code, and loses nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_netlink::Netns;
use host::{Call, Host};
use serde_json::{Value, json};

fn pod() -> Netns {
    Netns::create().unwrap()
}

#[track_caller]
fn refused(host: &Host, call: &Call, code: u64, start: &str) {
    let (given, msg) = host.run(call).error();
    assert_eq!(given, code, "{msg}");
    assert!(
        msg.starts_with(start),
        "{msg:?} should start with {start:?}"
    );
    host.assert_clean();
}

#[test]
fn environment() {
    let (host, pod) = (Host::new(), pod());
    let add = host.call("ADD", "c1", &pod);
    refused(
        &host,
        &add.clone().with("CNI_COMMAND", "CHECK"),
        7,
        "prevResult: required for CHECK",
    );
    for verb in ["ADD", "DEL", "CHECK"] {
        let mut conf = host.conf();
        conf["prevResult"] = json!({});
        let bare = add
            .clone()
            .with("CNI_COMMAND", verb)
            .stdin(conf.to_string());
        let bare = bare.with("CNI_CONTAINERID", "").without("CNI_IFNAME");
        refused(&host, &bare, 4, "CNI_CONTAINERID, CNI_IFNAME: required for");
    }
    refused(
        &host,
        &add.clone().with("CNI_COMMAND", "add"),
        4,
        "CNI_COMMAND \"add\": ",
    );
    let missing = add.clone().without("CNI_NETNS").without("CNI_IFNAME");
    refused(
        &host,
        &missing,
        4,
        "CNI_IFNAME, CNI_NETNS: required for ADD",
    );
    refused(
        &host,
        &add.clone().with("CNI_IFNAME", "eth0/1"),
        4,
        "CNI_IFNAME \"eth0/1\": ",
    );
    refused(
        &host,
        &add.clone().with("CNI_CONTAINERID", "../x"),
        4,
        "CNI_CONTAINERID \"../x\": ",
    );
    refused(
        &host,
        &add.clone().with("CNI_ARGS", "FOO=1"),
        4,
        "CNI_ARGS \"FOO\": unknown key",
    );
    let args = "IgnoreUnknown=1;IP=10.101.21";
    refused(
        &host,
        &add.clone().with("CNI_ARGS", args),
        4,
        "CNI_ARGS IP \"10.101.21\": ",
    );
}

#[test]
fn a_namespace_that_is_none() {
    let (host, pod) = (Host::new(), pod());
    let add = host.call("ADD", "c1", &pod);
    let gone = add.clone().with("CNI_NETNS", "/run/netns/gone");
    refused(
        &host,
        &gone,
        4,
        "CNI_NETNS: network namespace /run/netns/gone: no such file",
    );
    let file = host.path("node.json");
    let plain = add.clone().with("CNI_NETNS", file.to_str().unwrap());
    refused(&host, &plain, 4, "CNI_NETNS: network namespace ");
    let own = add.with("CNI_NETNS", "/proc/self/ns/net");
    refused(
        &host,
        &own,
        8,
        "CNI_NETNS \"/proc/self/ns/net\": is the plugin's own namespace",
    );
}

#[test]
fn stdin() {
    let (host, pod) = (Host::new(), pod());
    let add = host.call("ADD", "c1", &pod);
    refused(&host, &add.clone().stdin(""), 6, "stdin: empty");
    refused(
        &host,
        &add.clone().stdin("{\"cniVersion\": "),
        6,
        "stdin: not JSON: ",
    );
    refused(
        &host,
        &add.clone().stdin("[]"),
        6,
        "stdin: must be a JSON object",
    );
    let with = |key: &str, value: Value| {
        let mut conf = host.conf();
        conf[key] = value;
        add.clone().stdin(conf.to_string())
    };
    for (key, value, code, start) in [
        ("name", json!("a/b"), 7, "name \"a/b\": "),
        ("name", Value::Null, 7, "name: required, but absent"),
        ("cniVersion", json!("1.3.0"), 1, "cniVersion \"1.3.0\": "),
        ("mtu", json!("big"), 7, "mtu \"big\": "),
        ("mtu", json!(67), 7, "mtu 67: "),
        ("mtu", json!(1000), 7, "mtu 1000: must be at least 1280"),
        ("runDir", json!("run"), 7, "runDir \"run\": "),
        ("cooldownSeconds", json!(-1), 7, "cooldownSeconds -1: "),
        ("logLevel", json!("loud"), 7, "logLevel \"loud\": "),
        (
            "ipam",
            json!({"type": "host-local"}),
            2,
            "ipam {\"type\":\"host-local\"}: ",
        ),
        (
            "prevResult",
            json!({"ips": [{"address": "x"}]}),
            7,
            "prevResult.ips[0].address \"x\": ",
        ),
    ] {
        refused(&host, &with(key, value), code, start);
    }
}

#[test]
fn stdin_of_a_megabyte_is_read_to_its_end() {
    let (host, pod) = (Host::new(), pod());
    let mut conf = host.conf();
    conf["runtimeConfig"] =
        json!({"io.kubernetes.cri.pod-annotations": {"big": "x".repeat(1 << 20)}});
    host.run(&host.call("ADD", "c1", &pod).stdin(conf.to_string()))
        .succeeded();
}

#[test]
fn node_state() {
    let (host, pod) = (Host::new(), pod());
    let add = host.call("ADD", "c1", &pod);
    let path = host.path("node.json").display().to_string();
    let good = host.node_state();
    let with = |pointer: &str, value: Value| {
        let mut state = good.clone();
        *state.pointer_mut(pointer).unwrap() = value;
        state.to_string()
    };
    for (text, code, rest) in [
        (String::new(), 6, "the file is empty"),
        ("{\"version\": 1".into(), 6, ""),
        (with("/version", json!(2)), 6, "version 2: "),
        (
            with("/bootId", json!("yesterday")),
            6,
            "bootId \"yesterday\": ",
        ),
        (with("/mtu", json!(0)), 6, "mtu 0: "),
        (with("/families", json!([])), 6, "families []: "),
        (
            with("/blocks/0/cidr", json!("10.101.21.5/24")),
            6,
            "blocks[0].cidr \"10.101.21.5/24\": ",
        ),
        (
            with("/blocks/1/cidr", json!("10.101.21.0/25")),
            6,
            "blocks[1].cidr \"10.101.21.0/25\": ",
        ),
        (
            with("/blocks/0/state", json!("Gone")),
            6,
            "blocks[0].state \"Gone\": ",
        ),
        (
            with("/blocks/0/state", json!("Draining")),
            11,
            "blocks: none is Active for IPv4",
        ),
        (
            with("/bootId", json!("00000000-0000-0000-0000-000000000000")),
            11,
            "bootId 00000000-0000-0000-0000-000000000000: of another boot",
        ),
    ] {
        std::fs::write(host.path("node.json"), &text).unwrap();
        refused(&host, &add, code, &format!("{path}: {rest}"));
        let (status, msg) = host.status().error();
        assert_eq!(status, 50, "{msg}");
        assert!(msg.starts_with(&format!("{path}: {rest}")), "{msg}");
    }
    std::fs::remove_file(host.path("node.json")).unwrap();
    refused(&host, &add, 11, &format!("{path}: cannot read"));
    assert_eq!(host.status().error().0, 50);
    host.write_node_state(&good);
    assert_eq!(host.status().succeeded().stdout, "");
    host.add("c1", &pod).succeeded();
}

#[test]
fn exhaustion_and_rest_have_codes_of_their_own() {
    let host = Host::new();
    let mut state = host.node_state();
    state["families"] = json!(["IPv4"]);
    state["blocks"][0]["cidr"] = json!("10.101.21.4/30");
    host.write_node_state(&state);
    let pods: Vec<Netns> = (0..4).map(|_| pod()).collect();
    for (index, pod) in pods.iter().enumerate() {
        host.add(&format!("c{index}"), pod).succeeded();
    }
    let (code, msg) = host.add("c4", &pod()).error();
    assert_eq!(code, 101, "{msg}");
    host.del("c0", &pods[0]).succeeded();
    let (code, msg) = host.add("c4", &pod()).error();
    assert_eq!(code, 11, "{msg}");
    let mut conf = host.conf();
    conf["cooldownSeconds"] = json!(0);
    let pod = pod();
    host.run(&host.call("ADD", "c4", &pod).stdin(conf.to_string()))
        .succeeded();
}

#[test]
fn version_and_the_bare_command() {
    let host = Host::new();
    let env = vec![("CNI_COMMAND", "VERSION".to_owned())];
    for stdin in ["", "{\"cniVersion\": \"1.0.0\"}"] {
        let outcome = host.run(&Call {
            env: env.clone(),
            stdin: stdin.into(),
        });
        let supported = &outcome.succeeded().json()["supportedVersions"];
        let all = [
            "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
        ];
        assert_eq!(supported, &json!(all));
    }
    let by_hand = host.run(&Call {
        env: vec![],
        stdin: vec![],
    });
    assert_eq!(by_hand.succeeded().stdout, "");
    for told in [
        concat!("gingham ", env!("CARGO_PKG_VERSION")),
        "CNI specification 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0: \
         ADD, DEL, CHECK, GC, STATUS, VERSION.",
        "CNI_COMMAND",
    ] {
        assert!(by_hand.stderr.contains(told), "{}", by_hand.stderr);
    }
}
