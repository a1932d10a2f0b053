//! CHECK is green after ADD, and red after every single damage, which it names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_model::Family;
use gingham_netlink::Netns;
use host::{Host, address_of, by_hand};
use serde_json::{Value, json};

/// `CHECK` of [`gingham_cni::Code::Differs`].
const DIFFERS: u64 = 103;

/// Where a damage is done.
#[derive(Clone, Copy, Debug)]
enum Where {
    Pod,
    Host,
}
use Where::{Host as OnHost, Pod as InPod};

/// Names in a damage and in what is said of it.
fn filled(text: &str, result: &Value) -> String {
    let mut text = text.to_owned();
    let name = |at: usize, key: &str| result["interfaces"][at][key].as_str().unwrap().to_owned();
    text = text
        .replace("GH", &name(0, "name"))
        .replace("MAC1", &name(1, "mac"));
    for (word, family) in [("V4", Family::V4), ("V6", Family::V6)] {
        if text.contains(word) {
            text = text.replace(word, &address_of(result, family).to_string());
        }
    }
    text
}

/// Done to a pod of every kind of node.
const OF_EVERY_FAMILY: &[(Where, &str, &str)] = &[
    (
        InPod,
        "ip link del eth0",
        "eth0 in the pod: want an interface, have none",
    ),
    (
        InPod,
        "ip link set eth0 name eth1",
        "eth0 in the pod: want an interface, have none",
    ),
    (
        InPod,
        "ip link set eth0 down",
        "eth0 in the pod: want up, have down",
    ),
    (
        InPod,
        "ip link set eth0 address 02:00:00:00:00:99",
        "MAC of eth0 in the pod: want MAC1, have 02:00:00:00:00:99",
    ),
    (
        InPod,
        "ip link set eth0 mtu 1400",
        "MTU of eth0 in the pod: want 1500, have 1400",
    ),
    (
        OnHost,
        "ip link del GH",
        "GH on the host: want an interface, have none",
    ),
    (
        OnHost,
        "ip link set GH name other",
        "GH on the host: want an interface, have none",
    ),
    (
        OnHost,
        "ip link set GH down",
        "GH on the host: want up, have down",
    ),
    (
        OnHost,
        "ip link set GH address 02:00:00:00:00:99",
        "MAC of GH on the host: want 02:67:68:00:00:01, have 02:00:00:00:00:99",
    ),
    (
        OnHost,
        "ip link set GH mtu 1400",
        "MTU of GH on the host: want 1500, have 1400",
    ),
    (
        OnHost,
        "ip link set GH group 0",
        "group of GH on the host: want 26472, have 0",
    ),
];

const OF_IPV4: &[(Where, &str, &str)] = &[
    (
        InPod,
        "ip addr del V4/32 dev eth0",
        "address V4/32 on eth0 in the pod: want it, have none",
    ),
    (
        InPod,
        "ip route del default",
        "IPv4 default route in the pod: want one via 169.254.1.1, have none",
    ),
    (
        InPod,
        "ip route replace default dev eth0",
        "IPv4 default route in the pod: want one via 169.254.1.1, have dev 2",
    ),
    (
        InPod,
        "ip neigh del 169.254.1.1 dev eth0",
        "neighbour 169.254.1.1 of eth0 in the pod: want 02:67:68:00:00:01 for good, have none",
    ),
    (
        InPod,
        "ip neigh replace 169.254.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        "neighbour 169.254.1.1 of eth0 in the pod: want 02:67:68:00:00:01 for good, \
         have 02:00:00:00:00:99",
    ),
    (
        OnHost,
        "ip neigh replace V4 lladdr MAC1 dev GH nud stale",
        "neighbour V4 of GH on the host: want MAC1 for good, have MAC1 for a while",
    ),
    (
        OnHost,
        "ip neigh del V4 dev GH",
        "neighbour V4 of GH on the host: want MAC1 for good, have none",
    ),
    (
        OnHost,
        "ip route del V4/32 dev GH",
        "route to V4/32 on the host: want ours onto GH, have none (ENETUNREACH",
    ),
    (
        OnHost,
        "ip route add V4/32 dev lo metric 5",
        "route to V4/32 on the host: want ours onto GH, have V4/32 dev 1 protocol 3 metric 5",
    ),
    (
        OnHost,
        "ip route change V4/32 dev GH protocol static metric 10",
        "route to V4/32 on the host: want ours onto GH, have V4/32 dev ",
    ),
];

const OF_IPV6: &[(Where, &str, &str)] = &[
    (
        InPod,
        "ip addr del V6/128 dev eth0",
        "address V6/128 on eth0 in the pod: want it, have none",
    ),
    (
        InPod,
        "ip -6 route del default",
        "IPv6 default route in the pod: want one via fe80::1, have none",
    ),
    (
        InPod,
        "ip neigh del fe80::1 dev eth0",
        "neighbour fe80::1 of eth0 in the pod: want 02:67:68:00:00:01 for good, have none",
    ),
    (
        OnHost,
        "ip addr del fe80::1/64 dev GH",
        "address fe80::1/64 on GH on the host: want it, have none",
    ),
    (
        OnHost,
        "ip neigh del V6 dev GH",
        "neighbour V6 of GH on the host: want MAC1 for good, have none",
    ),
    (
        OnHost,
        "ip -6 route del V6/128 dev GH",
        "route to V6/128 on the host: want ours onto GH, have ",
    ),
];

fn families(families: &[&str]) -> Host {
    let host = Host::new();
    let mut state = host.node_state();
    state["families"] = json!(families);
    host.write_node_state(&state);
    host
}

#[track_caller]
fn red(host: &Host, (id, pod): (&str, &Netns), prev: &Value, said: &str, damage: &str) {
    let outcome = host.check(id, pod, prev);
    assert!(!outcome.success, "after {damage}: CHECK is green");
    let document = outcome.json();
    let details = document["details"].as_str().unwrap_or_default().to_owned();
    let (code, msg) = outcome.error();
    assert_eq!(code, DIFFERS, "after {damage}: {msg}");
    let told = format!("{msg}\n{details}");
    let found = told.lines().any(|line| line.starts_with(said));
    assert!(found, "after {damage}: {told:?} does not say {said:?}");
}

#[test]
fn every_single_damage_turns_it_red_and_is_named() {
    for given in [&["IPv4"][..], &["IPv6"], &["IPv4", "IPv6"]] {
        let mut damages = OF_EVERY_FAMILY.to_vec();
        for (family, of_family) in [("IPv4", OF_IPV4), ("IPv6", OF_IPV6)] {
            if given.contains(&family) {
                damages.extend(of_family);
            }
        }
        let host = families(given);
        for (at, (place, damage, said)) in damages.into_iter().enumerate() {
            let (id, pod) = (format!("c{at}"), Netns::create().unwrap());
            let prev = host.add(&id, &pod).succeeded().json();
            assert_eq!(host.check(&id, &pod, &prev).succeeded().stdout, "");
            let (damage, said) = (filled(damage, &prev), filled(said, &prev));
            let netns = match place {
                Where::Pod => &pod,
                Where::Host => &host.netns,
            };
            by_hand(netns, std::slice::from_ref(&damage));
            red(&host, (&id, &pod), &prev, &said, &damage);
            host.del(&id, &pod).succeeded();
            host.assert_clean();
        }
    }
}

#[test]
fn a_lease_that_is_gone_or_of_other_addresses_turns_it_red() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let prev = host.add("c1", &pod).succeeded().json();
    let [v4, v6] = Family::ALL.map(|family| address_of(&prev, family));
    let before = std::fs::read(host.path("leases.json")).unwrap();
    type Edit = fn(&mut Value);
    let edits: [(Edit, String); 5] = [
        (
            |document| document["leases"] = json!([]),
            format!("lease: want one of {v4} and {v6}, have none"),
        ),
        (
            |document| document["leases"][0]["containerId"] = json!("c2"),
            format!("lease: want one of {v4} and {v6}, have none"),
        ),
        (
            |document| document["leases"][0]["v4"] = json!("10.101.21.254"),
            format!("lease: want {v4} and {v6}, have 10.101.21.254 and {v6}"),
        ),
        (
            |document| drop(document["leases"][0].as_object_mut().unwrap().remove("v6")),
            format!("lease: want {v4} and {v6}, have {v4}"),
        ),
        (
            |document| document["leases"][0]["state"] = json!("Intent"),
            "lease: want Held, have Intent".into(),
        ),
    ];
    for (edit, said) in edits {
        host.edit_leases(edit);
        red(&host, ("c1", &pod), &prev, &said, "an edit");
        std::fs::write(host.path("leases.json"), &before).unwrap();
        host.check("c1", &pod, &prev).succeeded();
    }
    std::fs::remove_file(host.path("leases.json")).unwrap();
    red(
        &host,
        ("c1", &pod),
        &prev,
        "lease: want one of",
        "the loss of the store",
    );
}

#[test]
fn a_lease_that_was_recovered_from_the_kernel_is_as_good() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let prev = host.add("c1", &pod).succeeded().json();
    host.edit_leases(|document| {
        for key in ["network", "containerId", "ifname"] {
            document["leases"][0][key] = json!("");
        }
    });
    host.check("c1", &pod, &prev).succeeded();
}

#[test]
fn proxy_arp_is_looked_at_where_it_is_configured() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let mut conf = host.conf();
    conf["proxyArp"] = json!(true);
    let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
    let prev = host.run(&call).succeeded().json();
    host.check_with(("c1", &pod), conf.clone(), &prev)
        .succeeded();
    let host_if = prev["interfaces"][0]["name"].as_str().unwrap();
    by_hand(
        &host.netns,
        &[format!("sysctl -q net.ipv4.conf.{host_if}.proxy_arp=0")],
    );
    let (code, msg) = host.check_with(("c1", &pod), conf, &prev).error();
    assert_eq!(
        (code, msg),
        (
            DIFFERS,
            format!("proxy_arp of {host_if} on the host: want 1, have 0")
        )
    );
    host.check("c1", &pod, &prev).succeeded();
}

#[test]
fn a_namespace_that_is_gone_is_told_by_its_variable() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let prev = host.add("c1", &pod).succeeded().json();
    let mut conf = host.conf();
    conf["prevResult"] = prev;
    let call = host.call("CHECK", "c1", &pod).stdin(conf.to_string());
    let (code, msg) = host.run(&call.with("CNI_NETNS", "/run/netns/gone")).error();
    assert_eq!(code, 4, "{msg}");
    assert!(
        msg.starts_with("CNI_NETNS: network namespace /run/netns/gone"),
        "{msg}"
    );
}
