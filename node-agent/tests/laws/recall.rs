//! What an earlier run knew is in force, and proves nothing.

use crate::make::{apply, block, cluster, me, node, object, pool, refused};
use gingham_agent::cluster::Cluster;
use gingham_agent::manifest::{manifest, of_value};
use gingham_agent::objects::{Condition, Kind, Object};
use gingham_agent::store::Event;
use gingham_model::Block;
use proptest::prelude::*;

fn config(hold: u16) -> Object {
    let spec =
        format!("{{timers: {{holdSeconds: {hold}}}, zones: [{{name: z1, asNumber: 64512}}]}}");
    object(Kind::RoutingConfig, "default", &spec)
}

fn peer(name: &str, port: u16) -> Object {
    object(
        Kind::BgpPeer,
        name,
        &format!("{{peerIP: 10.1.0.1, port: {port}}}"),
    )
}

fn filter(name: &str) -> Object {
    let spec = "{import: [{name: rest, then: reject}]}";
    object(Kind::RouteFilter, name, spec)
}

/// One of a few objects, in one of two versions.
fn any_object() -> impl Strategy<Value = Object> {
    let name = prop_oneof![Just("w1"), Just("m1")];
    (name, 0u8..6, 0u8..2, 0u8..3).prop_map(|(name, kind, version, number)| match kind {
        0 => Object::Node(node(name, &[&format!("10.1.0.{version}")])),
        1 => {
            let state = ["Active", "Draining"][usize::from(version)];
            pool("z1", &[("10.64.0.0/16", state)])
        }
        2 => config(30 + u16::from(version)),
        3 => peer(&format!("core{number}"), 179 + u16::from(version)),
        4 => filter(&format!("f{number}")),
        _ => {
            let cidr = format!("10.64.{number}.0/24");
            Object::Block(block(
                &cidr,
                ["w1", "w2"][usize::from(version)],
                &["10.1.0.2"],
            ))
        }
    })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL.to_vec())
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any_object().prop_map(apply),
        1 => any_object().prop_map(|object| Event::Delete(object.kind(), object.name())),
        1 => any_object().prop_map(|object| refused(object.kind(), &object.name())),
        1 => any_kind().prop_map(Event::Synced),
        1 => any_kind().prop_map(|kind| Event::Failed(kind, "gone".to_owned())),
    ]
}

fn any_objects() -> impl Strategy<Value = Vec<Object>> {
    proptest::collection::vec(any_object(), 0..12)
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 0..24)
}

/// What follows when `saved` is remembered, these events happen, and then everything is said.
fn after(saved: Vec<Object>, events: &[Event]) -> Cluster {
    let mut index = Cluster::default();
    index.remember(saved);
    let all = Kind::ALL.map(Event::Synced);
    for event in events.iter().chain(&all) {
        index.apply(event.clone());
    }
    index
}

/// Whether it is a setting that cannot be read: the last valid version is kept over a restart.
fn is_broken_setting(event: &Event) -> bool {
    matches!(event, Event::Refused(refusal) if refusal.kind.is_setting())
}

proptest! {
    /// A list that is complete replaces what is remembered.
    #[test]
    fn once_all_is_said_it_does_not_matter_what_was_remembered(
        saved in any_objects(),
        mut events in any_events(),
    ) {
        events.retain(|event| !is_broken_setting(event));
        prop_assert_eq!(after(saved, &events), after(Vec::new(), &events));
    }

    /// Nothing a removal or a claim leans on differs, whatever is broken.
    #[test]
    fn a_memory_changes_no_proof(saved in any_objects(), events in any_events()) {
        let (with, without) = (after(saved, &events), after(Vec::new(), &events));
        prop_assert_eq!(with.complete(&me()), without.complete(&me()));
        prop_assert_eq!(with.unread_blocks(), without.unread_blocks());
        prop_assert_eq!(with.refusals(), without.refusals());
        prop_assert!(with.blocks().eq(without.blocks()));
        prop_assert!(with.nodes().eq(without.nodes()));
        prop_assert_eq!(with.pools(), without.pools());
    }

    #[test]
    fn a_memory_alone_completes_nothing(
        saved in any_objects(),
        events in any_events(),
        silent in any_kind().prop_filter("of all", |kind| !kind.is_of_bgp()),
    ) {
        let mut index = Cluster::default();
        index.remember(saved);
        for event in events {
            if event != Event::Synced(silent) {
                index.apply(event);
            }
            prop_assert!(index.complete(&me()).is_err());
            prop_assert!(index.synced(&me()).is_err());
            prop_assert!(index.bgp_synced(&me()).is_err());
        }
    }

    #[test]
    fn whatever_changes_the_index_is_news(saved in any_objects(), events in any_events()) {
        let mut index = Cluster::default();
        index.remember(saved);
        for event in events {
            let before = index.clone();
            let news = index.apply(event);
            prop_assert_eq!(news, index != before);
        }
    }

    /// What was said before is not undone by remembering late.
    #[test]
    fn what_is_said_counts_more_than_what_is_remembered(
        saved in any_objects(),
        events in any_events(),
    ) {
        let mut late = Cluster::default();
        for event in &events {
            late.apply(event.clone());
        }
        let said = late.clone();
        late.remember(saved);
        prop_assert!(said.blocks().all(|block| late.blocks().any(|other| other == block)));
        prop_assert!(said.nodes().all(|node| late.nodes().any(|other| other == node)));
        prop_assert_eq!(said.unread_blocks(), late.unread_blocks());
    }

    #[test]
    fn what_is_saved_comes_back_the_same(events in any_events()) {
        let saved: Vec<Object> = after(Vec::new(), &events).saved(&me()).collect();
        let written = saved.clone().into_iter().map(manifest);
        let read = written.map(|value| of_value(&value).unwrap().object);
        let mut index = Cluster::default();
        index.remember(read.collect());
        prop_assert_eq!(index.saved(&me()).collect::<Vec<_>>(), saved);
    }
}

#[test]
fn a_setting_that_is_broken_after_a_restart_stays_as_it_was_and_proves_nothing() {
    let mut index = Cluster::default();
    index.remember(vec![config(9), peer("core", 179)]);
    index.apply(apply(Object::Node(node("w1", &["10.1.0.1"]))));
    index.apply(refused(Kind::RoutingConfig, "default"));
    index.apply(refused(Kind::BgpPeer, "core"));
    for kind in Kind::ALL {
        index.apply(Event::Synced(kind));
    }
    assert_eq!(index.config().timers.hold_seconds, 9);
    assert_eq!(index.peers().count(), 1);
    let unread = "RoutingConfig default: no valid version is known";
    assert_eq!(index.complete(&me()).unwrap_err(), [unread]);
    index.apply(apply(config(30)));
    assert!(index.complete(&me()).is_ok());
    index.apply(Event::Delete(Kind::BgpPeer, "core".to_owned()));
    assert_eq!(index.peers().count(), 0);
}

#[test]
fn a_source_that_fails_takes_nothing_of_what_is_remembered() {
    let held = block("10.64.0.0/24", "w2", &["10.1.0.2"]);
    let mut index = Cluster::default();
    index.remember(vec![Object::Block(held.clone())]);
    index.apply(Event::Failed(Kind::Block, "gone".to_owned()));
    assert!(index.blocks().eq([&held]));
    assert!(
        index.apply(Event::Synced(Kind::Block)),
        "it goes, which is news"
    );
    assert_eq!(index.blocks().count(), 0);
}

/// After a reboot nothing but the memory says which zone this is; what the store then says counts
/// at once.
#[test]
fn who_this_node_is_may_be_remembered_but_is_no_label() {
    let mut index = Cluster::default();
    index.remember(vec![config(9), Object::Node(node("w1", &["10.1.0.1"]))]);
    let zone = |index: &Cluster| index.identity(&me()).unwrap().1.to_string();
    assert_eq!(zone(&index), "z1");
    assert_eq!(
        index.label(&me()).unwrap_err(),
        "routingconfigs are not listed yet"
    );
    let mut moved = node("w1", &["10.1.0.1"]);
    moved
        .labels
        .insert("topology.kubernetes.io/zone".to_owned(), "z2".to_owned());
    index.apply(Event::Synced(Kind::RoutingConfig));
    assert_eq!(index.label(&me()).unwrap_err(), "Node w1 is not known");
    assert_eq!(zone(&index), "z1");
    index.apply(apply(Object::Node(moved)));
    assert_eq!(index.label(&me()).unwrap().as_str(), "z2");
    assert_eq!(zone(&index), "z2");
}

/// A node that was shut down, and started again, would think it still was.
#[test]
fn what_a_node_said_of_its_future_is_not_remembered() {
    let mut leaving = node("w1", &["10.1.0.1"]);
    leaving.condition = Condition::ShuttingDown;
    let Object::Node(back) = of_value(&manifest(Object::Node(leaving))).unwrap().object else {
        panic!("no Node");
    };
    assert_eq!(back, node("w1", &["10.1.0.1"]));
}

#[test]
fn blocks_of_other_zones_are_not_worth_keeping() {
    let far = |cidr: &str, owner: &str| Block {
        zone: "z2".parse().unwrap(),
        ..block(cidr, owner, &["10.1.0.2"])
    };
    let index = cluster(&[
        block("10.64.1.0/24", "w2", &["10.1.0.2"]),
        far("10.64.2.0/24", "w3"),
        far("10.64.3.0/24", "w1"),
    ]);
    let saved: Vec<Object> = index.saved(&me()).collect();
    let blocks = saved.iter().filter(|object| object.kind() == Kind::Block);
    let names: Vec<String> = blocks.map(Object::name).collect();
    assert_eq!(names, ["10-64-1-0-24", "10-64-3-0-24"]);
}
