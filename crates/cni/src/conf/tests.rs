//! The keys of the configuration, each with what it takes and what it refuses.

use super::*;
use serde_json::json;
use std::path::Path;

/// The smallest configuration, with some keys set anew.
pub(crate) fn conf_with(keys: Value) -> Value {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "gingham", "type": "gingham"});
    for (key, value) in keys.as_object().unwrap() {
        conf[key] = value.clone();
    }
    conf
}

fn read(keys: Value) -> Result<Conf, Error> {
    Conf::read(&conf_with(keys), Command::Add)
}

/// Code and message of a configuration that must be refused.
fn refusal(keys: Value) -> (Code, String) {
    let error = read(keys).unwrap_err();
    (error.code, error.msg)
}

#[test]
fn absent_keys_have_defaults_and_unknown_ones_no_effect() {
    let conf = read(json!({"unknown": {"key": 1}, "mtu": null})).unwrap();
    let want = Conf {
        version: Version::V1_1_0,
        name: "gingham".parse().unwrap(),
        plugin: "gingham".into(),
        run_dir: "/run/gingham".into(),
        log_file: None,
        log_level: LogLevel::Info,
        mtu: None,
        cooldown_seconds: None,
        disable_gc: false,
        status_on_exhaustion: false,
        proxy_arp: false,
    };
    assert_eq!(conf, want);
}

#[test]
fn every_key_is_read() {
    let conf = read(json!({
        "cniVersion": "1.0.0", "name": "blue", "type": "g", "runDir": "/srv/run",
        "logFile": "/var/log/g.log", "logLevel": "debug", "mtu": 9000, "cooldownSeconds": 0,
        "disableGC": true, "statusOnExhaustion": true, "proxyArp": true,
        "runtimeConfig": {"portMappings": []}, "prevResult": {"ips": []},
    }));
    let want = Conf {
        version: Version::V1_0_0,
        name: "blue".parse().unwrap(),
        plugin: "g".into(),
        run_dir: "/srv/run".into(),
        log_file: Some("/var/log/g.log".into()),
        log_level: LogLevel::Debug,
        mtu: Some(9000),
        cooldown_seconds: Some(0),
        disable_gc: true,
        status_on_exhaustion: true,
        proxy_arp: true,
    };
    assert_eq!(conf, Ok(want));
}

#[test]
fn a_key_is_refused_with_its_value_and_rule() {
    let name = "must be letters, digits, '_', '.' or '-', the first one a letter or digit";
    let mtu = "must be a whole number from 68 to 65535";
    let seconds = "must be a whole number from 0 to 4294967295";
    let level = r#"must be "error", "warn", "info" or "debug""#;
    let (path, switch) = ("must be an absolute path", "must be true or false");
    let rules = [
        ("name", vec![json!(""), json!("a/b"), json!(7)], name),
        ("type", vec![json!(["gingham"])], "must be a string"),
        (
            "cniVersion",
            vec![json!(1.1)],
            r#"must be a string such as "1.1.0""#,
        ),
        (
            "runDir",
            vec![json!(""), json!("run"), json!("/run\u{0}"), json!(1)],
            path,
        ),
        ("logFile", vec![json!("log"), json!(["/log"])], path),
        ("logLevel", vec![json!("trace"), json!(3)], level),
        (
            "mtu",
            vec![
                json!(67),
                json!(65536),
                json!(-1),
                json!(1500.5),
                json!("1500"),
            ],
            mtu,
        ),
        (
            "cooldownSeconds",
            vec![json!(-1), json!(1_u64 << 32), json!("1m")],
            seconds,
        ),
        ("disableGC", vec![json!("yes")], switch),
        ("statusOnExhaustion", vec![json!(1)], switch),
        ("proxyArp", vec![json!({})], switch),
    ];
    for (key, values, rule) in rules {
        for value in values {
            let want = (Code::InvalidNetworkConfig, format!("{key} {value}: {rule}"));
            assert_eq!(refusal(json!({ key: value })), want);
        }
    }
    for edge in [68, 65535] {
        assert_eq!(read(json!({"mtu": edge})).unwrap().mtu, Some(edge));
    }
}

#[test]
fn a_required_key_is_missed_by_name() {
    let (code, msg) = refusal(json!({"type": null}));
    assert_eq!(code, Code::InvalidNetworkConfig);
    assert_eq!(msg, "type: required, but absent; must be a string");
    let (_, msg) = refusal(json!({"name": null}));
    assert!(
        msg.starts_with("name: required, but absent; must be letters"),
        "{msg}"
    );
}

#[test]
fn every_version_is_spoken_and_no_other() {
    for version in Version::ALL {
        let conf = read(json!({ "cniVersion": version })).unwrap();
        assert_eq!(conf.version, version);
    }
    for oldest in [json!(null), json!("")] {
        assert_eq!(
            read(json!({ "cniVersion": oldest })).unwrap().version,
            Version::V0_1_0
        );
    }
    for other in ["1.1", "1.2.0", "0.3.2", "v1.0.0"] {
        let spoken = "0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0";
        let want = format!("cniVersion {other:?}: this plugin speaks {spoken}");
        let got = refusal(json!({ "cniVersion": other }));
        assert_eq!(got, (Code::IncompatibleVersion, want));
    }
}

#[test]
fn a_del_is_refused_only_over_what_it_cannot_do_without() {
    let read = |keys| Conf::read(&conf_with(keys), Command::Del);
    for keys in [
        json!({"name": ""}),
        json!({"cniVersion": "0.4.1"}),
        json!({"type": 1}),
        json!({"runDir": "relative"}),
    ] {
        assert!(read(keys.clone()).is_err(), "{keys}");
    }
    let conf = read(json!({
        "mtu": "big", "logLevel": "loud", "logFile": "relative", "cooldownSeconds": -1,
        "disableGC": 0, "statusOnExhaustion": 0, "proxyArp": 0, "runDir": "/srv/run",
    }))
    .unwrap();
    assert_eq!(conf.run_dir, Path::new("/srv/run"));
    assert_eq!((conf.mtu, conf.log_file), (None, None));
}
