//! IPv6 works in pods whatever their namespace, or the node's, says about new interfaces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_model::Family;
use gingham_netlink::{Netns, sysctl};
use host::{Host, address_of, open, reach};
use serde_json::json;

fn switch_off(netns: &Netns, all: &str, default: &str) {
    let set = || {
        for (name, value) in [("all", all), ("default", default)] {
            sysctl::set(&format!("net/ipv6/conf/{name}/disable_ipv6"), value).unwrap();
        }
    };
    netns.visit(set).unwrap();
}

fn is_off(netns: &Netns, name: &str) -> bool {
    let read = || sysctl::read(&format!("net/ipv6/conf/{name}/disable_ipv6")).unwrap();
    netns.visit(read).unwrap() == "1"
}

#[test]
fn a_pod_has_ipv6_where_its_namespace_or_the_node_switches_it_off() {
    for (all, default) in [("0", "1"), ("1", "1")] {
        for (node_off, pod_off) in [(false, true), (true, false), (true, true)] {
            let (host, pods) = (Host::new(), [(); 2].map(|()| Netns::create().unwrap()));
            for (netns, off) in [(&host.netns, node_off), (&pods[0], pod_off)] {
                if off {
                    switch_off(netns, all, default);
                }
            }
            let results = [("c0", &pods[0]), ("c1", &pods[1])]
                .map(|(id, pod)| host.add(id, pod).succeeded().json());
            for family in Family::ALL {
                let [zero, one] = [0, 1].map(|pod| address_of(&results[pod], family));
                reach(&pods[0], &pods[1], one);
                reach(&pods[1], &pods[0], zero);
                if family == Family::V4 || !node_off {
                    reach(&host.netns, &pods[0], zero);
                }
            }
            // Of that one interface only.
            assert_eq!(is_off(&pods[0], "default"), pod_off);
            assert_eq!(is_off(&host.netns, "default"), node_off);
            assert!(!is_off(&pods[0], "eth0"));
            for (id, pod) in [("c0", &pods[0]), ("c1", &pods[1])] {
                host.del(id, pod).succeeded();
            }
            host.assert_clean();
        }
    }
}

#[test]
fn a_pod_of_an_ipv4_only_node_keeps_ipv6_switched_off() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let mut state = host.node_state();
    state["families"] = json!(["IPv4"]);
    host.write_node_state(&state);
    switch_off(&pod, "1", "1");
    let result = host.add("c1", &pod).succeeded().json();
    assert!(is_off(&pod, "eth0"));
    reach(&host.netns, &pod, address_of(&result, Family::V4));
}

#[test]
fn an_ipv6_only_node_gives_no_ipv4() {
    let (host, pods) = (Host::new(), [(); 2].map(|()| Netns::create().unwrap()));
    let mut state = host.node_state();
    state["families"] = json!(["IPv6"]);
    host.write_node_state(&state);
    let results =
        [("c0", &pods[0]), ("c1", &pods[1])].map(|(id, pod)| host.add(id, pod).succeeded().json());
    assert_eq!(results[0]["ips"].as_array().unwrap().len(), 1);
    assert_eq!(
        results[0]["routes"],
        json!([{"dst": "::/0", "gw": "fe80::1"}])
    );
    reach(&pods[0], &pods[1], address_of(&results[1], Family::V6));
    let eth0 = open(&pods[0]).link("eth0").unwrap().index;
    let held = open(&pods[0]).addresses_of(eth0).unwrap();
    assert!(held.iter().all(|a| a.address.is_ipv6()), "{held:?}");
    host.del("c0", &pods[0]).succeeded();
    host.del("c1", &pods[1]).succeeded();
    host.assert_clean();
}
