//! An operator asks what would change, and nothing changes by asking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use gingham_integration::{Lab, Node, Output, RouteMonitor, Store, on_both_stores};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use world::{
    agent, agent_command, block, change, edit, get, one_zone, routes, says, up, wait_for_status,
};

on_both_stores! {
    diff_says_what_an_agent_that_is_hindered_would_change,
    diff_names_what_is_left_as_it_is_and_why,
    a_plan_says_what_objects_would_change_and_changes_nothing,
    a_plan_is_of_all_documents_of_a_file_or_of_stdin,
    objects_that_cannot_be_tried_are_refused_one_by_one,
    a_block_that_goes_while_the_agent_is_paused_is_removed_after,
}

/// Where the operator writes objects to be tried.
const TRIED: &str = "/run/tried.yaml";

fn scene(store: Store) -> (Lab, Node) {
    let lab = up(store, one_zone());
    let node = lab.node("z1w1").unwrap();
    (lab, node)
}

fn diff(node: &Node) -> Output {
    agent(node, &["diff"])
}

/// Asks what these objects would change.
fn plan(node: &Node, text: &str, arguments: &[&str]) -> Output {
    fs::write(node.host().path(TRIED), text).unwrap();
    agent(node, &[&["plan", "-f", TRIED], arguments].concat())
}

/// The text of an object of the cluster, changed.
fn tried(lab: &Lab, (kind, name): (&str, &str), change: impl FnOnce(&mut Value)) -> String {
    let mut object = get(lab, kind, name);
    change(&mut object);
    serde_saphyr::to_string(&object).unwrap()
}

#[track_caller]
fn assert_says(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = if code == 0 {
        &output.stdout
    } else {
        &output.stderr
    };
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {output:?}");
    }
}

#[track_caller]
fn assert_all_well(node: &Node) {
    let output = diff(node);
    assert_eq!(output.stdout, "nothing would change\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

fn diff_says_what_an_agent_that_is_hindered_would_change(store: Store) {
    let (lab, node) = scene(store);
    assert_all_well(&node);

    // A file that is a mount point cannot be replaced.
    let published = "/run/gingham/node.json";
    let mount = ["mount", "--bind", published, published];
    node.exec(&mount).unwrap();
    change(&lab, ("zonepools", "z1"), |pool| {
        pool["spec"]["cooldownSeconds"] = json!(60);
    });
    wait_for_status(&node, "a file that cannot be replaced", |status| {
        says(&status["reasons"], &[published])
    });
    let output = diff(&node);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        output
            .stdout
            .contains("node.json:\n  cooldownSeconds: 120 -> 60\n"),
        "{output:?}"
    );
    node.exec(&["umount", published]).unwrap();
    node.wait_ready(world::PATIENCE).unwrap();
    assert_all_well(&node);
}

fn diff_names_what_is_left_as_it_is_and_why(store: Store) {
    let (lab, node) = scene(store);
    change(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["paused"] = json!(true);
    });
    wait_for_status(&node, "a pause", |status| {
        says(&status["removalsHeld"], &["paused"])
    });
    // Its owner would create it again.
    let owner = lab.node("z1w2").unwrap();
    owner.stop_agent(Signal::SIGTERM).unwrap();
    lab.remove("blocks", "10-101-22-0-24").unwrap();
    let foreign = "ip route replace fd00:101:0:22::/64 via fd00:1::1 proto static metric 12";
    node.exec(&foreign.split(' ').collect::<Vec<_>>()).unwrap();
    wait_for_status(&node, "a route held and a conflict", |status| {
        let routes = &status["routes"];
        (&routes["held"], &routes["conflict"]) == (&json!(1), &json!(1))
    });
    let output = diff(&node);
    assert_says(
        &output,
        0,
        &[
            "nothing would change\n",
            "Left as they are:\n",
            "direct 10.101.22.0/24: held: RoutingConfig default: spec.paused is set\n",
            "direct fd00:101:0:22::/64: conflict: ",
            "protocol 4",
        ],
    );
}

fn a_plan_says_what_objects_would_change_and_changes_nothing(store: Store) {
    let (lab, node) = scene(store);
    let everything = || {
        let table = node.exec(&["nft", "list", "ruleset"]).unwrap();
        let published = fs::read_to_string(node.host().path("/run/gingham/node.json")).unwrap();
        (routes(&node, 201), routes(&node, 203), table, published)
    };
    let (before, monitor) = (everything(), RouteMonitor::start(node.host()).unwrap());

    let new = block("10.101.99.0/24", "z1w9", "10.1.0.99");
    assert_says(
        &plan(&node, &new, &[]),
        0,
        &[
            "OP   KIND    PREFIX",
            "add  direct  10.101.99.0/24  10.1.0.99  eth0  z1w9\n",
        ],
    );
    let moved = tried(&lab, ("blocks", "10-101-22-0-24"), |block| {
        block["spec"]["nodeIPs"] = json!(["10.1.0.77"]);
    });
    assert_says(
        &plan(&node, &moved, &[]),
        0,
        &["replace  direct  10.101.22.0/24  10.1.0.77"],
    );
    let away = tried(&lab, ("blocks", "10-101-22-0-24"), |block| {
        block["spec"]["zone"] = json!("z2");
    });
    assert_says(
        &plan(&node, &away, &[]),
        0,
        &["remove  direct  10.101.22.0/24"],
    );

    let pool = tried(&lab, ("zonepools", "z1"), |pool| {
        pool["spec"]["cooldownSeconds"] = json!(60);
        pool["spec"]["natOutgoing"] = json!(false);
    });
    let words = [
        "nftables table inet gingham:\n  would be replaced\n",
        "node.json:\n  cooldownSeconds: 120 -> 60\n",
    ];
    assert_says(&plan(&node, &pool, &[]), 0, &words);

    let config = tried(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["nonMasqueradeCIDRs"] = json!(["192.0.2.0/24"]);
    });
    assert_says(&plan(&node, &config, &[]), 0, &words[..1]);
    let same = tried(&lab, ("routingconfigs", "default"), |_| ());
    let nothing = plan(&node, &same, &[]);
    assert_eq!(nothing.stdout, "nothing would change\n", "{nothing:?}");

    assert_eq!(everything(), before);
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
    assert_all_well(&node);
}

fn a_plan_is_of_all_documents_of_a_file_or_of_stdin(store: Store) {
    let (lab, node) = scene(store);
    let pool = tried(&lab, ("zonepools", "z1"), |pool| {
        pool["spec"]["cooldownSeconds"] = json!(60);
    });
    let new = block("10.101.99.0/24", "z1w9", "10.1.0.99");
    let far = block("10.101.98.0/24", "z1w8", "192.0.2.98");
    let all = [pool, new, far].join("\n---\n");

    let output = plan(&node, &all, &["-o", "json"]);
    assert_says(&output, 0, &[]);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        answer["changes"],
        json!([{
            "op": "add", "kind": "direct", "prefix": "10.101.99.0/24", "via": ["10.1.0.99"],
            "dev": ["eth0"], "node": "z1w9",
        }])
    );
    assert_eq!(answer["nodeState"], json!(["cooldownSeconds: 120 -> 60"]));
    assert!(
        says(&answer["skipped"], &["10.101.98.0/24", "192.0.2.98"]),
        "{answer:#}"
    );

    let piped = agent_command(&node, &["plan", "-f", "-", "-o", "json"]);
    let piped = piped.stdin(all).output().unwrap();
    assert_eq!(piped, output);
}

fn objects_that_cannot_be_tried_are_refused_one_by_one(store: Store) {
    let (lab, node) = scene(store);
    let new = block("10.101.99.0/24", "z1w9", "10.1.0.99");
    let bits = new.replace("cidr: 10.101.99.0/24", "cidr: 10.101.99.5/24");
    let alien = new.replace("kind: Block", "kind: Brick");
    let config = tried(&lab, ("routingconfigs", "default"), |config| {
        config["spec"]["takeOverProtocols"] = json!([2]);
    });
    for (text, words) in [
        (String::new(), &[TRIED, "holds no object"][..]),
        ("# nothing\n".to_owned(), &[TRIED, "holds no object"]),
        ("spec: [".to_owned(), &[TRIED, "no YAML"]),
        ("- 1\n".to_owned(), &[TRIED, "kind"]),
        (alien.clone(), &["Brick 10-101-99-0-24", "kind"]),
        (
            new.replace("name: 10-101-99-0-24", "labels: {}"),
            &["Block ?", "metadata.name"],
        ),
        (
            bits.clone(),
            &["Block 10-101-99-0-24", "spec.cidr", "10.101.99.5/24"],
        ),
        (
            config,
            &[
                "RoutingConfig default",
                "spec.takeOverProtocols[0]",
                "2 is the kernel's",
            ],
        ),
        // One bad document spoils the file, and each is named.
        (
            [new, bits, alien].join("\n---\n"),
            &["spec.cidr", "Brick 10-101-99-0-24"],
        ),
    ] {
        let output = plan(&node, &text, &[]);
        assert_says(&output, 1, words);
        assert_eq!(output.stdout, "", "{output:?}");
    }
    assert_says(
        &agent(&node, &["plan", "-f", "/run/absent.yaml"]),
        1,
        &["/run/absent.yaml"],
    );
    assert_all_well(&node);
}

fn a_block_that_goes_while_the_agent_is_paused_is_removed_after(store: Store) {
    let (lab, node) = scene(store);
    let config = ("routingconfigs", "default");
    change(&lab, config, |config| {
        config["spec"]["paused"] = json!(true)
    });
    wait_for_status(&node, "a pause", |status| {
        says(&status["removalsHeld"], &["paused"])
    });
    // Its owner would create it again.
    let owner = lab.node("z1w2").unwrap();
    owner.stop_agent(Signal::SIGTERM).unwrap();
    lab.remove("blocks", "10-101-22-0-24").unwrap();
    wait_for_status(&node, "a route held", |status| {
        status["routes"]["held"] == json!(1)
    });
    // What would happen is told before it does.
    let on = tried(&lab, config, |config| {
        config["spec"]["paused"] = json!(false)
    });
    assert_says(
        &plan(&node, &on, &[]),
        0,
        &["remove  direct  10.101.22.0/24"],
    );
    edit(&lab, config, "paused: true", "paused: false");
    world::wait_for_route(&node, 201, "10.101.22.0/24", world::Wanted::Absent);
    assert_all_well(&node);
}
