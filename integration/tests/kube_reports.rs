//! What operators find at the API server: conditions, events, the condition of a Node; and the keys
//! the agents find there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Context, Result, ensure};
use gingham_integration::kubernetes::{Api, Entry, MANIFEST, NAMESPACE};
use gingham_integration::topology::{Cores, Zones, reference};
use gingham_integration::{Lab, Node, Store, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use world::{block, change, put, says, wait_for_status};

/// A Lease lasts 60 s and is asked for every 20 s; a key is looked for again within 15 s at first.
const PATIENCE: Duration = Duration::from_secs(240);
/// What would be written has been written by then.
const SETTLED: Duration = Duration::from_secs(5);

/// Two zones at an API server, of which these nodes have agents.
fn lab(nodes: &[&str], prepare: impl FnOnce(&Lab)) -> Lab {
    let topology = reference(Zones::Two, Cores::One).unwrap();
    let lab = world::without_agents(Store::Kubernetes, topology);
    prepare(&lab);
    for name in nodes {
        lab.node(name).unwrap().start_agent().unwrap();
    }
    for name in nodes {
        lab.node(name).unwrap().wait_ready(PATIENCE).unwrap();
    }
    lab
}

fn wait<T>(what: &str, look: impl FnMut() -> Result<T>) -> T {
    eventually(what, PATIENCE, look).unwrap()
}

fn condition(api: &Api, (kind, name): (&str, &str), of: &str) -> Result<Value> {
    let object = api.get(kind, name)?.context("it is not there")?;
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.context("it has no conditions")?.iter();
    let found = conditions.find(|condition| condition["type"] == of);
    found.cloned().context("it has no such condition")
}

/// Waits until the object is accepted or not, for this reason.
fn wait_for_verdict(api: &Api, object: (&str, &str), status: &str, reason: &str) -> Value {
    wait(&format!("{object:?} is {reason}"), || {
        let condition = condition(api, object, "Accepted")?;
        let is_so = condition["status"] == status && condition["reason"] == reason;
        ensure!(is_so, "{condition:#}");
        Ok(condition)
    })
}

/// The events of this reason about this object.
fn events(api: &Api, reason: &str, about: &str) -> Vec<Value> {
    let all = api.list("Event").unwrap().into_iter();
    let about = |event: &Value| event["involvedObject"]["name"] == about;
    all.filter(|event| event["reason"] == reason && about(event))
        .collect()
}

fn by(entry: &Entry) -> String {
    let node = &entry.user["extra"]["authentication.kubernetes.io/node-name"][0];
    node.as_str().unwrap_or_default().to_owned()
}

/// What agents wrote into this subresource of these kinds.
fn written(api: &Api, resource: &str) -> Vec<Entry> {
    let all = api.audit().unwrap().into_iter();
    let of = |entry: &Entry| {
        let sub = entry.object_ref["subresource"].as_str();
        let whole = [entry.resource(), sub.unwrap_or_default()].join("/");
        entry.writes() && entry.code() < 300 && whole.trim_end_matches('/') == resource
    };
    all.filter(of).collect()
}

fn holder(api: &Api) -> String {
    let lease = format!("{NAMESPACE}/gingham-conditions");
    let lease = api.get("Lease", &lease).unwrap().unwrap();
    lease["spec"]["holderIdentity"].as_str().unwrap().to_owned()
}

fn pool(name: &str, cidr: &str) -> String {
    format!(
        "apiVersion: gingham.dev/v1alpha1\nkind: ZonePool\nmetadata: {{name: {name}}}\n\
         spec: {{zone: z1, cidrs: [{{cidr: {cidr}}}]}}\n"
    )
}

#[test]
fn conditions_are_written_by_one_reflector_and_by_another_when_it_is_gone() {
    let candidates = ["z1m1", "z1m2", "z2m1"];
    let lab = lab(&["z1m1", "z1m2", "z2m1", "z1w1"], |_| {});
    let api = lab.api().unwrap();
    let config = ("RoutingConfig", "default");
    let accepted = wait_for_verdict(api, config, "True", "Valid");
    let generation = &api.get(config.0, config.1).unwrap().unwrap()["metadata"]["generation"];
    assert_eq!(accepted["observedGeneration"], *generation);

    put(&lab, &pool("zz-more", "10.101.0.0/20"));
    let refused = wait_for_verdict(api, ("ZonePool", "zz-more"), "False", "Overlaps");
    let message = refused["message"].as_str().unwrap();
    let field = "spec.cidrs[0].cidr 10.101.0.0/20: overlaps ";
    assert!(message.starts_with(field), "{message}");
    put(
        &lab,
        "apiVersion: gingham.dev/v1alpha1\nkind: BGPPeer\nmetadata: {name: dangling}\n\
         spec: {peerIP: 10.1.0.254, filters: [none]}\n",
    );
    wait_for_verdict(api, ("BGPPeer", "dangling"), "False", "Dangling");
    let event = wait("the event of the pool", || {
        let mut events = events(api, "NotAccepted", "zz-more");
        ensure!(events.len() == 1, "{events:#?}");
        Ok(events.remove(0))
    });
    assert_eq!(event["message"], message);
    assert_eq!(event["type"], "Warning");

    let first = holder(api);
    assert!(candidates.contains(&&*first), "{first}");
    let kinds = ["zonepools", "routingconfigs", "bgppeers", "routefilters"];
    let statuses = || {
        kinds
            .map(|kind| written(api, &format!("{kind}/status")))
            .concat()
    };
    let writers: BTreeSet<String> = statuses().iter().map(by).collect();
    assert_eq!(writers, BTreeSet::from([first.clone()]));
    let objects: usize = kinds.map(|kind| lab.list(kind).unwrap().len()).iter().sum();
    assert_eq!(statuses().len(), objects, "each is written once");

    lab.node(&first)
        .unwrap()
        .stop_agent(Signal::SIGTERM)
        .unwrap();
    lab.remove("zonepools", "zz-more").unwrap();
    put(&lab, &pool("zz-more", "10.111.0.0/20"));
    wait_for_verdict(api, ("ZonePool", "zz-more"), "True", "Valid");
    let second = holder(api);
    assert!(
        second != first && candidates.contains(&&*second),
        "{second}"
    );
    let leases = api.audit().unwrap();
    let leases = leases.iter().filter(|entry| entry.resource() == "leases");
    let asked: BTreeSet<String> = leases.map(by).collect();
    assert_eq!(asked, BTreeSet::from(candidates.map(str::to_owned)));
}

#[test]
fn an_event_is_counted_not_repeated_and_the_network_is_said_to_work_once() {
    let set = |lab: &Lab, value: &str| {
        change(lab, ("routingconfigs", "default"), |config| {
            config["spec"]["networkUnavailable"] = json!(value);
        });
    };
    let lab = lab(&["z1m1"], |lab| set(lab, "Leave"));
    let (api, node) = (lab.api().unwrap(), lab.node("z1m1").unwrap());
    put(&lab, &block("10.101.200.0/24", "far", "10.9.0.9"));
    let found = || events(api, "NextHopOffLink", "z1m1");
    let first = wait("the event", || {
        let mut events = found();
        ensure!(events.len() == 1, "{events:#?}");
        Ok(events.remove(0))
    });
    let words = first["message"].as_str().unwrap();
    assert!(
        words.contains("10.101.200.0/24") && words.contains("far"),
        "{words}"
    );
    restart(&node);
    let again = wait("the event once more", || {
        let events = found();
        ensure!(
            events.len() == 1 && events[0]["series"]["count"] == 2,
            "{events:#?}"
        );
        Ok(events[0].clone())
    });
    assert_eq!(again["metadata"]["uid"], first["metadata"]["uid"]);

    let unavailable = || condition(api, ("Node", "z1m1"), "NetworkUnavailable");
    assert!(unavailable().is_err());
    set(&lab, "Clear");
    let cleared = wait("the condition", unavailable);
    assert_eq!(
        (&cleared["status"], &cleared["reason"]),
        (&json!("False"), &json!("GinghamIsReady"))
    );
    restart(&node);
    std::thread::sleep(SETTLED);
    let patches = written(api, "nodes/status");
    assert_eq!(patches.len(), 1, "{patches:#?}");
    assert_eq!(unavailable().unwrap(), cleared);
}

fn restart(node: &Node) {
    node.stop_agent(Signal::SIGTERM).unwrap();
    node.start_agent().unwrap();
    node.wait_ready(PATIENCE).unwrap();
}

fn set_key(api: &Api, key: &str) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "zone", "namespace": NAMESPACE},
        "stringData": {"password": format!("{key}\n")},
    });
    api.apply_object(&secret).unwrap();
}

/// Waits until the node has both sessions with the one reflector that runs.
fn wait_for_sessions(node: &Node) {
    wait(&format!("{}: sessions", node.name()), || {
        let sessions = node.agent_status()?["bgp"]["sessions"]["established"].clone();
        ensure!(sessions == 2, "{sessions}");
        Ok(())
    });
}

#[test]
fn another_key_counts_without_a_restart_and_the_last_one_while_none_can_be_read() {
    let lab = lab(&[], |lab| {
        change(lab, ("routingconfigs", "default"), |config| {
            config["spec"]["reflectors"] = json!({"passwordSecret": "zone"});
        });
    });
    let api = lab.api().unwrap();
    let (reflector, worker) = (lab.node("z1m1").unwrap(), lab.node("z1w1").unwrap());
    for node in [&reflector, &worker] {
        node.start_agent().unwrap();
    }
    let missing = format!("Secret {NAMESPACE}/zone: is not there");
    wait_for_status(&worker, "no key", |s| says(&s["notices"], &[&missing]));
    set_key(api, "warp-of-two-colours");
    wait_for_sessions(&worker);
    let agent = worker.agent().unwrap().unwrap().id;

    set_key(api, "weft-of-two-colours");
    restart(&reflector);
    wait_for_sessions(&worker);
    assert_eq!(worker.agent().unwrap().unwrap().id, agent);

    api.delete("RoleBinding", &format!("{NAMESPACE}/gingham-keys"))
        .unwrap();
    // A name that is new makes all of them be read.
    put(
        &lab,
        "apiVersion: gingham.dev/v1alpha1\nkind: BGPPeer\nmetadata: {name: other}\n\
         spec: {peerIP: 10.1.0.254, passwordSecret: other}\n",
    );
    let kept = format!("Secret {NAMESPACE}/zone: ");
    wait_for_status(&worker, "the key is kept", |s| {
        says(&s["notices"], &[&kept, "forbidden", "counts on"])
    });
    std::thread::sleep(SETTLED);
    wait_for_sessions(&worker);
    let read: BTreeSet<String> = verbs(api, "secrets");
    assert_eq!(read, BTreeSet::from(["get".to_owned()]));
    for node in [&reflector, &worker] {
        let log = fs::read_to_string(node.host().log("gingham-agent")).unwrap();
        assert!(!log.contains("two-colours"), "a key is in the log");
    }
}

#[test]
fn what_may_not_be_written_holds_nothing_up_and_is_written_when_it_may() {
    let (events_rule, lease_rule) = (
        "default/gingham-events".to_owned(),
        format!("{NAMESPACE}/gingham-conditions"),
    );
    let rules = [&events_rule, &lease_rule];
    let lab = lab(&["z1m1"], |lab| {
        for rule in rules {
            lab.api().unwrap().delete("RoleBinding", rule).unwrap();
        }
        put(lab, &block("10.101.200.0/24", "far", "10.9.0.9"));
    });
    let (api, node) = (lab.api().unwrap(), lab.node("z1m1").unwrap());
    let log = || fs::read_to_string(node.host().log("gingham-agent")).unwrap();
    let refused = wait("the refusals are told", || {
        let log = log();
        let lines = log.lines().filter(|line| line.contains("is forbidden"));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        let told = |what: &str| lines.iter().any(|line| line.contains(what));
        ensure!(
            told("not reported") && told("who writes conditions"),
            "{lines:#?}"
        );
        Ok(lines)
    });
    assert!(
        refused.iter().all(|line| line.contains("WARN")),
        "{refused:#?}"
    );
    assert_eq!(node.agent_status().unwrap()["ready"], true);
    api.apply(MANIFEST).unwrap();
    wait("the event", || {
        let events = events(api, "NextHopOffLink", "z1m1");
        ensure!(events.len() == 1, "{events:#?}");
        Ok(())
    });
    wait_for_verdict(api, ("RoutingConfig", "default"), "True", "Valid");
    let told = log()
        .lines()
        .filter(|line| line.contains("not reported"))
        .count();
    assert!(told <= 2, "each is told once: {told}");
}

fn verbs(api: &Api, resource: &str) -> BTreeSet<String> {
    let all = api.audit().unwrap().into_iter();
    let of = all.filter(|entry| entry.resource() == resource);
    of.map(|entry| entry.verb).collect()
}
