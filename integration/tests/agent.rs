//! The agent keeps the routes of its node true, and says why when it does not. On both stores, but for
//! objects that are wrong: an API server refuses them before any agent sees them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::{Store, on_both_stores};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use world::{
    Wanted, block, edit, file, get, one_zone, put, rewritten, routes, says, start_agents, up, wait,
    wait_for_route, wait_for_status, without_agents, write,
};

on_both_stores! {
    nothing_is_removed_before_every_source_is_known,
    a_block_that_goes_while_the_agent_is_down_is_removed_when_it_is_back,
    routes_follow_the_blocks_of_the_zone,
    foreign_routes_are_never_touched,
    forwarding_is_switched_on_and_router_advertisements_still_count,
    what_the_node_lacks_is_said_and_the_plugin_says_it_too,
    probes_and_documents_answer_over_http,
    an_agent_ends_when_its_run_directory_is_taken_away_and_is_alone_in_it,
}

fn nothing_is_removed_before_every_source_is_known(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let before = routes(&node, 201);
    assert_eq!(before.len(), 2);

    node.stop_agent(Signal::SIGKILL).unwrap();
    lab.hide_store().unwrap();
    node.start_agent().unwrap();
    let status = wait_for_status(&node, "a look without blocks", |status| {
        status["ready"] == json!(false) && status["round"]["number"].as_u64() > Some(0)
    });
    assert!(says(&status["reasons"], &["blocks"]), "{status:#}");
    assert!(says(&status["removalsHeld"], &["blocks"]), "{status:#}");
    assert_eq!(routes(&node, 201), before);

    lab.show_store().unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    assert_eq!(routes(&node, 201), before);
}

fn a_block_that_goes_while_the_agent_is_down_is_removed_when_it_is_back(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    node.stop_agent(Signal::SIGTERM).unwrap();
    // Its owner would create it again.
    let owner = lab.node("z1w2").unwrap();
    owner.stop_agent(Signal::SIGTERM).unwrap();
    lab.remove("blocks", "10-101-22-0-24").unwrap();
    node.start_agent().unwrap();
    wait_for_route(&node, 201, "10.101.22.0/24", Wanted::Absent);
    wait_for_route(&node, 201, "fd00:101:0:22::/64", Wanted::Present);
}

fn routes_follow_the_blocks_of_the_zone(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let put = |prefix: &str, zone: &str, via: &str| {
        let text = block(prefix, "z1w9", via).replace("zone: z1", &format!("zone: {zone}"));
        put(&lab, &text);
    };
    put("10.101.99.0/24", "z1", "10.1.0.99");
    wait_for_route(&node, 201, "10.101.99.0/24", Wanted::Present);

    // The owner's address changes: replaced in place.
    put("10.101.99.0/24", "z1", "10.1.0.98");
    wait("the new next hop", || {
        let routes = routes(&node, 201);
        let there = routes
            .iter()
            .any(|route| route.starts_with("10.101.99.0/24 via 10.1.0.98 "));
        ensure!(there, "{routes:#?}");
        Ok(())
    });

    // The label says the same zone, the link says otherwise.
    put("10.101.98.0/24", "z1", "192.0.2.98");
    let status = wait_for_status(&node, "a skipped block", |status| {
        says(&status["skipped"], &["10.101.98.0/24", "192.0.2.98"])
    });
    assert_eq!(status["ready"], true, "{status:#}");
    assert!(
        !routes(&node, 201)
            .iter()
            .any(|route| route.contains("10.101.98.0/24"))
    );

    // The owner moves to another zone.
    put("10.101.99.0/24", "z2", "10.2.0.99");
    wait_for_route(&node, 201, "10.101.99.0/24", Wanted::Absent);
}

#[test]
fn a_bad_object_is_refused_by_name_and_the_last_valid_one_stays() {
    let lab = up(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    let path = file(&lab, "blocks", "10-101-22-0-24");
    let good = fs::read_to_string(&path).unwrap();
    for (bad, words) in [
        (String::new(), &["blocks/10-101-22-0-24.yaml"][..]),
        ("spec: [".to_owned(), &["blocks/10-101-22-0-24.yaml"]),
        (
            good.replace("10.101.22.0/24", "10.101.22.5/24"),
            &["spec.cidr", "10.101.22.5/24"],
        ),
        (
            good.replace("10.101.22.0/24", "10.101.23.0/24"),
            &["10-101-22-0-24"],
        ),
        (
            good.replace("10.1.0.22", "10.1.0.999"),
            &["spec.nodeIPs", "10.1.0.999"],
        ),
        (
            good.replace("state: Active", "state: Gone"),
            &["spec.state", "Gone"],
        ),
        (
            good.replace("kind: Block", "kind: Brick"),
            &["kind", "Brick"],
        ),
    ] {
        write(&path, &bad);
        wait_for_status(&node, &format!("a refusal with {words:?}"), |status| {
            says(&status["refused"], words)
        });
        let held = routes(&node, 201);
        assert!(
            held.iter()
                .any(|route| route.starts_with("10.101.22.0/24 ")),
            "{held:#?}"
        );
    }
    write(&path, &good);
    wait_for_status(&node, "no refusal", |status| status["refused"] == json!([]));

    for ((kind, name), from, to, words) in [
        (
            ("zonepools", "z1"),
            "10.101.0.0/16",
            "10.101.0.5/16",
            &["spec.cidrs[0].cidr", "10.101.0.5/16"][..],
        ),
        (
            ("zonepools", "z1"),
            "10.101.0.0/16",
            "127.0.0.0/8",
            &["spec.cidrs[0].cidr", "127.0.0.0/8"],
        ),
        (
            ("nodes", "z1w1"),
            "10.1.0.21",
            "10.1.0.x",
            &["status.addresses", "10.1.0.x"],
        ),
        (
            ("routingconfigs", "default"),
            "64601",
            "-1",
            &["spec.zones[0].asNumber", "-1"],
        ),
    ] {
        edit(&lab, (kind, name), from, to);
        wait_for_status(&node, &format!("a refusal with {words:?}"), |status| {
            says(&status["refused"], words)
        });
        edit(&lab, (kind, name), to, from);
    }
    wait_for_status(&node, "ready, no refusal", |status| {
        status["refused"] == json!([]) && status["ready"] == true
    });
}

fn foreign_routes_are_never_touched(store: Store) {
    let lab = without_agents(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let foreign = [
        "10.101.22.0/24 via 10.1.0.1 dev eth0 proto static metric 12",
        "10.101.22.0/24 via 10.1.0.1 dev eth0 proto static metric 5",
        "10.99.0.0/24 via 10.1.0.1 dev eth0 proto bird metric 40",
        "unreachable 10.98.0.0/24 proto 200 metric 10",
    ];
    for route in foreign {
        let words: Vec<&str> = ["ip", "route", "add"]
            .into_iter()
            .chain(route.split(' '))
            .collect();
        node.exec(&words).unwrap();
    }
    for node in lab.nodes() {
        node.start_agent().unwrap();
    }
    let status = wait_for_status(&node, "the conflict", |status| {
        says(
            &status["reasons"],
            &["10.101.22.0/24", "conflict", "protocol 4"],
        )
    });
    assert_eq!(status["ready"], false);
    let all = node.exec(&["ip", "route"]).unwrap();
    for route in foreign {
        assert!(
            all.lines().any(|line| line.trim_end() == route),
            "{route} in {all}"
        );
    }
    // The rest is installed.
    wait_for_route(&node, 201, "fd00:101:0:22::/64", Wanted::Present);
}

fn forwarding_is_switched_on_and_router_advertisements_still_count(store: Store) {
    let lab = without_agents(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let sysctl = |name: &str| {
        node.exec(&["cat", &format!("/proc/sys/net/{name}")])
            .unwrap()
    };
    assert_eq!(sysctl("ipv4/ip_forward"), "0\n");
    assert_eq!(sysctl("ipv6/conf/eth0/accept_ra"), "1\n");
    start_agents(&lab);
    assert_eq!(sysctl("ipv4/ip_forward"), "1\n");
    assert_eq!(sysctl("ipv6/conf/all/forwarding"), "1\n");
    assert_eq!(sysctl("ipv6/conf/eth0/accept_ra"), "2\n");
}

fn what_the_node_lacks_is_said_and_the_plugin_says_it_too(store: Store) {
    let lab = without_agents(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let object = get(&lab, "nodes", "z1w1");
    lab.remove("nodes", "z1w1").unwrap();
    node.start_agent().unwrap();
    wait_for_status(&node, "no Node", |status| {
        says(&status["reasons"], &["Node z1w1"])
    });

    let status = node
        .cni_call("STATUS", &gingham_integration::Attachment::of_pod("p"))
        .unwrap();
    let refusal = node.cni(&status).unwrap().json().unwrap();
    assert_eq!(refusal["code"], 50, "{refusal}");
    assert!(
        refusal["msg"]
            .as_str()
            .unwrap()
            .contains("/run/gingham/node.json"),
        "{refusal}"
    );
    let add = node.add_pod("p").unwrap_err();
    assert!(format!("{add:#}").contains("\"code\":11"), "{add:#}");

    let unzoned = rewritten(&object, "topology.kubernetes.io/zone", "example.com/zone");
    lab.put(&unzoned).unwrap();
    wait_for_status(&node, "no zone", |status| {
        says(&status["reasons"], &["topology.kubernetes.io/zone"])
    });
    lab.put(&object).unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    assert_eq!(node.cni(&status).unwrap().stdout, "");
    node.add_pod("p").unwrap();
}

fn probes_and_documents_answer_over_http(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let get = |port: u16, path: &str| {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; \
             printf 'GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        node.exec(&["bash", "-c", &script]).unwrap()
    };
    assert!(get(9178, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get(9178, "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(9178, "/nothing").starts_with("HTTP/1.1 404 "));

    let status = node.agent_status().unwrap();
    assert_eq!(
        (&status["version"], &status["node"]),
        (&json!(1), &json!("z1w1"))
    );
    let documents = node.agent_routes().unwrap();
    assert_eq!(
        documents["routes"][1],
        json!({
            "kind": "direct", "prefix": "10.101.22.0/24", "via": ["10.1.0.22"], "dev": ["eth0"],
            "node": "z1w2", "state": "ok",
        })
    );
    let seize = "ip route replace 10.101.22.0/24 via 10.1.0.1 proto static metric 12";
    node.exec(&seize.split(' ').collect::<Vec<_>>()).unwrap();
    wait("not ready", || {
        let answer = get(9178, "/readyz");
        ensure!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        ensure!(answer.contains("10.101.22.0/24"), "{answer}");
        Ok(())
    });
    assert!(
        get(9178, "/healthz").starts_with("HTTP/1.1 200 "),
        "liveness is not readiness"
    );
}

fn an_agent_ends_when_its_run_directory_is_taken_away_and_is_alone_in_it(store: Store) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    let agent = node.agent_command_line().unwrap();
    let second: Vec<&str> = agent.iter().map(String::as_str).collect();
    let second = node.command(&second).output().unwrap();
    assert!(!second.status.success());
    let said = format!("{}{}", second.stdout, second.stderr);
    assert!(said.contains("/run/gingham"), "{said}");

    node.exec(&["rm", "-r", "/run/gingham"]).unwrap();
    wait("the end of the agent", || {
        ensure!(node.agent()?.is_none(), "it runs");
        Ok(())
    });
    assert_eq!(routes(&node, 201).len(), 2, "its routes stay");
    let asked = node.command(&[&agent[0], "status"]).output().unwrap();
    assert!(!asked.status.success());
    assert!(
        asked.stderr.contains("/run/gingham/agent.sock"),
        "{asked:?}"
    );
}
