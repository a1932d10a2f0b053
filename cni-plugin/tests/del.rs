//! DEL in every odd case: all of the pod's goes, and nothing of anybody else's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_netlink::Netns;
use host::{Call, Host, by_hand, open, path_of};
use serde_json::{Value, json};

fn pod() -> Netns {
    Netns::create().unwrap()
}

/// The same call for another sandbox of the same pod.
fn same_pod(call: Call) -> Call {
    call.with(
        "CNI_ARGS",
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db-0",
    )
}

#[test]
fn a_late_del_of_the_old_sandbox_does_not_touch_the_new_one() {
    let (host, old, new) = (Host::new(), pod(), pod());
    let mut conf = host.conf();
    conf["runtimeConfig"] = json!({"mac": "02:00:00:00:00:77"});
    for (id, netns) in [("old", &old), ("new", &new)] {
        let call = same_pod(host.call("ADD", id, netns)).stdin(conf.to_string());
        host.run(&call).succeeded();
    }
    let of_new = host.live()[1].clone();
    // Worst of all: the old host end is gone already, and the old path leads to the new sandbox.
    let old_end = host.live()[0].host_if.clone();
    by_hand(&host.netns, &[format!("ip link del {old_end}")]);
    for _ in 0..2 {
        let call = same_pod(host.call("DEL", "old", &old)).with("CNI_NETNS", &path_of(&new));
        host.run(&call).succeeded();
        assert!(open(&new).link("eth0").is_ok());
        assert_eq!(host.live(), std::slice::from_ref(&of_new));
        assert_eq!(host.host_ends(), [of_new.host_if.as_str()]);
    }
}

#[test]
fn a_pod_end_that_was_renamed_or_moved_goes_with_the_host_end() {
    let elsewhere = pod();
    for hand in [
        "ip link set eth0 name net1".to_owned(),
        format!("ip link set eth0 netns {}", path_of(&elsewhere)),
    ] {
        let (host, pod) = (Host::new(), pod());
        host.add("c1", &pod).succeeded();
        by_hand(&pod, &[hand]);
        host.del("c1", &pod).succeeded();
        host.assert_clean();
        for netns in [&pod, &elsewhere] {
            let left = open(netns).links().unwrap();
            assert!(left.iter().all(|link| link.loopback), "{left:?}");
        }
    }
}

#[test]
fn a_host_end_that_was_renamed_or_moved_is_found_by_the_pods() {
    let elsewhere = pod();
    for hand in [
        "name other".to_owned(),
        format!("netns {}", path_of(&elsewhere)),
    ] {
        for renamed_inside in [false, true] {
            let (host, pod) = (Host::new(), pod());
            host.add("c1", &pod).succeeded();
            let name = host.host_ends().remove(0);
            by_hand(&host.netns, &[format!("ip link set {name} {hand}")]);
            if renamed_inside {
                by_hand(&pod, &["ip link set eth0 name net1".to_owned()]);
            }
            host.del("c1", &pod).succeeded();
            host.assert_clean();
            for netns in [&host.netns, &pod, &elsewhere] {
                let left = open(netns).links().unwrap();
                assert!(left.iter().all(|link| link.loopback), "{left:?}");
            }
        }
    }
}

#[test]
fn a_pair_whose_name_another_link_has_taken_is_found_too() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    let name = host.host_ends().remove(0);
    by_hand(
        &host.netns,
        &[
            format!("ip link set {name} name other"),
            format!("ip link add {name} type bridge"),
        ],
    );
    host.del("c1", &pod).succeeded();
    assert!(open(&pod).link("eth0").is_err());
    let left = host.socket().links().unwrap();
    let left: Vec<&str> = left.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(left, ["lo", name.as_str()]);
    assert_eq!(host.live(), []);
}

#[test]
fn a_link_that_no_add_made_is_left_whatever_it_is_called() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    let name = host.host_ends().remove(0);
    by_hand(
        &host.netns,
        &[
            format!("ip link del {name}"),
            format!("ip link add {name} type bridge"),
        ],
    );
    let mut conf = host.conf();
    conf["logFile"] = json!(host.path("log"));
    let call = host.call("DEL", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
    assert_eq!(host.host_ends(), [name.as_str()]);
    assert_eq!(host.live(), []);
    let log = std::fs::read_to_string(host.path("log")).unwrap();
    assert!(
        log.contains(&format!("{name} is no veth, and was left alone")),
        "{log}"
    );

    // Inside the pod neither, if it only looks like ours.
    let (code, msg) = host.add("c1", &pod).error();
    assert_eq!(code, 100, "{msg}");
    assert_eq!(host.host_ends(), [name]);
}

#[test]
fn a_host_end_of_another_group_is_ours_by_its_name() {
    let (host, pod) = (Host::new(), pod());
    host.add("c1", &pod).succeeded();
    let name = host.host_ends().remove(0);
    by_hand(&host.netns, &[format!("ip link set {name} group 7")]);
    host.del("c1", &pod).succeeded();
    host.assert_clean();
}

#[test]
fn an_interface_of_the_pods_own_is_left() {
    let (host, pod) = (Host::new(), pod());
    by_hand(
        &pod,
        &[
            "ip link add eth0 type bridge".into(),
            "ip link set eth0 up".into(),
        ],
    );
    host.add("c1", &pod).error();
    host.del("c1", &pod).succeeded();
    assert!(open(&pod).link("eth0").unwrap().up);
    host.assert_clean();
}

#[test]
fn the_configuration_of_today_may_be_odd() {
    let odd: [(&str, Value); 9] = [
        ("mtu", json!("large")),
        ("logLevel", json!("loud")),
        ("logFile", json!("relative")),
        ("cooldownSeconds", json!(-1)),
        ("disableGC", json!("yes")),
        ("runtimeConfig", json!({"ips": "none", "mac": 7})),
        ("ipam", json!({"type": "host-local"})),
        ("prevResult", json!([1, 2, 3])),
        ("args", json!("none")),
    ];
    for (key, value) in odd {
        let (host, pod) = (Host::new(), pod());
        host.add("c1", &pod).succeeded();
        let mut conf = host.conf();
        conf[key] = value;
        let call = host.call("DEL", "c1", &pod).stdin(conf.to_string());
        let call = call.with("CNI_ARGS", "nonsense");
        assert_eq!(host.run(&call).succeeded().stdout, "", "{key}");
        host.assert_clean();
    }
}
