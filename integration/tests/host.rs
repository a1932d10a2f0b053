//! What the agent says of a host, and what it leaves of itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use gingham_integration::{Node, Output, Store};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use world::{agent, one_zone, start_agents, up, without_agents};

/// The rows of `check` by what they check.
fn check(node: &Node) -> (Output, Vec<Value>) {
    let output = agent(node, &["check", "-o", "json"]);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let rows = report["checks"].as_array().unwrap().clone();
    (output, rows)
}

fn row<'a>(rows: &'a [Value], check: &str) -> &'a Value {
    let found = rows.iter().find(|row| row["check"] == check);
    found.unwrap_or_else(|| panic!("no row {check} in {rows:#?}"))
}

#[test]
fn a_host_on_which_the_agent_works_passes_every_check() {
    let lab = up(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    let (output, rows) = check(&node);
    assert!(output.status.success(), "{output:?}");
    for row in &rows {
        assert_eq!(row["state"], "ok", "{row:#}");
    }
    let found = row(&rows, "agent")["found"].as_str().unwrap();
    assert!(found.starts_with("runs (process "), "{found}");

    let table = agent(&node, &["check"]).stdout;
    assert!(table.starts_with("CHECK "), "{table}");
    assert!(!table.contains("To mend"), "{table}");
}

/// Sets a kernel setting; a bare host has no sysctl(8).
fn set(node: &Node, name: &str, value: &str) {
    let path = format!("/proc/sys/{name}");
    node.command(&["tee", &path]).stdin(value).text().unwrap();
}

#[test]
fn what_would_hinder_the_agent_is_named_with_what_mends_it() {
    let lab = up(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    let run = |line: &str| node.exec(&line.split(' ').collect::<Vec<_>>()).unwrap();
    run("cp /etc/cni/net.d/10-gingham.conflist /etc/cni/net.d/09-other.conflist");
    run("sed -i s/\"gingham\"/\"other\"/ /etc/cni/net.d/09-other.conflist");
    // A second uplink, and both filter strictly.
    run("ip link add eth1 type veth peer name far1");
    run("ip link set far1 up");
    run("ip link set eth1 up mtu 1400");
    run("ip address add 192.0.2.1/24 dev eth1");
    run("ip route add 198.51.100.0/24 via 192.0.2.2");
    set(&node, "net/ipv4/conf/eth1/rp_filter", "1");
    // Another program with our number, and one with our metric.
    run("ip route add 198.51.100.0/24 via 192.0.2.2 proto 200 metric 99");
    run("ip route add 203.0.113.0/24 via 192.0.2.2 proto bird metric 12");
    run("mkdir -p /run/systemd/netif");
    run("touch /run/systemd/netif/state");

    let (output, rows) = check(&node);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("2 of "), "{}", output.stderr);
    for (check, state, words) in [
        (
            "CNI configuration",
            "fail",
            "09-other.conflist comes first, of other",
        ),
        (
            "protocol numbers",
            "fail",
            "198.51.100.0/24 metric 99 of protocol 200",
        ),
        (
            "metrics",
            "ok",
            "203.0.113.0/24 metric 12 of protocol 12, BIRD",
        ),
        ("rp_filter", "warn", "eth0 off, eth1 strict"),
        ("uplink MTU", "warn", "eth0 1500, eth1 1400"),
        ("network manager", "warn", "ManageForeignRoutes"),
    ] {
        let row = row(&rows, check);
        assert_eq!(row["state"], state, "{row:#}");
        assert!(row["found"].as_str().unwrap().contains(words), "{row:#}");
        assert_eq!(row["mend"].is_array(), state != "ok", "{row:#}");
    }

    // What it says to do is what helps.
    let mend = row(&rows, "CNI configuration")["mend"][0].as_str().unwrap();
    run(mend);
    let (_, rows) = check(&node);
    assert_eq!(row(&rows, "CNI configuration")["state"], "ok");
}

/// Everything of a node that the agent and the plugin change, as text.
fn dump(node: &Node) -> String {
    let settings = "grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 | sort";
    let commands = [
        "ip -4 route show table all",
        "ip -6 route show table all",
        "ip rule",
        "ip link",
        "ip address",
        "nft list ruleset",
        "find /run",
        settings,
    ];
    let texts = commands.map(|command| {
        let text = node.exec(&["sh", "-c", command]).unwrap();
        format!("# {command}\n{text}")
    });
    texts.concat()
}

/// Shows of two dumps only the lines that one of them lacks.
fn assert_same(after: &str, before: &str) {
    let lacks = |all: &str, some: &str| {
        let missing = all
            .lines()
            .filter(|line| !some.lines().any(|one| one == *line));
        missing.map(str::to_owned).collect::<Vec<_>>()
    };
    let (gone, new) = (lacks(before, after), lacks(after, before));
    assert!(before == after, "gone: {gone:#?}\nnew: {new:#?}");
}

#[test]
fn a_clean_up_leaves_the_host_as_it_was_before_the_agent() {
    let lab = without_agents(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    // Otherwise than the kernel has them, and changed along with forwarding.
    set(&node, "net/ipv4/conf/all/accept_redirects", "0");
    set(&node, "net/ipv6/conf/eth0/forwarding", "1");
    // From then on there is /run/netns.
    node.exec(&["ip", "netns", "add", "x"]).unwrap();
    node.exec(&["ip", "netns", "delete", "x"]).unwrap();
    let before = dump(&node);

    start_agents(&lab);
    for pod in ["a", "b"] {
        node.add_pod(pod).unwrap();
    }
    node.exec(&["nft", "add table inet gingham"]).unwrap();
    let refused = agent(&node, &["cleanup", "--yes", "--pods"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused
            .stderr
            .contains("an agent works with /run/gingham (process "),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("stop it first"), "{refused:?}");

    node.stop_agent(Signal::SIGKILL).unwrap();
    let wired = dump(&node);
    let listed = agent(&node, &["cleanup"]);
    assert!(listed.status.success(), "{listed:?}");
    let refused = agent(&node, &["cleanup", "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused
            .stderr
            .contains("pods are wired on this node, 2 in number"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("ip link show group 26472"),
        "{refused:?}"
    );
    assert_same(&dump(&node), &wired);

    let done = agent(&node, &["cleanup", "--yes", "--pods", "-o", "json"]);
    assert!(done.status.success(), "{done:?}");
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(report["done"], true);
    assert_eq!(
        (&report["left"], &report["errors"]),
        (&json!([]), &json!([]))
    );
    for item in report["items"].as_array().unwrap() {
        let what = item["what"].as_str().unwrap();
        assert!(listed.stdout.contains(what), "{what}: {}", listed.stdout);
    }
    for path in ["/opt/cni/bin/gingham", "/etc/cni/net.d/10-gingham.conflist"] {
        assert!(report["stays"].to_string().contains(path), "{report:#}");
    }
    // What the runtime had made.
    for pod in ["a", "b"] {
        node.exec(&["ip", "netns", "delete", pod]).unwrap();
    }
    assert_same(&dump(&node), &before);

    let again = agent(&node, &["cleanup", "--yes"]);
    assert!(again.status.success(), "{again:?}");
    assert!(
        again.stdout.contains("Nothing of ours is here"),
        "{again:?}"
    );
    // And it can be taken into use again.
    node.start_agent().unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    node.add_pod("c").unwrap();
}
