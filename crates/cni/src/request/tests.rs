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
fn an_ipam_of_another_plugin_is_refused() {
    let host_local = json!({"type": "host-local"});
    let why = "not supported: gingham gives out the addresses of the node's blocks itself";
    let msg = format!("ipam {host_local}: {why}");
    assert_eq!(
        refusal(&pod_with(&[]), json!({"ipam": host_local})),
        (2, msg)
    );
    del(&pod_with(&[]), json!({"ipam": host_local}));
    let empty = json!({
        "ipam": {}, "prevResult": null, "runtimeConfig": {"ips": [], "mac": ""},
        "args": {"cni": {"ips": null}},
    });
    let add = add(&pod_with(&[]), empty);
    assert_eq!((add.wanted, add.prev), (Wanted::default(), None));
}

#[test]
fn what_the_plugins_before_have_made_is_read() {
    let prev = json!({"cniVersion": "0.2.0", "ip4": {"ip": "192.0.2.7/24"}});
    let add = add(&pod_with(&[]), json!({"prevResult": prev}));
    assert_eq!(
        add.prev.unwrap().ips[0].address,
        ("192.0.2.7".parse().unwrap(), 24)
    );
    let (code, msg) = refusal(&pod_with(&[]), json!({"prevResult": [1]}));
    assert_eq!(
        (code, msg.as_str()),
        (7, "prevResult [1]: must be an object")
    );
}

#[test]
fn a_check_needs_what_an_add_needs_and_its_result() {
    let check = |keys| parse(Command::Check, &pod_with(&[]), &conf_with(keys));
    let prev = json!({"ips": [{"address": "10.64.3.5/32"}]});
    match check(json!({"cniVersion": "0.4.0", "prevResult": prev})) {
        Ok(Request::Check(check)) => assert_eq!(check.prev.ips.len(), 1),
        other => panic!("{other:?}"),
    }
    let error = check(json!({})).unwrap_err();
    assert_eq!(
        (error.code.number(), error.msg.as_str()),
        (7, "prevResult: required for CHECK, but absent")
    );
    let error = check(json!({"cniVersion": "0.3.1"})).unwrap_err();
    let want = "cniVersion \"0.3.1\": has no CHECK, which came with 0.4.0";
    assert_eq!((error.code.number(), error.msg.as_str()), (1, want));
    let keys = conf_with(json!({"prevResult": {}}));
    let error = parse(Command::Check, &environment(&[]), &keys).unwrap_err();
    let want = "CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS: required for CHECK, but unset or empty";
    assert_eq!((error.code.number(), error.msg.as_str()), (4, want));
}

#[test]
fn a_gc_knows_what_is_valid() {
    let gc = |keys| match parse(Command::Gc, &environment(&[]), &conf_with(keys)) {
        Ok(Request::Gc(gc)) => Ok(gc.valid.iter().map(ToString::to_string).collect::<Vec<_>>()),
        Err(error) => Err((error.code.number(), error.msg)),
        other => panic!("{other:?}"),
    };
    let (valid, legacy) = ("cni.dev/valid-attachments", "cni.dev/attachments");
    let item = |id: &str| json!({"containerID": id, "ifname": "eth0"});
    for nothing in [
        json!({}),
        json!({ valid: null }),
        json!({ valid: [] }),
        json!({ legacy: null }),
    ] {
        assert_eq!(gc(nothing.clone()), Ok(vec![]), "{nothing}");
    }
    let one = Ok(vec!["gingham/c1/eth0".to_owned()]);
    assert_eq!(
        gc(json!({ valid: [item("c1")], legacy: [item("c1")] })),
        one
    );
    assert_eq!(gc(json!({ valid: null, legacy: [item("c1")] })), one);
    for (list, msg) in [
        (json!({}), "cni.dev/valid-attachments {}: must be a list"),
        (
            json!(["c1"]),
            r#"cni.dev/valid-attachments "c1": must have containerID and ifname"#,
        ),
        (
            json!([item("c1"), {"containerID": "c2"}]),
            r#"cni.dev/valid-attachments {"containerID":"c2"}: must have containerID and ifname"#,
        ),
        (
            json!([item("-")]),
            r#"cni.dev/valid-attachments {"containerID":"-","ifname":"eth0"}: containerID "-": must be letters, digits, '_', '.' or '-', the first one a letter or digit"#,
        ),
    ] {
        assert_eq!(gc(json!({ valid: list })), Err((7, msg.to_owned())));
    }
    assert_eq!(gc(json!({"disableGC": "yes"})).unwrap_err().0, 7);
    assert_eq!(gc(json!({"cniVersion": "1.0.0"})).unwrap_err().0, 1);
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
    for (stated, answered) in [("1.0.0", "1.0.0"), ("0.4.0", "0.4.0"), ("9.9.9", "1.1.0")] {
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
    del(&key, json!({"prevResult": {"ips": "no list"}}));
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
    let all = r#"["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]"#;
    let said = |v: &str| format!(r#"{{"cniVersion":"{v}","supportedVersions":{all}}}"#);
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
    for other in ["UPDATE", "add", "ADD "] {
        let error = environment(&[("CNI_COMMAND", other)])
            .command()
            .unwrap_err();
        let want =
            format!("CNI_COMMAND {other:?}: must be one of ADD, DEL, CHECK, GC, STATUS, VERSION");
        assert_eq!((error.code, error.msg), (Code::InvalidEnvironment, want));
    }
}

#[test]
fn a_mebibyte_on_stdin_is_read_and_not_repeated() {
    let long = "x".repeat(1 << 20);
    let annotations = json!({"io.kubernetes.cri.pod-annotations": {"note": long}});
    add(&pod_with(&[]), json!({"runtimeConfig": annotations}));
    let (_, msg) = refusal(&pod_with(&[]), json!({"ipam": {"type": long}}));
    assert!(msg.len() < 300, "{}", msg.len());
}

#[test]
fn nesting_without_end_is_an_error_and_no_overflow() {
    let stdin = "[".repeat(1 << 20);
    let error = Request::parse(Command::Add, &pod_with(&[]), stdin.as_bytes()).unwrap_err();
    assert_eq!(error.code, Code::Decode);
}
