//! ADD and DEL against the real kernel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_ipam::LeaseState;
use gingham_model::{Owner, Prefix, Route, TABLE_MAIN, Target};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Netns, route};
use host::{Host, open, path_of};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn pod() -> Netns {
    Netns::create().unwrap()
}

fn addresses(result: &Value) -> [IpAddr; 2] {
    let address = |index: usize| {
        let text = result["ips"][index]["address"].as_str().unwrap();
        text.split('/').next().unwrap().parse().unwrap()
    };
    [address(0), address(1)]
}

#[test]
fn a_pod_has_what_the_result_says() {
    let (host, pod) = (Host::new(), pod());
    let result = host.add("c1", &pod).succeeded().json();
    let [v4, v6] = addresses(&result);
    let (host_if, mac) = (
        &result["interfaces"][0]["name"],
        &result["interfaces"][1]["mac"],
    );
    assert_eq!(
        result,
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": host_if, "mac": "02:67:68:00:00:01", "mtu": 1500},
                {"name": "eth0", "mac": mac, "mtu": 1500, "sandbox": path_of(&pod)},
            ],
            "ips": [
                {"address": format!("{v4}/32"), "gateway": "169.254.1.1", "interface": 1},
                {"address": format!("{v6}/128"), "gateway": "fe80::1", "interface": 1},
            ],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "169.254.1.1"},
                {"dst": "::/0", "gw": "fe80::1"},
            ],
        })
    );

    let eth0 = open(&pod).link("eth0").unwrap();
    assert!(eth0.up && eth0.running);
    assert_eq!(
        (eth0.mtu, eth0.mac.unwrap().to_string().as_str()),
        (1500, mac.as_str().unwrap())
    );
    let held: BTreeSet<(IpAddr, u8)> = open(&pod)
        .addresses()
        .unwrap()
        .into_iter()
        .filter(|address| address.dev == eth0.index && !address.tentative)
        .map(|address| (address.address, address.length))
        .collect();
    assert_eq!(
        held,
        BTreeSet::from([(v4, 32), (v6, 128)]),
        "and no link-local address"
    );

    let end = host.socket().link(host_if.as_str().unwrap()).unwrap();
    assert_eq!((end.group, end.mtu), (0x6768, 1500));
    assert_eq!(end.alias.as_deref(), Some("shop/web-c1 eth0"));
    let routes = host.socket().routes(TABLE_MAIN).unwrap();
    for address in [v4, v6] {
        let wanted = Route::of(Owner::Pod, Prefix::host(address), Target::Link(end.index));
        assert!(routes.contains(&wanted), "{address}: {routes:?}");
    }

    let leases = host.live();
    let [lease] = leases.as_slice() else {
        panic!("{leases:?}")
    };
    assert_eq!(lease.state, LeaseState::Held);
    assert_eq!(
        (lease.pod.as_str(), lease.host_if.as_str()),
        ("shop/web-c1", end.name.as_str())
    );
    assert_eq!(lease.addresses().collect::<Vec<_>>(), [v4, v6]);
}

#[test]
fn two_pods_of_a_node_talk_in_both_families_at_once() {
    let (host, server, client) = (Host::new(), pod(), pod());
    let there = addresses(&host.add("server", &server).succeeded().json());
    host.add("client", &client).succeeded();
    for address in there {
        let listener = server
            .visit(|| TcpListener::bind((address, 0)).unwrap())
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = client
            .visit(|| {
                let to = SocketAddr::new(address, port);
                let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(10)).unwrap();
                let (mut other, from) = listener.accept().unwrap();
                other.write_all(from.ip().to_string().as_bytes()).unwrap();
                drop(other);
                let mut said = String::new();
                stream.read_to_string(&mut said).unwrap();
                (said, stream.local_addr().unwrap().ip().to_string())
            })
            .unwrap();
        assert_eq!(said.0, said.1, "the server sees the client's own address");
    }
}

#[test]
fn an_mtu_in_the_conf_wins_over_the_nodes() {
    let (host, pod) = (Host::new(), pod());
    let mut conf = host.conf();
    conf["mtu"] = json!(1400);
    let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
    assert_eq!(open(&pod).link("eth0").unwrap().mtu, 1400);
}

#[test]
fn version_1_0_0_is_answered_in_its_shape() {
    let (host, pod) = (Host::new(), pod());
    let mut conf = host.conf();
    conf["cniVersion"] = json!("1.0.0");
    let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
    let result = host.run(&call).succeeded().json();
    assert_eq!(result["cniVersion"], "1.0.0");
    assert_eq!(result["interfaces"][1].get("mtu"), None);
}

#[test]
fn an_ipv4_only_node_gives_no_ipv6() {
    let (host, pod) = (Host::new(), pod());
    let mut state = host.node_state();
    state["families"] = json!(["IPv4"]);
    host.write_node_state(&state);
    let result = host.add("c1", &pod).succeeded().json();
    assert_eq!(result["ips"].as_array().unwrap().len(), 1);
    assert_eq!(result["routes"].as_array().unwrap().len(), 1);
    host.del("c1", &pod).succeeded();
    host.assert_clean();
}

#[test]
fn del_leaves_nothing_and_may_be_repeated() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    for _ in 0..3 {
        let outcome = host.del("c1", &pod);
        assert_eq!(outcome.succeeded().stdout, "");
        host.assert_clean();
        assert_eq!(
            open(&pod)
                .link("eth0")
                .unwrap_err()
                .errno()
                .map(|e| e as i32),
            Some(19)
        );
    }
    assert_eq!(host.leases().cooling().len(), 1, "its addresses rest");
}

#[test]
fn del_succeeds_whatever_is_missing() {
    let host = Host::new();
    let plain_file = host.path("plain-file");
    std::fs::write(&plain_file, "").unwrap();

    let pod = pod();
    host.del("never-added", &pod).succeeded();
    let without_netns = host.call("DEL", "c0", &pod).without("CNI_NETNS");
    host.run(&without_netns).succeeded();

    for (id, netns) in [
        ("c1", ""),
        ("c2", "/run/netns/gone"),
        ("c3", plain_file.to_str().unwrap()),
        ("c4", "/proc/1/fd/999999"),
    ] {
        let pod = self::pod();
        host.add(id, &pod).succeeded();
        let call = host.call("DEL", id, &pod).with("CNI_NETNS", netns);
        host.run(&call).succeeded();
        host.assert_clean();
    }
}

#[test]
fn del_succeeds_when_the_sandbox_died_first() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    let call = host.call("DEL", "c1", &pod);
    drop(pod);
    host.run(&call).succeeded();
    host.assert_clean();
}

#[test]
fn del_succeeds_where_no_agent_ever_ran() {
    let (host, pod) = (Host::new(), pod());
    let mut conf = host.conf();
    conf["runDir"] = json!("/run/no-such-directory");
    let call = host.call("DEL", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
}

#[test]
fn del_needs_no_node_state_and_takes_any_previous_result() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    std::fs::remove_file(host.path("node.json")).unwrap();
    let mut conf = host.conf();
    conf["prevResult"] = json!({"cniVersion": "0.3.1", "ips": "not even a list"});
    let call = host.call("DEL", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
    host.assert_clean();
}

#[test]
fn a_second_add_is_refused_and_harms_nothing() {
    let (host, pod, other) = (Host::new(), pod(), pod());
    let first = host.add("c1", &pod).succeeded().json();
    for netns in [&pod, &other] {
        let (code, msg) = host.add("c1", netns).error();
        assert_eq!(code, 100, "{msg}");
        assert!(
            msg.starts_with("gingham/c1/eth0 already holds addresses"),
            "{msg}"
        );
    }
    let index = open(&pod).link("eth0").unwrap().index;
    let held = open(&pod).addresses().unwrap();
    for address in addresses(&first) {
        assert!(held.iter().any(|a| a.dev == index && a.address == address));
    }
    assert_eq!(host.live().len(), 1);
    assert_eq!(host.host_ends().len(), 1);
}

#[test]
fn an_interface_name_that_is_taken_is_left_alone() {
    let (host, pod) = (Host::new(), pod());
    let elsewhere = self::pod();
    let pair = VethPair {
        host: VethEnd {
            name: "eth0".into(),
            mac: "02:00:00:00:00:01".parse().unwrap(),
        },
        peer: VethEnd {
            name: "other".into(),
            mac: "02:00:00:00:00:02".parse().unwrap(),
        },
        mtu: 1500,
        group: 0,
    };
    open(&pod)
        .run(&[link::create_veth(&pair, &elsewhere)])
        .unwrap();
    let (code, msg) = host.add("c1", &pod).error();
    assert_eq!(code, 100, "{msg}");
    assert!(msg.contains("with peer eth0: File exists"), "{msg}");
    host.assert_clean();
    assert!(open(&pod).link("eth0").is_ok());
    host.del("c1", &pod).succeeded();
    assert!(open(&pod).link("eth0").is_ok(), "it is not ours");
}

#[test]
fn a_failure_in_the_middle_is_undone_in_reverse() {
    let (host, pod) = (Host::new(), pod());
    // Who routes to the address already has the pod that the lease store has lost.
    let cidr: Prefix = "10.101.21.0/24".parse().unwrap();
    let mut socket = host.socket();
    let lo = socket.link("lo").unwrap().index;
    let in_the_way: Vec<_> = (0..256)
        .map(|index| Prefix::host(cidr.nth_address(index).unwrap()))
        .map(|host| route::add(&Route::of(Owner::Pod, host, Target::Link(lo))))
        .collect();
    socket.run(&[link::set_up(lo)]).unwrap();
    socket.run(&in_the_way).unwrap();

    let (code, msg) = host.add("c1", &pod).error();
    assert_eq!(code, 999, "{msg}");
    assert!(
        msg.starts_with("on the host: add route 10.101.21."),
        "{msg}"
    );
    assert!(msg.contains("File exists"), "{msg}");
    assert_eq!(host.host_ends(), [""; 0]);
    assert!(open(&pod).link("eth0").is_err());
    assert_eq!(host.live(), []);
    assert_eq!(host.leases().cooling().len(), 1, "its addresses rest");
}

#[test]
fn an_add_after_one_that_was_killed_gets_the_same_addresses() {
    let (host, pod) = (Host::new(), pod());
    let first = addresses(&host.add("c1", &pod).succeeded().json());
    // As a plugin killed before its last step leaves it: wired, the lease an Intent.
    let text = std::fs::read_to_string(host.path("leases.json")).unwrap();
    std::fs::write(host.path("leases.json"), text.replace("Held", "Intent")).unwrap();
    let second = addresses(&host.add("c1", &pod).succeeded().json());
    assert_eq!(first, second);
    assert_eq!(host.live()[0].state, LeaseState::Held);
    assert_eq!(host.host_ends().len(), 1);
}

#[test]
fn a_pod_whose_lease_was_recovered_is_refused_a_second_add_and_taken_off_by_its_del() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    // As the agent takes it up again after the store was lost: without the container's ID.
    let text = std::fs::read_to_string(host.path("leases.json")).unwrap();
    let recovered = text.replace(r#""containerId":"c1""#, r#""containerId":"""#);
    std::fs::write(host.path("leases.json"), recovered).unwrap();
    assert_eq!(host.live()[0].container_id, "");

    let (code, msg) = host.add("c1", &pod).error();
    assert_eq!(code, 100, "{msg}");
    assert!(msg.starts_with("gingham/c1/eth0 already holds"), "{msg}");
    assert!(open(&pod).link("eth0").is_ok());
    host.del("c1", &pod).succeeded();
    host.assert_clean();
}

#[test]
fn two_hundred_at_once_get_addresses_of_their_own_and_leave_nothing() {
    const PODS: usize = 200;
    let host = Host::new();
    let pods: Vec<Netns> = (0..PODS).map(|_| pod()).collect();
    let each = |work: &(dyn Fn(usize, &Netns) -> host::Outcome + Sync)| -> Vec<host::Outcome> {
        thread::scope(|scope| {
            let calls: Vec<_> = pods
                .iter()
                .enumerate()
                .map(|(index, pod)| scope.spawn(move || work(index, pod)))
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        })
    };
    let outcomes = each(&|index, pod| host.add(&format!("c{index}"), pod));
    let given: Vec<IpAddr> = outcomes
        .iter()
        .flat_map(|outcome| addresses(&outcome.succeeded().json()))
        .collect();
    let unique: BTreeSet<IpAddr> = given.iter().copied().collect();
    assert_eq!(unique.len(), 2 * PODS);
    assert_eq!(host.live().len(), PODS);
    assert_eq!(host.host_ends().len(), PODS);
    for outcome in each(&|index, pod| host.del(&format!("c{index}"), pod)) {
        outcome.succeeded();
    }
    host.assert_clean();
}
