//! Of which nodes the directory store tells.

use super::{LAST, folders, until, watch};
use gingham_agent::objects::{Kind, Object};
use gingham_agent::store::Event;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

const REFLECTOR: &str = "node-role.kubernetes.io/control-plane";

/// Writes a Node with this label and address, by rename: half a file is no version of it.
fn put_node(root: &Path, name: &str, label: &str, ip: &str) {
    let text = format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: {name}, uid: u-{name}, \
         labels: {{{label}: ''}}}}, status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}}}"
    );
    let aside = root.join(format!("nodes/.{name}.aside"));
    fs::write(&aside, text).unwrap();
    fs::rename(aside, root.join(format!("nodes/{name}.yaml"))).unwrap();
}

fn is_node(event: &Event, wanted: &str, ip: &str) -> bool {
    matches!(event, Event::Apply(parsed) if matches!(&parsed.object, Object::Node(node)
        if node.name.as_str() == wanted && node.internal_ips == [ip.parse::<IpAddr>().unwrap()]))
}

fn speaks_of_node(event: &Event, wanted: &str) -> bool {
    match event {
        Event::Apply(parsed) => {
            parsed.object.kind() == Kind::Node && parsed.object.name() == wanted
        }
        Event::Delete(kind, name) => *kind == Kind::Node && name == wanted,
        Event::Refused(refusal) => refusal.kind == Kind::Node && refusal.name == wanted,
        Event::Synced(_) | Event::Failed(..) => false,
    }
}

/// Of many nodes those that others deal with by name are told of, for as long as they are such.
#[tokio::test]
async fn of_other_nodes_only_those_with_a_part_to_play_are_told_of() {
    let root = folders();
    put_node(root.path(), "w1", "plain", "10.1.0.1");
    put_node(root.path(), "w2", "plain", "10.1.0.2");
    put_node(root.path(), "m1", REFLECTOR, "10.1.0.11");
    let ingress = "node-restriction.kubernetes.io/gingham-ingress";
    put_node(root.path(), "i1", ingress, "10.1.0.31");
    let mut events = watch(root.path());
    let said = until(&mut events, |e| *e == Event::Synced(LAST)).await;
    for (name, ip) in [("w1", "10.1.0.1"), ("m1", "10.1.0.11"), ("i1", "10.1.0.31")] {
        assert!(
            said.iter().any(|e| is_node(e, name, ip)),
            "{name}: {said:?}"
        );
    }
    assert!(!said.iter().any(|e| speaks_of_node(e, "w2")), "{said:?}");

    // It becomes a reflector, is broken for a while, and is none any more.
    put_node(root.path(), "w2", REFLECTOR, "10.1.0.2");
    until(&mut events, |e| is_node(e, "w2", "10.1.0.2")).await;
    fs::write(root.path().join("nodes/w2.yaml"), "broken").unwrap();
    let refused = |e: &Event| matches!(e, Event::Refused(refusal) if refusal.name == "w2");
    until(&mut events, refused).await;
    put_node(root.path(), "w2", "plain", "10.1.0.2");
    let gone = Event::Delete(Kind::Node, "w2".to_owned());
    until(&mut events, |e| *e == gone).await;

    // From then on it is nobody's concern again, broken or gone.
    fs::write(root.path().join("nodes/w2.yaml"), "broken").unwrap();
    fs::remove_file(root.path().join("nodes/w2.yaml")).unwrap();
    fs::remove_file(root.path().join("nodes/m1.yaml")).unwrap();
    let gone = Event::Delete(Kind::Node, "m1".to_owned());
    let said = until(&mut events, |e| *e == gone).await;
    assert!(!said.iter().any(|e| speaks_of_node(e, "w2")), "{said:?}");
}

#[tokio::test]
async fn of_thousands_of_nodes_only_those_that_change_are_told_of() {
    let root = folders();
    put_node(root.path(), "w1", "plain", "10.1.0.1");
    for number in 0..5000 {
        put_node(root.path(), &format!("n{number}"), "plain", "10.1.0.2");
    }
    let mut events = watch(root.path());
    let said = until(&mut events, |e| *e == Event::Synced(LAST)).await;
    assert_eq!(said.len(), 1 + Kind::ALL.len(), "{said:?}");
    for number in 0..50 {
        let name = format!("n{number}");
        put_node(root.path(), &name, REFLECTOR, "10.1.0.2");
        until(&mut events, |e| is_node(e, &name, "10.1.0.2")).await;
    }
}
