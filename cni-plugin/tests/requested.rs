//! Addresses, MAC address and pool on request: honoured, or refused by the words they were asked in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_netlink::Netns;
use host::{Call, Host, Outcome, open};
use serde_json::{Value, json};

fn pod() -> Netns {
    Netns::create().unwrap()
}

/// An ADD whose configuration has this `runtimeConfig`.
fn asking(host: &Host, id: &str, pod: &Netns, runtime: Value) -> Call {
    let mut conf = host.conf();
    conf["runtimeConfig"] = runtime;
    host.call("ADD", id, pod).stdin(conf.to_string())
}

fn annotated(annotations: Value) -> Value {
    json!({"io.kubernetes.cri.pod-annotations": annotations})
}

#[track_caller]
fn has(outcome: &Outcome, v4: &str, v6: Option<&str>) {
    let result = outcome.succeeded().json();
    assert_eq!(result["ips"][0]["address"], format!("{v4}/32"), "{result}");
    if let Some(v6) = v6 {
        assert_eq!(result["ips"][1]["address"], format!("{v6}/128"), "{result}");
    }
}

#[test]
fn each_way_of_asking_is_honoured() {
    let host = Host::new();
    let ips = json!({"ips": ["10.101.21.77/24", "fd00:101:0:21::77/64"]});
    has(
        &host.run(&asking(&host, "c1", &pod(), ips)),
        "10.101.21.77",
        Some("fd00:101:0:21::77"),
    );
    let args = "IgnoreUnknown=1;IP=10.101.21.78";
    has(
        &host.run(&host.call("ADD", "c2", &pod()).with("CNI_ARGS", args)),
        "10.101.21.78",
        None,
    );
    let by_pod = annotated(json!({
        "gingham.dev/ipv4": "10.101.21.79", "gingham.dev/ipv6": "fd00:101:0:21::79", "gingham.dev/pool": "z1",
    }));
    has(
        &host.run(&asking(&host, "c3", &pod(), by_pod)),
        "10.101.21.79",
        Some("fd00:101:0:21::79"),
    );
    let mut conf = host.conf();
    conf["args"] = json!({"cni": {"ips": ["10.101.21.80"]}});
    has(
        &host.run(&host.call("ADD", "c4", &pod()).stdin(conf.to_string())),
        "10.101.21.80",
        None,
    );
}

#[test]
fn a_mac_address_is_that_of_the_interface_and_of_the_neighbour() {
    let (host, pod) = (Host::new(), pod());
    let outcome = host.run(&asking(
        &host,
        "c1",
        &pod,
        json!({"mac": "02:00:00:00:00:07"}),
    ));
    let result = outcome.succeeded().json();
    assert_eq!(result["interfaces"][1]["mac"], "02:00:00:00:00:07");
    let mac = "02:00:00:00:00:07".parse().unwrap();
    assert_eq!(open(&pod).link("eth0").unwrap().mac, Some(mac));
    let neighbours = host.socket().neighbours().unwrap();
    let of_pod = neighbours
        .iter()
        .filter(|neighbour| neighbour.mac == Some(mac));
    assert_eq!(of_pod.count(), 2, "{neighbours:?}");
    assert_eq!(host.live()[0].mac, mac);
    host.check("c1", &pod, &result).succeeded();
    host.del("c1", &pod).succeeded();
    host.assert_clean();
}

#[test]
fn what_cannot_be_given_is_refused_by_name_and_nothing_else_is_given() {
    let host = Host::new();
    let held = pod();
    host.run(&asking(
        &host,
        "held",
        &held,
        json!({"ips": ["10.101.21.9"]}),
    ))
    .succeeded();
    let cases = [
        (
            json!({"ips": ["10.99.0.1"]}),
            (
                102,
                r#"runtimeConfig.ips "10.99.0.1": address 10.99.0.1: in no block of this node, or not of the pool asked for"#,
            ),
        ),
        (
            annotated(json!({"gingham.dev/ipv4": "10.101.21.255"})),
            (
                102,
                r#"annotation gingham.dev/ipv4 "10.101.21.255": address 10.101.21.255: kept free: given to no pod"#,
            ),
        ),
        (
            annotated(json!({"gingham.dev/pool": "other"})),
            (
                102,
                r#"annotation gingham.dev/pool "other": pool other: this node has no Active IPv4 block of it"#,
            ),
        ),
        (
            json!({"ips": ["10.101.21.9"]}),
            (
                11,
                r#"runtimeConfig.ips "10.101.21.9": address 10.101.21.9: held by gingham/held/eth0, as "#,
            ),
        ),
        (
            json!({"ips": ["10.101.21.10", "10.101.21.11"]}),
            (
                102,
                r#"runtimeConfig.ips "10.101.21.10" and runtimeConfig.ips "10.101.21.11": cannot both be had"#,
            ),
        ),
        (
            json!({"mac": "ff:ff:ff:ff:ff:ff"}),
            (
                7,
                r#"runtimeConfig.mac "ff:ff:ff:ff:ff:ff": must be a MAC address of one interface"#,
            ),
        ),
    ];
    for (runtime, (code, begin)) in cases {
        let (given, msg) = host.run(&asking(&host, "c1", &pod(), runtime)).error();
        assert_eq!(given, code, "{msg}");
        assert!(msg.starts_with(begin), "{msg}\n{begin}");
        assert_eq!((host.live().len(), host.host_ends().len()), (1, 1));
    }
    let mut state = host.node_state();
    state["families"] = json!(["IPv4"]);
    host.write_node_state(&state);
    let (code, msg) = host
        .run(&asking(
            &host,
            "c1",
            &pod(),
            json!({"ips": ["fd00:101:0:21::7"]}),
        ))
        .error();
    assert_eq!(code, 102);
    assert!(
        msg.ends_with("this node gives its pods no address of this family"),
        "{msg}"
    );
}

/// As a pod of a StatefulSet comes back under its name, before its address has rested.
#[test]
fn an_address_asked_for_by_name_need_not_rest() {
    let (host, first) = (Host::new(), pod());
    let ips = || json!({"ips": ["10.101.21.50"]});
    host.run(&asking(&host, "old", &first, ips())).succeeded();
    let again = pod();
    let (code, _) = host.run(&asking(&host, "new", &again, ips())).error();
    assert_eq!(code, 11, "the old sandbox still has it");
    host.del("old", &first).succeeded();
    has(
        &host.run(&asking(&host, "new", &again, ips())),
        "10.101.21.50",
        None,
    );
    // A late DEL of the old sandbox does not harm the new one.
    host.del("old", &first).succeeded();
    assert_eq!((host.live().len(), host.host_ends().len()), (1, 1));
    host.del("new", &again).succeeded();
    host.assert_clean();
}
