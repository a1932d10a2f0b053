//! Documents of every version, to the letter.

use super::*;
use crate::Version;
use serde_json::json;

pub(super) fn result() -> AddResult {
    let sandbox = "/run/netns/p1".to_owned();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let route = |dst: &str, gw| RouteConfig::new(dst.parse().unwrap(), Some(ip(gw)));
    let address = |text, length, gw| IpConfig {
        address: (ip(text), length),
        gateway: Some(ip(gw)),
        interface: Some(1),
    };
    AddResult {
        interfaces: vec![
            Interface {
                name: "gh0123456789ab".into(),
                mac: Some(MacAddress([0x02, 0x67, 0x68, 0, 0, 0x01])),
                mtu: Some(1500),
                ..Interface::default()
            },
            Interface {
                name: "eth0".into(),
                mac: Some(MacAddress([0x02, 0x67, 0xde, 0xad, 0xbe, 0xef])),
                mtu: Some(1500),
                sandbox: Some(sandbox),
                others: Map::new(),
            },
        ],
        ips: vec![
            address("10.64.3.5", 32, "169.254.1.1"),
            address("fd00:10::5", 128, "fe80::1"),
        ],
        routes: vec![
            RouteConfig {
                mtu: Some(1400),
                advmss: Some(1360),
                priority: Some(10),
                table: Some(254),
                scope: Some(0),
                ..route("0.0.0.0/0", "169.254.1.1")
            },
            route("::/0", "fe80::1"),
        ],
        dns: None,
    }
}

/// What of [`result`] is the same since 0.3.0, for `version`.
fn document(version: &str) -> Value {
    json!({
        "cniVersion": version,
        "interfaces": [
            {"name": "gh0123456789ab", "mac": "02:67:68:00:00:01"},
            {"name": "eth0", "mac": "02:67:de:ad:be:ef", "sandbox": "/run/netns/p1"},
        ],
        "ips": [
            {"address": "10.64.3.5/32", "gateway": "169.254.1.1", "interface": 1},
            {"address": "fd00:10::5/128", "gateway": "fe80::1", "interface": 1},
        ],
        "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "::/0", "gw": "fe80::1"}],
    })
}

#[test]
fn every_version_has_its_shape() {
    let mut newest = document("1.1.0");
    for interface in newest["interfaces"].as_array_mut().unwrap() {
        interface["mtu"] = json!(1500);
    }
    newest["routes"][0] = json!({
        "dst": "0.0.0.0/0", "gw": "169.254.1.1",
        "mtu": 1400, "advmss": 1360, "priority": 10, "table": 254, "scope": 0,
    });
    assert_eq!(result().to_value(Version::V1_1_0), newest);
    assert_eq!(result().to_value(Version::V1_0_0), document("1.0.0"));
    for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
        let mut with_family = document(version.as_str());
        with_family["ips"][0]["version"] = json!("4");
        with_family["ips"][1]["version"] = json!("6");
        assert_eq!(result().to_value(version), with_family);
    }
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let ip = |ip: &str, gateway: &str, dst: &str| json!({"ip": ip, "gateway": gateway, "routes": [{"dst": dst, "gw": gateway}]});
        let by_family = json!({
            "cniVersion": version,
            "ip4": ip("10.64.3.5/32", "169.254.1.1", "0.0.0.0/0"),
            "ip6": ip("fd00:10::5/128", "fe80::1", "::/0"),
        });
        assert_eq!(result().to_value(version), by_family);
    }
}

#[test]
fn what_is_empty_is_left_out() {
    let want = r#"{"cniVersion":"1.1.0"}"#;
    assert_eq!(AddResult::default().to_json(Version::NEWEST), want);
}

#[test]
fn a_result_of_any_shape_is_read() {
    let same = |mut result: AddResult| {
        for interface in &mut result.interfaces {
            interface.mtu = None;
        }
        for route in &mut result.routes {
            *route = RouteConfig::new(route.dst, route.gw);
        }
        result
    };
    for version in Version::ALL {
        let read = AddResult::parse(&result().to_value(version)).unwrap();
        let mut want = if version < Version::V1_1_0 {
            same(result())
        } else {
            result()
        };
        if version < Version::V0_3_0 {
            want.interfaces.clear();
            want.ips.iter_mut().for_each(|ip| ip.interface = None);
        }
        assert_eq!(read, want, "{version}");
        // The form tells where nothing else does.
        let mut unstated = result().to_value(version);
        unstated.as_object_mut().unwrap().remove("cniVersion");
        assert_eq!(AddResult::parse(&unstated), Ok(want), "{version} unstated");
    }
}

#[test]
fn what_other_plugins_say_is_kept() {
    let others = json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "ib0", "mac": "80:00:02:08:fe:80:00:00:00:00:00:00:e4:1d:2d:03:00:50:7d:11"},
            {"name": "vhost0", "mac": "", "socketPath": "/run/s", "pciID": "0000:01:00.0", "sandbox": ""},
        ],
        "ips": [{"address": "192.0.2.7/24", "gateway": "", "interface": -1}],
        "routes": [{"dst": "198.51.100.9/24"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    });
    let prev = AddResult::parse(&others).unwrap();
    let chained = result().chained_after(prev).to_value(Version::V1_1_0);
    let names = |of: &str| {
        let all = chained[of].as_array().unwrap().iter();
        all.map(|one| {
            one["name"]
                .as_str()
                .or(one["address"].as_str())
                .or(one["dst"].as_str())
                .unwrap()
                .to_owned()
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(
        names("interfaces"),
        ["ib0", "vhost0", "gh0123456789ab", "eth0"]
    );
    assert_eq!(
        names("ips"),
        ["192.0.2.7/24", "10.64.3.5/32", "fd00:10::5/128"]
    );
    assert_eq!(names("routes"), ["198.51.100.0/24", "0.0.0.0/0", "::/0"]);
    assert_eq!(chained["ips"][1]["interface"], 3);
    assert_eq!(chained["interfaces"][0], others["interfaces"][0]);
    assert_eq!(chained["interfaces"][1]["socketPath"], "/run/s");
    assert_eq!(chained["dns"], others["dns"]);
    let older = result()
        .chained_after(AddResult::parse(&others).unwrap())
        .to_value(Version::V1_0_0);
    assert_eq!(older["interfaces"][1], json!({"name": "vhost0"}));
}

#[test]
fn what_cannot_be_read_is_named() {
    for (document, msg) in [
        (json!("x"), r#"prevResult "x": must be an object"#),
        (json!({"ips": {}}), "prevResult.ips {}: must be a list"),
        (
            json!({"ips": [{}]}),
            "prevResult.ips[0] {}: must have address",
        ),
        (
            json!({"ips": [{"address": "10.0.0.1/33"}]}),
            r#"prevResult.ips[0].address "10.0.0.1/33": must be an IP address with its length, such as 10.64.3.5/32"#,
        ),
        (
            json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.1/24", "gateway": "gw"}}),
            r#"prevResult.ip4.gateway "gw": must be an IP address"#,
        ),
        (
            json!({"interfaces": [{"name": "a"}, {"mac": "02:00:00:00:00:01"}]}),
            r#"prevResult.interfaces[1] {"mac":"02:00:00:00:00:01"}: must have name"#,
        ),
        (
            json!({"routes": [{"dst": "0.0.0.0/0", "mtu": "big"}]}),
            r#"prevResult.routes[0].mtu "big": must be a whole number from 0 to 4294967295"#,
        ),
    ] {
        let error = AddResult::parse(&document).unwrap_err();
        assert_eq!((error.code.number(), error.msg.as_str()), (7, msg));
    }
}

#[test]
fn a_version_that_says_nothing_leaves_it_to_the_form() {
    for unsaid in [json!(""), json!(null)] {
        let prev = json!({"cniVersion": unsaid, "ips": [{"address": "192.0.2.7/24"}]});
        assert_eq!(AddResult::parse(&prev).unwrap().ips.len(), 1, "{prev}");
    }
}

#[test]
fn an_index_that_names_no_interface_does_not_come_to_name_one_of_ours() {
    for index in [0, 1, u64::MAX] {
        let prev = json!({"ips": [{"address": "192.0.2.7/24", "interface": index}]});
        let chained = result().chained_after(AddResult::parse(&prev).unwrap());
        assert_eq!(chained.ips[0].interface, None, "{prev}");
        assert_eq!(chained.ips[1].interface, Some(1));
        let ours = AddResult::parse(&prev).unwrap();
        assert_eq!(ours.chained_after(result()).ips[2].interface, None);
    }
}

#[test]
fn an_empty_dns_is_left_out() {
    let prev = AddResult::parse(&json!({"dns": {}})).unwrap();
    assert_eq!(prev.dns, None);
}

#[test]
fn an_interface_that_is_no_number_is_named() {
    let prev = json!({"ips": [{"address": "192.0.2.7/24", "interface": "1"}]});
    let msg = r#"prevResult.ips[0].interface "1": must be a whole number"#;
    assert_eq!(AddResult::parse(&prev).unwrap_err().msg, msg);
}
