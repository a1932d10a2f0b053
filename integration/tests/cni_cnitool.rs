//! The library of the container runtimes, by its own tool, takes what we answer in every version of the
//! specification, and drives every verb.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod callers_world;
mod world;

use callers_world::{
    CONF_FILE, NETWORK, addresses, assert_nothing_left, assert_reaches, cnitool, configure,
    conflist, leases, left, remembered, sandbox, scene,
};
use gingham_integration::{CNI_BIN_DIR, Node};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Which the specification had, and from which on there is CHECK.
const VERSIONS: [(&str, Checks); 7] = [
    ("0.1.0", Checks::No),
    ("0.2.0", Checks::No),
    ("0.3.0", Checks::No),
    ("0.3.1", Checks::No),
    ("0.4.0", Checks::Yes),
    ("1.0.0", Checks::Yes),
    ("1.1.0", Checks::Yes),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Checks {
    Yes,
    No,
}

/// The addresses of a result, IPv4 first, in the shape of its version.
fn addresses_of(result: &Value) -> Vec<IpAddr> {
    let texts: Vec<&Value> = match result["cniVersion"].as_str().unwrap() {
        "0.1.0" | "0.2.0" => vec![&result["ip4"]["ip"], &result["ip6"]["ip"]],
        _ => result["ips"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ip| &ip["address"])
            .collect(),
    };
    let address = |text: &Value| {
        let (address, length) = text.as_str()?.split_once('/')?;
        assert!(["32", "128"].contains(&length), "{result:#}");
        address.parse().ok()
    };
    texts.into_iter().filter_map(address).collect()
}

/// A ping from a network namespace of the node.
fn ping<'a>(node: &'a Node, name: &'a str) -> impl Fn(&str) -> gingham_integration::Exec + 'a {
    move |to| {
        node.command(&[
            "ip", "netns", "exec", name, "ping", "-c", "1", "-W", "5", to,
        ])
    }
}

#[test]
fn the_library_takes_our_answers_in_every_version() {
    let (lab, node) = scene();
    let other = lab.node("z1w2").unwrap();
    for (version, checks) in VERSIONS {
        configure(&node, CONF_FILE, &conflist(&node, NETWORK, version));
        let netns = sandbox(&node, "pod");
        let run = |verb| cnitool(&node, verb, [NETWORK, &netns]).output().unwrap();

        let added = run("add");
        assert!(added.status.success(), "{version}: {added:?}");
        let result: Value = serde_json::from_str(&added.stdout).unwrap();
        assert_eq!(result["cniVersion"], version);
        let [lease] = &leases(&node, NETWORK)[..] else {
            panic!("{version}: one lease: {:#?}", node.leases());
        };
        assert_eq!(addresses_of(&result), addresses(lease), "{version}");
        let kept = remembered(&node, NETWORK);
        assert_eq!(kept.len(), 1, "{version}");
        assert_eq!(kept[0]["result"], result, "{version}");
        assert_reaches(ping(&node, "pod"), &other);

        let checked = run("check");
        match checks {
            Checks::Yes => assert!(checked.status.success(), "{version}: {checked:?}"),
            // It does not even call us.
            Checks::No => assert!(
                checked
                    .stderr
                    .contains("does not support the CHECK command"),
                "{checked:?}"
            ),
        }
        // The same container again: refused, and the first is none the worse.
        let again = run("add");
        assert!(!again.status.success(), "{version}: {again:?}");
        assert_reaches(ping(&node, "pod"), &other);

        for verb in ["status", "del", "del"] {
            let done = run(verb);
            assert!(done.status.success(), "{version}: {verb}: {done:?}");
        }
        assert_nothing_left(&node);
        node.exec(&["ip", "netns", "delete", "pod"]).unwrap();
        let late = run("del");
        assert!(late.status.success(), "{version}: {late:?}");
    }
}

#[test]
fn of_the_versions_of_a_list_the_library_takes_the_highest() {
    let (_lab, node) = scene();
    let mut list = conflist(&node, NETWORK, "0.4.0");
    list["cniVersions"] = json!(["0.3.1", "1.1.0", "1.0.0", "9.0.0"]);
    configure(&node, CONF_FILE, &list);
    let netns = sandbox(&node, "pod");
    let result = cnitool(&node, "add", [NETWORK, &netns]).text().unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["cniVersion"], "1.1.0");
    cnitool(&node, "del", [NETWORK, &netns]).text().unwrap();
    assert_nothing_left(&node);
}

#[test]
fn check_is_red_after_damage_and_green_after_repair() {
    let (_lab, node) = scene();
    let netns = sandbox(&node, "pod");
    let run = |verb| cnitool(&node, verb, [NETWORK, &netns]).output().unwrap();
    assert!(run("add").status.success());
    assert!(run("check").status.success());
    let link = ["ip", "-n", "pod", "link", "set", "dev", "eth0", "mtu"];
    node.exec(&[&link[..], &["1400"]].concat()).unwrap();
    let red = run("check");
    assert!(
        !red.status.success() && red.stderr.contains("1400"),
        "{red:?}"
    );
    node.exec(&[&link[..], &["1500"]].concat()).unwrap();
    let green = run("check");
    assert!(green.status.success(), "{green:?}");
}

#[test]
fn status_tells_of_a_node_without_an_agent() {
    let (_lab, node) = scene();
    let run = || {
        cnitool(&node, "status", [NETWORK, "/run/netns/none"])
            .output()
            .unwrap()
    };
    assert!(run().status.success());
    node.stop_agent(nix::sys::signal::Signal::SIGKILL).unwrap();
    // Pods start without an agent, not without what it has written.
    assert!(run().status.success());
    let file = "/run/gingham/node.json";
    node.exec(&["mv", file, "/run/node.json"]).unwrap();
    let output = run();
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stderr.contains(file), "{output:?}");
    node.exec(&["mv", "/run/node.json", file]).unwrap();
    assert!(run().status.success());
}

/// The tool names no attachment as valid: all of its network go, those too of which the library has
/// lost the result, and none of another network.
#[test]
fn gc_collects_what_nobody_is_attached_to_any_more() {
    let (lab, node) = scene();
    let other = lab.node("z1w2").unwrap();
    let list = conflist(&node, "neighbour", "1.1.0");
    configure(&node, "20-neighbour.conflist", &list);
    let [known, lost, stays] = ["known", "lost", "stays"].map(|name| sandbox(&node, name));
    cnitool(&node, "add", [NETWORK, &lost]).text().unwrap();
    node.exec(&["rm", "-r", "/var/lib/cni/results"]).unwrap();
    cnitool(&node, "add", [NETWORK, &known]).text().unwrap();
    cnitool(&node, "add", ["neighbour", &stays]).text().unwrap();
    assert_eq!(
        (
            leases(&node, NETWORK).len(),
            remembered(&node, NETWORK).len()
        ),
        (2, 1)
    );

    let gc = || cnitool(&node, "gc", [NETWORK, &known]).text().unwrap();
    gc();
    assert_eq!(leases(&node, NETWORK), [Value::Null; 0]);
    assert_eq!(leases(&node, "neighbour").len(), 1);
    assert_reaches(ping(&node, "stays"), &other);
    // Nothing is there to collect, in a node that has no pods at all.
    gc();
    cnitool(&node, "del", ["neighbour", &stays]).text().unwrap();
    gc();
    assert_nothing_left(&node);
}

/// For hosts where two runtimes share their configurations: each would take the other's pods for refuse.
#[test]
fn gc_is_turned_off_by_the_configuration() {
    let (_lab, node) = scene();
    let mut list = conflist(&node, NETWORK, "1.1.0");
    list["plugins"][0]["disableGC"] = json!(true);
    configure(&node, CONF_FILE, &list);
    let netns = sandbox(&node, "pod");
    cnitool(&node, "add", [NETWORK, &netns]).text().unwrap();
    // Else the library itself sends a DEL.
    node.exec(&["rm", "-r", "/var/lib/cni/results"]).unwrap();
    cnitool(&node, "gc", [NETWORK, &netns]).text().unwrap();
    assert_eq!(leases(&node, NETWORK).len(), 1);
    cnitool(&node, "del", [NETWORK, &netns]).text().unwrap();
    assert_eq!(left(&node), [""; 0]);
}

/// Without a verb nobody but a person calls.
#[test]
fn by_hand_it_says_what_it_is() {
    let (_lab, node) = scene();
    let plugin = format!("{CNI_BIN_DIR}/gingham");
    let output = node.command(&[&plugin]).output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    for (version, _) in VERSIONS {
        assert!(output.stderr.contains(version), "{output:?}");
    }
}
