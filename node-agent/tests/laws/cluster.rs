use crate::make::{apply, block, cluster, me, node, pool, refused};
use gingham_agent::cluster::Cluster;
use gingham_agent::objects::{Kind, Object};
use gingham_agent::store::Event;
use gingham_model::Block;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A cluster of node w1 in which every source but `last` has said all.
fn synced_but(last: Kind) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(apply(Object::Node(node("w1", &["10.1.0.1"]))));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != last) {
        cluster.apply(Event::Synced(kind));
    }
    cluster
}

#[test]
fn nothing_is_complete_before_every_source_is() {
    for last in Kind::ALL.into_iter().filter(|kind| !kind.is_of_bgp()) {
        let mut cluster = synced_but(last);
        let reasons = [format!("{} are not listed yet", last.plural())];
        assert_eq!(cluster.complete(&me()).unwrap_err(), reasons);
        assert_eq!(cluster.bgp_synced(&me()).unwrap_err(), reasons);
        cluster.apply(Event::Synced(last));
        assert!(cluster.complete(&me()).is_ok());
        assert!(cluster.bgp_synced(&me()).is_ok());
        cluster.apply(Event::Failed(last, "gone".to_owned()));
        assert!(cluster.complete(&me()).is_err());
        assert!(cluster.bgp_synced(&me()).is_err());
    }
}

#[test]
fn what_bgp_alone_hangs_on_stops_nothing_else() {
    for last in [Kind::BgpPeer, Kind::RouteFilter] {
        let mut cluster = synced_but(last);
        let reasons = [format!("{} are not listed yet", last.plural())];
        assert_eq!(cluster.bgp_synced(&me()).unwrap_err(), reasons);
        assert!(cluster.complete(&me()).is_ok());
        cluster.apply(Event::Failed(last, "gone".to_owned()));
        let reasons = [format!("{} cannot be listed: gone", last.plural())];
        assert_eq!(cluster.bgp_synced(&me()).unwrap_err(), reasons);
        assert!(cluster.synced(&me()).is_ok() && cluster.complete(&me()).is_ok());
    }
}

#[test]
fn a_node_that_is_unknown_or_without_zone_knows_nothing_for_sure() {
    let mut index = cluster(&[]);
    let mut stripped = node("w1", &["10.1.0.1"]);
    stripped.labels.clear();
    index.apply(apply(Object::Node(stripped)));
    let label = "Node w1 has no label topology.kubernetes.io/zone";
    assert_eq!(index.complete(&me()).unwrap_err(), [label]);
    index.apply(Event::Delete(Kind::Node, "w1".to_owned()));
    assert_eq!(index.complete(&me()).unwrap_err(), ["Node w1 is not known"]);
}

#[test]
fn a_refused_object_keeps_its_last_valid_version() {
    let held = block("10.64.0.0/26", "w2", &["10.1.0.2"]);
    let name = Block::object_name(held.cidr);
    let mut index = cluster(std::slice::from_ref(&held));
    assert!(index.apply(refused(Kind::Block, &name)));
    assert!(
        !index.apply(refused(Kind::Block, &name)),
        "the same refusal is no news"
    );
    assert_eq!(index.blocks().collect::<Vec<_>>(), [&held]);
    assert_eq!(index.refusals().len(), 1);
    assert!(index.unread_blocks().is_empty());
    assert!(index.apply(apply(Object::Block(held))), "it is cured");
    assert!(index.refusals().is_empty());
}

#[test]
fn a_block_that_was_never_read_is_somebodys() {
    let mut index = cluster(&[]);
    index.apply(refused(Kind::Block, "10-64-0-0-26"));
    index.apply(refused(Kind::Block, "never-a-block"));
    let unread: Vec<String> = index
        .unread_blocks()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(unread, ["10.64.0.0/26"]);
    index.apply(Event::Delete(Kind::Block, "10-64-0-0-26".to_owned()));
    assert!(index.unread_blocks().is_empty());
}

#[test]
fn of_two_pools_that_overlap_the_later_name_is_refused() {
    let mut index = cluster(&[]);
    index.apply(apply(pool(
        "z1-more",
        &[("10.65.0.0/16", "Active"), ("10.64.4.0/22", "Active")],
    )));
    assert_eq!(index.pools().len(), 1);
    let refusals = index.refusals();
    assert_eq!(refusals[0].name, "z1-more");
    let error = "spec.cidrs[1].cidr 10.64.4.0/22: overlaps 10.64.0.0/16 of ZonePool z1";
    assert_eq!(refusals[0].error, error);
}

/// What may happen to a block called by its number.
fn any_event() -> impl Strategy<Value = (u8, Event)> {
    (0u8..4, 0u8..4, 0u8..3).prop_map(|(number, what, owner)| {
        let block = block(
            &format!("10.64.{number}.0/24"),
            &format!("w{owner}"),
            &["10.1.0.2"],
        );
        let name = Block::object_name(block.cidr);
        let event = match what {
            0 => Event::Delete(Kind::Block, name),
            1 => refused(Kind::Block, &name),
            _ => apply(Object::Block(block)),
        };
        (number, event)
    })
}

proptest! {
    /// Events of one name keep their order; those of different names may come in any.
    #[test]
    fn the_order_between_names_does_not_matter(
        events in proptest::collection::vec(any_event(), 0..24),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 24),
    ) {
        let mut one = cluster(&[]);
        let mut queues: BTreeMap<u8, Vec<Event>> = BTreeMap::new();
        for (number, event) in events.iter().rev() {
            queues.entry(*number).or_default().push(event.clone());
        }
        for (_, event) in events {
            one.apply(event);
        }
        let mut other = cluster(&[]);
        for pick in picks {
            queues.retain(|_, queue| !queue.is_empty());
            if queues.is_empty() {
                break;
            }
            let number = *pick.get(&queues.keys().copied().collect::<Vec<_>>());
            if let Some(event) = queues.get_mut(&number).and_then(Vec::pop) {
                other.apply(event);
            }
        }
        prop_assert_eq!(one, other);
    }

    #[test]
    fn saying_it_twice_changes_nothing(events in proptest::collection::vec(any_event(), 0..24)) {
        let mut index = cluster(&[]);
        for (_, event) in events {
            index.apply(event.clone());
            let before = index.clone();
            prop_assert!(!index.apply(event));
            prop_assert_eq!(&index, &before);
        }
    }
}
