//! STATUS fails only where an ADD cannot succeed, and by option where no address is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_netlink::Netns;
use host::{Host, Outcome};
use serde_json::{Value, json};

/// A node whose IPv4 block has two addresses to give.
fn small() -> Host {
    let host = Host::new();
    let mut state = host.node_state();
    state["blocks"][0]["cidr"] = json!("10.101.21.0/31");
    state["blocks"][1] = json!({"cidr": "10.101.21.2/32", "pool": "z1", "state": "Active"});
    state["families"] = json!(["IPv4"]);
    host.write_node_state(&state);
    host
}

fn status(host: &Host, extra: &Value) -> Outcome {
    let mut conf = host.conf();
    let extra = extra.as_object().unwrap().clone();
    conf.as_object_mut().unwrap().extend(extra);
    let env = vec![
        ("CNI_COMMAND", "STATUS".into()),
        ("CNI_NETNS", String::new()),
    ];
    host.run(&host::Call {
        env,
        stdin: conf.to_string().into_bytes(),
    })
}

#[test]
fn exhaustion_counts_only_when_it_is_asked_for() {
    let (host, by_option) = (small(), json!({"statusOnExhaustion": true}));
    let pods = [(); 2].map(|()| Netns::create().unwrap());
    for (at, pod) in pods.iter().enumerate() {
        assert_eq!(status(&host, &by_option).succeeded().stdout, "");
        host.add(&format!("c{at}"), pod).succeeded();
    }
    let (code, msg) = status(&host, &by_option).error();
    assert_eq!(code, 50, "{msg}");
    assert!(msg.starts_with("no IPv4 address"), "{msg}");
    status(&host, &json!({})).succeeded();
    // At rest it cannot be given either.
    host.del("c0", &pods[0]).succeeded();
    let (code, msg) = status(&host, &by_option).error();
    assert_eq!(code, 50, "{msg}");
    status(
        &host,
        &json!({"statusOnExhaustion": true, "cooldownSeconds": 0}),
    )
    .succeeded();
    assert_eq!(host.live().len(), 1, "nothing was given by asking");
}

#[test]
fn only_node_json_decides_otherwise() {
    let host = Host::new();
    status(&host, &json!({})).succeeded();
    let by_option = json!({"statusOnExhaustion": true});
    std::fs::write(host.path("leases.json"), "\0\0\0\0").unwrap();
    status(&host, &json!({})).succeeded();
    status(&host, &by_option).succeeded();
    std::fs::remove_file(host.path("leases.json")).unwrap();

    // Nobody is asked, so that nobody can keep it waiting.
    let lock = std::fs::File::create(host.path("leases.lock")).unwrap();
    lock.lock().unwrap();
    status(&host, &by_option).succeeded();

    let mut state = host.node_state();
    state["bootId"] = json!("00000000-0000-0000-0000-000000000000");
    host.write_node_state(&state);
    assert_eq!(status(&host, &json!({})).error().0, 50);
    std::fs::write(host.path("node.json"), "{").unwrap();
    assert_eq!(status(&host, &json!({})).error().0, 50);
    std::fs::remove_file(host.path("node.json")).unwrap();
    assert_eq!(status(&host, &json!({})).error().0, 50);
}
