//! The rules of the contract, verb by verb: what came in, and the code and text that go out.

use super::*;
use crate::conf::tests::conf_with;
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

pub(super) const POD: &[(&str, &str)] = &[
    ("CNI_CONTAINERID", "c0ffee"),
    ("CNI_IFNAME", "eth0"),
    ("CNI_NETNS", "/run/netns/p1"),
];

fn environment(vars: &[(&str, &str)]) -> Environment {
    Environment::from_vars(vars.iter().map(|(k, v)| (k.into(), v.into())))
}

/// The variables of [`POD`], with some set anew.
fn pod_with(vars: &[(&str, &str)]) -> Environment {
    environment(&[POD, vars].concat())
}

pub(super) fn parse(command: Command, env: &Environment, conf: &Value) -> Result<Request, Error> {
    Request::parse(command, env, conf.to_string().as_bytes())
}

fn add(env: &Environment, keys: Value) -> Add {
    match parse(Command::Add, env, &conf_with(keys)) {
        Ok(Request::Add(add)) => add,
        other => panic!("{other:?}"),
    }
}

fn del(env: &Environment, keys: Value) -> Del {
    match parse(Command::Del, env, &conf_with(keys)) {
        Ok(Request::Del(del)) => del,
        other => panic!("{other:?}"),
    }
}

/// Code and message of an ADD that must be refused.
fn refusal(env: &Environment, keys: Value) -> (u32, String) {
    let error = parse(Command::Add, env, &conf_with(keys)).unwrap_err();
    (error.code.number(), error.msg)
}

#[test]
fn an_add_has_all_it_needs() {
    let plain = add(&pod_with(&[]), json!({}));
    assert_eq!(plain.attachment.to_string(), "gingham/c0ffee/eth0");
    assert_eq!(plain.netns, "/run/netns/p1");
    assert!(!plain.netns_override);
    assert_eq!(plain.pod, None);

    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0";
    let env = pod_with(&[("CNI_ARGS", args), ("CNI_NETNS_OVERRIDE", "TRUE")]);
    let full = add(&env, json!({"cniVersion": "1.0.0"}));
    let pod = full.pod.clone().map(|pod| pod.to_string());
    assert_eq!(pod.as_deref(), Some("shop/web-0"));
    assert!(full.netns_override);
    assert_eq!(Request::Add(full).version(), Version::V1_0_0);
}

#[test]
fn what_would_be_promised_but_not_done_is_refused() {
    let ipam = "not supported: gingham gives out the addresses of the node's blocks itself";
    let chain = "not supported: gingham must be the first plugin of a chain";
    let request = "an address on request is not supported";
    let (ips, mac) = (json!(["10.64.3.9"]), json!("02:00:00:00:00:01"));
    let host_local = json!({"type": "host-local"});
    let previous = json!({"cniVersion": "1.1.0"});
    let cases = [
        (
            json!({"ipam": host_local}),
            format!("ipam {host_local}: {ipam}"),
        ),
        (
            json!({"prevResult": previous}),
            format!("prevResult {previous}: {chain}"),
        ),
        (
            json!({"runtimeConfig": {"ips": ips}}),
            format!("runtimeConfig.ips {ips}: {request}"),
        ),
        (
            json!({"runtimeConfig": {"mac": mac}}),
            format!("runtimeConfig.mac {mac}: {request}"),
        ),
        (
            json!({"args": {"cni": {"ips": ips}}}),
            format!("args.cni.ips {ips}: {request}"),
        ),
        (
            json!({"args": {"cni": {"mac": mac}}}),
            format!("args.cni.mac {mac}: {request}"),
        ),
    ];
    for (keys, msg) in cases {
        assert_eq!(refusal(&pod_with(&[]), keys.clone()), (2, msg));
        del(&pod_with(&[]), keys);
    }
    let empty = json!({
        "ipam": {}, "prevResult": null, "runtimeConfig": {"ips": [], "mac": ""},
        "args": {"cni": {"ips": null}},
    });
    add(&pod_with(&[]), empty);
}

#[test]
fn a_variable_is_refused_with_its_value_and_rule() {
    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[("CNI_IFNAME", "eth0/1")],
            r#"CNI_IFNAME "eth0/1": must be 1 to 15 bytes, not "." or "..", without '/', ':', '%' or white space"#,
        ),
        (
            &[("CNI_CONTAINERID", "-c")],
            r#"CNI_CONTAINERID "-c": must be letters, digits, '_', '.' or '-', the first one a letter or digit"#,
        ),
        (
            &[("CNI_NETNS", "")],
            "CNI_NETNS: required for ADD, but unset or empty",
        ),
        (
            &[
                ("CNI_CONTAINERID", ""),
                ("CNI_IFNAME", ""),
                ("CNI_NETNS", ""),
            ],
            "CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS: required for ADD, but unset or empty",
        ),
        (
            &[("CNI_ARGS", "COLOUR=red")],
            r#"CNI_ARGS "COLOUR": unknown key; IgnoreUnknown=1 would excuse it"#,
        ),
        (
            &[("CNI_ARGS", "COLOUR")],
            r#"CNI_ARGS "COLOUR": must be KEY=VALUE, with exactly one '='"#,
        ),
    ];
    for (vars, msg) in cases {
        assert_eq!(refusal(&pod_with(vars), json!({})), (4, msg.to_owned()));
    }
}

#[test]
fn a_namespace_that_the_result_could_not_repeat_is_refused() {
    let netns = OsString::from_vec(b"/run/\xff".to_vec());
    let vars = POD.iter().map(|(k, v)| (k.into(), v.into()));
    let env = Environment::from_vars(vars.chain([("CNI_NETNS".into(), netns.clone())]));
    let want = "CNI_NETNS \"/run/\u{fffd}\": must be UTF-8";
    assert_eq!(refusal(&env, json!({})), (4, want.to_owned()));
    assert_eq!(del(&env, json!({})).netns, Some(netns.into()));
}

#[test]
fn faults_are_reported_in_order() {
    let name = json!({"name": "", "cniVersion": "9", "mtu": 1});
    let version = json!({"cniVersion": "9", "mtu": 1});
    let key = json!({"mtu": 1, "ipam": {"type": "x"}});
    let unsupported = json!({"ipam": {"type": "x"}});
    for (keys, begin) in [
        (name, "name "),
        (version, "cniVersion "),
        (key, "mtu "),
        (unsupported, "ipam "),
        (json!({}), "CNI_CONTAINERID, "),
    ] {
        let (_, msg) = refusal(&environment(&[]), keys);
        assert!(msg.starts_with(begin), "{msg}");
    }
}

#[test]
fn stdin_must_be_a_json_object() {
    let cases: [(&[u8], &str, &str); 4] = [
        (
            b" \n",
            "stdin: empty; ADD needs the network configuration",
            "",
        ),
        (b"[]", "stdin: must be a JSON object", r#"begins with "[]""#),
        (
            br#"{"name": gingham}"#,
            "stdin: not JSON: expected value at line 1 column 10",
            r#"begins with "{\"name\": gingham}""#,
        ),
        (
            b"\xff",
            "stdin: not JSON: expected value at line 1 column 1",
            "begins with \"\u{fffd}\"",
        ),
    ];
    for (stdin, msg, details) in cases {
        let error = Request::parse(Command::Add, &pod_with(&[]), stdin).unwrap_err();
        let got = (error.code, error.msg.as_str(), error.details.as_str());
        assert_eq!(got, (Code::Decode, msg, details));
    }
}

#[test]
fn an_error_answers_in_the_version_of_the_configuration() {
    for (stated, answered) in [("1.0.0", "1.0.0"), ("1.1.0", "1.1.0"), ("0.4.0", "1.1.0")] {
        let conf = conf_with(json!({"cniVersion": stated, "name": "-"}));
        let error = parse(Command::Add, &pod_with(&[]), &conf).unwrap_err();
        let document: Value = serde_json::from_str(&error.to_json()).unwrap();
        assert_eq!(
            (&document["cniVersion"], &document["code"]),
            (&json!(answered), &json!(7))
        );
    }
}

#[test]
fn a_del_needs_only_the_key_of_the_attachment() {
    let key = environment(&POD[..2]);
    assert_eq!(del(&key, json!({})).netns, None);
    assert!(
        del(&key, json!({"prevResult": {"ips": []}}))
            .conf
            .prev_result
            .is_some()
    );
    del(
        &pod_with(&[("CNI_ARGS", "nonsense")]),
        json!({"mtu": "big"}),
    );
    let error = parse(Command::Del, &environment(&[]), &conf_with(json!({}))).unwrap_err();
    let want = "CNI_CONTAINERID, CNI_IFNAME: required for DEL, but unset or empty";
    assert_eq!(error.msg, want);
}

#[test]
fn status_needs_no_variables_and_came_with_1_1_0() {
    let status = |keys| parse(Command::Status, &environment(&[]), &conf_with(keys));
    assert!(status(json!({})).is_ok());
    let hopeless = status(json!({"ipam": {"type": "host-local"}})).unwrap_err();
    assert_eq!(hopeless.code, Code::UnsupportedField);
    assert_eq!(
        status(json!({"cniVersion": "1.0.0"}))
            .unwrap_err()
            .to_json(),
        concat!(
            r#"{"cniVersion":"1.0.0","code":1,"#,
            r#""msg":"cniVersion \"1.0.0\": has no STATUS, which came with 1.1.0"}"#
        )
    );
}

#[test]
fn version_echoes_any_version_and_takes_an_empty_stdin() {
    let reply =
        |stdin: &str| match Request::parse(Command::Version, &environment(&[]), stdin.as_bytes()) {
            Ok(Request::Version(reply)) => reply.to_json(),
            other => panic!("{other:?}"),
        };
    let said = |v: &str| format!(r#"{{"cniVersion":"{v}","supportedVersions":["1.0.0","1.1.0"]}}"#);
    assert_eq!(reply(""), said("1.1.0"));
    assert_eq!(reply("{}"), said("1.1.0"));
    assert_eq!(reply(r#"{"cniVersion":"0.4.0"}"#), said("0.4.0"));
    assert_eq!(reply(r#"{"cniVersion":"99"}"#), said("99"));
}

#[test]
fn the_verb_is_known_before_stdin_is_read() {
    assert_eq!(environment(&[]).command(), Ok(None));
    assert_eq!(environment(&[("CNI_COMMAND", "")]).command(), Ok(None));
    for command in Command::ALL {
        let env = environment(&[("CNI_COMMAND", command.as_str())]);
        assert_eq!(env.command(), Ok(Some(command)));
    }
    for other in ["CHECK", "GC", "add", "ADD "] {
        let error = environment(&[("CNI_COMMAND", other)])
            .command()
            .unwrap_err();
        let want = format!("CNI_COMMAND {other:?}: this plugin has ADD, DEL, STATUS, VERSION");
        assert_eq!((error.code, error.msg), (Code::InvalidEnvironment, want));
    }
}

#[test]
fn a_mebibyte_on_stdin_is_read_and_not_repeated() {
    let long = "x".repeat(1 << 20);
    let annotations = json!({"io.kubernetes.cri.pod-annotations": {"note": long}});
    let add = add(&pod_with(&[]), json!({"runtimeConfig": annotations}));
    assert_eq!(add.conf.runtime_config, annotations);
    let (_, msg) = refusal(&pod_with(&[]), json!({"ipam": {"type": long}}));
    assert!(msg.len() < 300, "{}", msg.len());
}

#[test]
fn nesting_without_end_is_an_error_and_no_overflow() {
    let stdin = "[".repeat(1 << 20);
    let error = Request::parse(Command::Add, &pod_with(&[]), stdin.as_bytes()).unwrap_err();
    assert_eq!(error.code, Code::Decode);
}
