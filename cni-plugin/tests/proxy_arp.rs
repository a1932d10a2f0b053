//! `proxyArp`: a virtual machine behind the pod's interface finds its gateway by asking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_model::Family;
use gingham_netlink::{Netns, sysctl};
use host::{Host, address_of, by_hand, path_of, reach};
use serde_json::{Value, json};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

/// A pod whose address belongs to a virtual machine, as hypervisors in pods arrange it: the guest
/// has the pod's addresses and its MAC, and is bridged to the pod's interface, which now has another.
struct Guest {
    pod: Netns,
    machine: Netns,
    addresses: [IpAddr; 2],
}

fn guest(host: &Host, id: &str, conf: &Value) -> Guest {
    let (pod, machine) = (Netns::create().unwrap(), Netns::create().unwrap());
    let call = host.call("ADD", id, &pod).stdin(conf.to_string());
    let result = host.run(&call).succeeded().json();
    let mac = result["interfaces"][1]["mac"].as_str().unwrap();
    let [v4, v6] = Family::ALL.map(|family| address_of(&result, family));
    by_hand(
        &pod,
        &[
            "ip addr flush dev eth0".into(),
            "ip link set eth0 address 02:00:00:00:00:99".into(),
            "ip link add br0 type bridge".into(),
            "ip link set br0 addrgenmode none up".into(),
            format!(
                "ip link add tap0 type veth peer name vm0 address {mac} netns {}",
                path_of(&machine)
            ),
            "ip link set tap0 addrgenmode none master br0 up".into(),
            "ip link set eth0 master br0".into(),
        ],
    );
    by_hand(
        &machine,
        &[
            "ip link set vm0 addrgenmode none up".into(),
            format!("ip addr add {v4}/32 dev vm0"),
            format!("ip addr add {v6}/128 dev vm0 nodad"),
            "ip route add default via 169.254.1.1 dev vm0 onlink".into(),
            "ip route add default via fe80::1 dev vm0".into(),
        ],
    );
    let addresses = [v4, v6];
    Guest {
        pod,
        machine,
        addresses,
    }
}

/// A node like every other has somewhere to send what it does not know.
fn node() -> Host {
    let host = Host::new();
    by_hand(
        &host.netns,
        &[
            "ip link add up0 type bridge".into(),
            "ip link set up0 up".into(),
            "ip route add default dev up0".into(),
        ],
    );
    host
}

#[test]
fn a_machine_behind_the_pods_interface_resolves_the_gateway_and_is_reached() {
    let host = node();
    let mut conf = host.conf();
    conf["proxyArp"] = json!(true);
    let guests = ["c0", "c1"].map(|id| guest(&host, id, &conf));
    let host_if = &host.host_ends()[0];
    let read = || {
        ["conf", "neigh"].map(|kind| {
            let name = if kind == "conf" {
                "proxy_arp"
            } else {
                "proxy_delay"
            };
            sysctl::read(&format!("net/ipv4/{kind}/{host_if}/{name}")).unwrap()
        })
    };
    assert_eq!(
        host.netns.visit(read).unwrap(),
        ["1", "0"],
        "it answers at once"
    );

    let [node_v4, node_v6] = host::NODE_ADDRESSES.map(|a| a.parse::<gingham_model::Prefix>());
    for node in [node_v4, node_v6] {
        reach(&guests[0].machine, &host.netns, node.unwrap().address());
    }
    for address in guests[1].addresses {
        reach(&host.netns, &guests[1].machine, address);
        reach(&guests[0].machine, &guests[1].machine, address);
    }
    for (id, guest) in ["c0", "c1"].iter().zip(&guests) {
        let call = host.call("DEL", id, &guest.pod).stdin(conf.to_string());
        host.run(&call).succeeded();
    }
    host.assert_clean();
}

#[test]
fn without_it_nobody_answers() {
    let host = node();
    let guest = guest(&host, "c0", &host.conf());
    let node: gingham_model::Prefix = host::NODE_ADDRESSES[0].parse().unwrap();
    let to = (node.address(), 1).into();
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(1));
    let outcome = guest.machine.visit(connect).unwrap();
    assert_ne!(
        outcome.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused,
        "the node was reached"
    );
}
