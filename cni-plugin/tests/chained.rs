//! Other plugins of a chain: what came before is kept, and what comes after may change the result.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_model::Family;
use gingham_netlink::Netns;
use host::{Host, address_of, by_hand, open, reach};
use serde_json::{Value, json};

/// A pod that another plugin has attached to a network of its own.
fn earlier(pod: &Netns) -> Value {
    by_hand(
        pod,
        &[
            "ip link add net1 type bridge".into(),
            "ip addr add 192.0.2.9/24 dev net1".into(),
            "ip link set net1 up".into(),
        ],
    );
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "br7"},
            {"name": "net1", "mac": "02:00:00:00:00:09", "sandbox": host::path_of(pod)},
        ],
        "ips": [{"address": "192.0.2.9/24", "gateway": "192.0.2.1", "interface": 1}],
        "routes": [{"dst": "198.51.100.0/24", "gw": "192.0.2.1"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    })
}

#[test]
fn what_an_earlier_plugin_has_made_stands_before_ours() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let prev = earlier(&pod);
    let mut conf = host.conf();
    conf["prevResult"] = prev.clone();
    let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
    let result = host.run(&call).succeeded().json();
    for (key, count) in [("interfaces", 2), ("ips", 1), ("routes", 1)] {
        let (whole, first) = (
            result[key].as_array().unwrap(),
            prev[key].as_array().unwrap(),
        );
        assert_eq!(whole[..count], first[..], "{key}");
        assert_eq!(whole.len(), count + 2, "{key}");
    }
    assert_eq!(result["dns"], prev["dns"]);
    assert_eq!(result["interfaces"][3]["name"], "eth0");
    for at in [1, 2] {
        assert_eq!(result["ips"][at]["interface"], 3);
    }
    host.check("c1", &pod, &result).succeeded();
    let v4 = result["ips"][1]["address"].as_str().unwrap();
    reach(
        &host.netns,
        &pod,
        v4.trim_end_matches("/32").parse().unwrap(),
    );

    conf["prevResult"] = result;
    let call = host.call("DEL", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
    host.assert_clean();
    assert!(open(&pod).link("net1").is_ok());
}

#[test]
fn check_is_green_with_what_later_plugins_add_and_change() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let result = host.add("c1", &pod).succeeded().json();
    let v4 = address_of(&result, Family::V4);
    by_hand(
        &pod,
        &[
            "ip addr add 203.0.113.7/24 dev eth0".into(),
            "ip route add 198.51.100.0/24 via 203.0.113.1".into(),
            "ip route add default via 203.0.113.1 metric 500".into(),
            "sysctl -qw net.ipv4.conf.eth0.arp_ignore=1".into(),
            "ip link set eth0 promisc on".into(),
        ],
    );
    let bandwidth = |prev: &mut Value| {
        let ifb = json!({"name": "bwpa0b1c2d3e4f", "mac": "32:ab:00:00:00:01"});
        prev["interfaces"].as_array_mut().unwrap().push(ifb);
    };
    let another_address = |prev: &mut Value| {
        let ip = json!({"address": "203.0.113.7/24", "interface": 1});
        prev["ips"].as_array_mut().unwrap().insert(0, ip);
        let route = json!({"dst": "198.51.100.0/24", "gw": "203.0.113.1"});
        prev["routes"].as_array_mut().unwrap().insert(0, route);
    };
    let in_front = |prev: &mut Value| {
        let dummy = json!({"name": "dummy0"});
        prev["interfaces"].as_array_mut().unwrap().insert(0, dummy);
        for ip in prev["ips"].as_array_mut().unwrap() {
            ip["interface"] = json!(ip["interface"].as_u64().unwrap() + 1);
        }
    };
    let capitals = |prev: &mut Value| {
        let mac = prev["interfaces"][1]["mac"]
            .as_str()
            .unwrap()
            .to_uppercase();
        prev["interfaces"][1]["mac"] = json!(mac);
    };
    let bare = |prev: &mut Value| {
        for interface in prev["interfaces"].as_array_mut().unwrap() {
            for key in ["mac", "mtu"] {
                interface.as_object_mut().unwrap().remove(key);
            }
        }
        prev.as_object_mut().unwrap().remove("routes");
    };
    let dns = |prev: &mut Value| prev["dns"] = json!({"search": ["shop.svc.cluster.local"]});
    let changes: [&dyn Fn(&mut Value); 6] = [
        &bandwidth,
        &another_address,
        &in_front,
        &capitals,
        &bare,
        &dns,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut prev = result.clone();
        change(&mut prev);
        let outcome = host.check("c1", &pod, &prev);
        assert!(outcome.success, "change {at}: {outcome:?}");
    }
    // What another plugin says to have added must be there too, as the specification has it.
    let mut prev = result.clone();
    another_address(&mut prev);
    by_hand(&pod, &["ip addr del 203.0.113.7/24 dev eth0".into()]);
    let (code, msg) = host.check("c1", &pod, &prev).error();
    assert_eq!(code, 103, "{msg}");
    assert_eq!(
        msg,
        "address 203.0.113.7/24 on eth0 in the pod: want it, have none"
    );
    reach(&host.netns, &pod, v4);
}

/// What a later plugin does to the MAC address breaks what both sides know of each other: CHECK says
/// so, and that the address is to be asked of us.
#[test]
fn another_mac_address_by_a_later_plugin_is_found_out() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let mut prev = host.add("c1", &pod).succeeded().json();
    let mac = "02:00:00:00:00:99";
    by_hand(&pod, &[format!("ip link set eth0 address {mac}")]);
    prev["interfaces"][1]["mac"] = json!(mac);
    let outcome = host.check("c1", &pod, &prev);
    let (code, msg) = outcome.error();
    assert_eq!(code, 103, "{msg}");
    let all = format!(
        "{msg}\n{}",
        outcome.json()["details"].as_str().unwrap_or_default()
    );
    assert!(all.contains(&format!("want {mac} for good")), "{all}");
}

#[test]
fn every_version_is_added_and_checked_in_its_own_shape() {
    for version in [
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
    ] {
        let (host, pod) = (Host::new(), Netns::create().unwrap());
        let mut conf = host.conf();
        conf["cniVersion"] = json!(version);
        let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
        let result = host.run(&call).succeeded().json();
        assert_eq!(result["cniVersion"], version);
        if version >= "0.4.0" {
            host.check_with(("c1", &pod), conf.clone(), &result)
                .succeeded();
        }
        conf["prevResult"] = result;
        let call = host.call("DEL", "c1", &pod).stdin(conf.to_string());
        host.run(&call).succeeded();
        host.assert_clean();
    }
}
