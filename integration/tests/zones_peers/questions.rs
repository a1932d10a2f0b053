//! What the agent answers when it is asked about BGP, beside what the kernel and the daemons say.

use crate::hand::{CORE, asked, said, two_zones, up, wait_for_session};
use crate::world::wait;
use anyhow::ensure;
use gingham_integration::tables::{expected, seen};
use gingham_integration::{Lab, Node, Store, on_both_stores};
use gingham_model::Family;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;

on_both_stores! {
    every_path_has_its_standing_and_every_loser_its_reason,
    a_core_with_the_sample_configuration_has_every_block,
}

fn every_path_has_its_standing_and_every_loser_its_reason(store: Store) {
    let lab = up(store, two_zones());
    let mut losers = 0;
    for name in ["z1w1", "z1m1", "z2m2"] {
        let node = lab.node(name).unwrap();
        let list = asked(&node, &["rib"]);
        for line in list["prefixes"].as_array().unwrap() {
            let prefix = line["prefix"].as_str().unwrap();
            losers += standings(&node, prefix);
        }
    }
    assert!(losers > 0);
    verdicts_are_the_kernels(&lab);
}

/// Of the paths to a prefix the first is the best, and all others say why they are not: how many.
fn standings(node: &Node, prefix: &str) -> usize {
    let report = asked(node, &["rib", prefix]);
    let standing: Vec<&Value> = report["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| &path["standing"])
        .collect();
    let (first, others) = standing.split_first().unwrap();
    let reason = |standing: &Value| {
        ["lost", "multipath", "refused"]
            .iter()
            .any(|how| standing.get(how).is_some())
    };
    if **first != "best" {
        // Nothing but what the core may not say.
        assert!(first.get("refused").is_some(), "{prefix}: {report:#}");
    }
    for standing in others {
        assert!(reason(standing), "{}: {prefix}: {standing}", node.name());
    }
    others.len()
}

/// `explain` and `ip route get` are of one mind, whoever holds the address.
fn verdicts_are_the_kernels(lab: &Lab) {
    let pod = |node: &str| lab.node(node).unwrap().add_pod("pod").unwrap();
    let pods = [pod("z1w1"), pod("z1w2"), pod("z2w1")];
    let mut addresses = vec![
        "203.0.113.10".to_owned(),
        "fd00:203::10".to_owned(),
        "10.1.0.12".to_owned(),
        "fd00:1::12".to_owned(),
        "10.2.0.22".to_owned(),
        "fd00:2::22".to_owned(),
        // In no pod: of z1w1's own block, of a block nobody has, of no pool.
        "10.101.21.1".to_owned(),
        "10.101.99.1".to_owned(),
        "192.0.2.77".to_owned(),
        "2001:db8::77".to_owned(),
    ];
    for pod in &pods {
        addresses.extend(Family::ALL.map(|family| pod.address(family).unwrap().to_string()));
    }
    for name in ["z1w1", "z1m1"] {
        let node = lab.node(name).unwrap();
        for address in &addresses {
            one_verdict(&node, address);
        }
    }
}

fn one_verdict(node: &Node, address: &str) {
    let what = format!("{} to {address}", node.name());
    wait(&what, || {
        let explained = asked(node, &["explain", address]);
        let none = Vec::new();
        let disagreements = explained["disagreements"].as_array().unwrap_or(&none);
        ensure!(disagreements.is_empty(), "{explained:#}");
        let got = node
            .command(&["ip", "-o", "route", "get", address])
            .output()?;
        let leads = explained["chosen"]["leads"].as_str().unwrap_or("nothing");
        match leads {
            "unreachable" => ensure!(got.stderr.contains("No route to host"), "{got:?}"),
            "this host" => ensure!(got.stdout.starts_with("local "), "{got:?}"),
            leads => ensure!(got.stdout.contains(leads), "{leads}: {got:?}"),
        }
        Ok(())
    });
}

/// The samples are run as they are printed, by daemons that know nothing else.
fn a_core_with_the_sample_configuration_has_every_block(store: Store) {
    let lab = up(store, two_zones());
    for (core, reflector, flavour, file, sessions) in [
        ("c1", "z1m1", "frr", "bgpd.conf", CORE),
        (
            "c2",
            "z2m1",
            "bird",
            "bird.conf",
            ["cores-10.2.0.1", "cores-fd00:2::1"],
        ),
    ] {
        let router = lab.router(core).unwrap();
        let node = lab.node(reflector).unwrap();
        router.stop(Signal::SIGTERM).unwrap();
        wait(&format!("{core} has no route left"), || {
            let left = from_nodes(&seen(router.host())?);
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        });
        let sample = said(
            &node,
            &["peers", "--config-for", "core", "--flavour", flavour],
        );
        let path = format!("/run/router/{file}");
        fs::write(router.host().path(&path), &sample).unwrap();
        router.start().unwrap();
        for session in sessions {
            wait_for_session(&node, session);
        }
        let wanted = from_nodes(&expected(lab.topology())[core]);
        assert!(!wanted.is_empty());
        wait(&format!("{core} by its sample"), || {
            let seen = from_nodes(&seen(router.host())?);
            ensure!(seen == wanted, "{seen:#?}");
            Ok(())
        });
    }
}

/// The lines of a core's table that lead to nodes.
fn from_nodes(table: &[String]) -> Vec<String> {
    let node = |line: &&String| {
        let via = line.split_once(" via ").map(|(_, via)| via);
        via.is_some_and(|via| !via.contains("250"))
    };
    table.iter().filter(node).cloned().collect()
}
