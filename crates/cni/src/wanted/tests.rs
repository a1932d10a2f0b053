//! Who may ask for what, and who is refused.

use super::*;
use serde_json::json;

/// What `CNI_ARGS` (`IP`, `MAC`) and the configuration ask for.
fn wanted((ip, mac): (&str, &str), conf: Value) -> Result<Wanted, (u32, String)> {
    let wanted = Wanted::of_args(ip, mac).and_then(|wanted| wanted.with_conf(&conf));
    wanted.map_err(|error| (error.code.number(), error.msg))
}

fn annotated(annotations: Value) -> Value {
    json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": annotations}})
}

#[test]
fn every_source_is_heard_and_named() {
    let v4 = |source: &str, wanted: Wanted| {
        let asked = wanted.v4.unwrap();
        assert_eq!(asked.value, Ipv4Addr::new(10, 64, 3, 9), "{source}");
        assert_eq!(asked.to_string(), source);
    };
    v4(
        r#"runtimeConfig.ips "10.64.3.9/24""#,
        wanted(
            ("", ""),
            json!({"runtimeConfig": {"ips": ["10.64.3.9/24"]}}),
        )
        .unwrap(),
    );
    v4(
        r#"runtimeConfig.ips "10.64.3.9""#,
        wanted(("", ""), json!({"runtimeConfig": {"IPs": ["10.64.3.9"]}})).unwrap(),
    );
    v4(
        r#"args.cni.ips "10.64.3.9""#,
        wanted(("", ""), json!({"args": {"cni": {"ips": ["10.64.3.9"]}}})).unwrap(),
    );
    v4(
        r#"CNI_ARGS IP "10.64.3.9""#,
        wanted(("10.64.3.9,fd00:10::9", ""), json!({})).unwrap(),
    );
    v4(
        r#"annotation gingham.dev/ipv4 "10.64.3.9""#,
        wanted(
            ("", ""),
            annotated(json!({"gingham.dev/ipv4": "10.64.3.9"})),
        )
        .unwrap(),
    );

    let all = annotated(json!({
        "gingham.dev/ipv6": "fd00:10::9", "gingham.dev/mac": "02:00:00:00:00:07", "gingham.dev/pool": "z1-fast",
        "other": "x",
    }));
    let all = wanted(("", ""), all).unwrap();
    assert_eq!(
        all.v6.unwrap().value,
        "fd00:10::9".parse::<Ipv6Addr>().unwrap()
    );
    assert_eq!(all.mac.unwrap().value, MacAddress([2, 0, 0, 0, 0, 7]));
    assert_eq!(all.pool.unwrap().value.as_str(), "z1-fast");
    assert_eq!(all.v4, None);
}

#[test]
fn the_same_twice_is_one_and_two_different_are_refused() {
    let conf = json!({"runtimeConfig": {"ips": ["10.64.3.9/24", "fd00:10::9/64"]}});
    assert!(
        wanted(("10.64.3.9", ""), conf.clone())
            .unwrap()
            .v6
            .is_some()
    );
    let msg = r#"CNI_ARGS IP "10.64.3.8" and runtimeConfig.ips "10.64.3.9/24": cannot both be had"#;
    assert_eq!(wanted(("10.64.3.8", ""), conf), Err((102, msg.to_owned())));
    let conf = json!({"runtimeConfig": {"mac": "02:00:00:00:00:07"}});
    let msg = r#"CNI_ARGS MAC "02:00:00:00:00:08" and runtimeConfig.mac "02:00:00:00:00:07": cannot both be had"#;
    assert_eq!(
        wanted(("", "02:00:00:00:00:08"), conf),
        Err((102, msg.to_owned()))
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let mac = "must be a MAC address of one interface, such as 02:00:00:00:00:02";
    for (args, conf, code, msg) in [
        (
            ("10.64", ""),
            json!({}),
            4,
            r#"CNI_ARGS IP "10.64": must be an IP address"#.to_owned(),
        ),
        (
            ("", "x"),
            json!({}),
            4,
            format!(r#"CNI_ARGS MAC "x": {mac}"#),
        ),
        (
            ("", ""),
            json!({"runtimeConfig": {"ips": "10.64.3.9"}}),
            7,
            r#"runtimeConfig.ips "10.64.3.9": must be a list of IP addresses"#.to_owned(),
        ),
        (
            ("", ""),
            json!({"runtimeConfig": {"ips": ["10.64.3.9/33"]}}),
            7,
            r#"runtimeConfig.ips "10.64.3.9/33": must be an IP address"#.to_owned(),
        ),
        (
            ("", ""),
            json!({"runtimeConfig": {"ips": [7]}}),
            7,
            "runtimeConfig.ips 7: must be an IP address".to_owned(),
        ),
        (
            ("", ""),
            json!({"args": {"cni": {"mac": "00:00:00:00:00:00"}}}),
            7,
            format!(r#"args.cni.mac "00:00:00:00:00:00": {mac}"#),
        ),
        (
            ("", ""),
            json!({"runtimeConfig": {"mac": "01:00:5e:00:00:01"}}),
            7,
            format!(r#"runtimeConfig.mac "01:00:5e:00:00:01": {mac}"#),
        ),
        (
            ("", ""),
            annotated(json!({"gingham.dev/mac": "02:67:68:00:00:01"})),
            102,
            format!(r#"annotation gingham.dev/mac "02:67:68:00:00:01": {mac}"#),
        ),
        (
            ("", ""),
            annotated(json!({"gingham.dev/ipv4": "fd00::1"})),
            102,
            r#"annotation gingham.dev/ipv4 "fd00::1": must be an IPv4 address"#.to_owned(),
        ),
        (
            ("", ""),
            annotated(json!({"gingham.dev/pool": "Z 1"})),
            102,
            r#"annotation gingham.dev/pool "Z 1": must be the name of a ZonePool"#.to_owned(),
        ),
    ] {
        assert_eq!(wanted(args, conf.clone()), Err((code, msg)), "{conf}");
    }
}
