use crate::make::{apply, block, cluster, me, node, planned, pool, refused};
use gingham_agent::claim::{self, Situation, Step, Unlisted};
use gingham_agent::cluster::Cluster;
use gingham_agent::objects::{Kind, Node, Object};
use gingham_agent::since::Since;
use gingham_agent::store::Event;
use gingham_model::Block;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

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
    }
}

#[test]
fn a_source_that_fails_before_it_has_said_all_proves_nothing() {
    for last in Kind::ALL.into_iter().filter(|kind| !kind.is_of_bgp()) {
        let mut cluster = synced_but(last);
        cluster.apply(Event::Failed(last, "gone".to_owned()));
        let reasons = [format!("{} cannot be listed: gone", last.plural())];
        assert_eq!(cluster.synced(&me()).unwrap_err(), reasons);
        assert_eq!(cluster.bgp_synced(&me()).unwrap_err(), reasons);
        assert_eq!(cluster.complete(&me()).unwrap_err(), reasons);
    }
}

/// With the API server away a node works on; what may have changed meanwhile is no proof.
#[test]
fn a_source_that_is_lost_keeps_all_in_force_and_takes_nothing_away() {
    for lost in Kind::ALL {
        let mut index = cluster(&[block("10.64.0.0/26", "w2", &["10.1.0.2"])]);
        let before = planned(&index);
        assert!(index.apply(Event::Failed(lost, "gone".to_owned())));
        assert!(!index.apply(Event::Failed(lost, "gone".to_owned())));
        assert!(index.synced(&me()).is_ok() && index.bgp_synced(&me()).is_ok());
        let after = planned(&index);
        assert_eq!(
            (after.routes, after.node_state),
            (before.routes, before.node_state)
        );
        let reasons = [format!("{} cannot be read: gone", lost.plural())];
        match lost.is_of_bgp() {
            true => assert!(index.complete(&me()).is_ok()),
            false => assert_eq!(index.complete(&me()).unwrap_err(), reasons),
        }
        index.apply(Event::Synced(lost));
        assert!(index.complete(&me()).is_ok());
    }
}

#[test]
fn since_when_a_source_is_lost_is_when_it_was_not_for_which_reason() {
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_827_723 + seconds);
    let (mut index, mut since) = (cluster(&[]), Since::default());
    since.note(&index, at(0));
    assert!(since.notices(&index).is_empty());
    let heard = |since: &Since, index: &Cluster| since.heard(&index.sources()[2], at(99));
    assert_eq!(heard(&since, &index), Some(at(99)));
    for (second, why) in [(10, "refused"), (20, "no answer")] {
        index.apply(Event::Failed(Kind::Block, why.to_owned()));
        since.note(&index, at(second));
        let notice = format!("blocks cannot be read since 2026-11-28T01:02:13Z: {why}");
        assert_eq!(since.notices(&index), [notice]);
    }
    assert_eq!(heard(&since, &index), Some(at(10)));
    index.apply(Event::Synced(Kind::Block));
    since.note(&index, at(30));
    assert!(since.notices(&index).is_empty());
    assert_eq!(since.of(Kind::Block), Some(at(30)));
    assert_eq!(since.of(Kind::Node), Some(at(0)));
    assert_eq!(heard(&Since::default(), &Cluster::default()), None);
}

/// Whose pods run on, whatever becomes of its Node object.
#[test]
fn an_own_node_that_is_deleted_stays_in_force_until_it_is_back() {
    let own = block("10.64.0.0/26", "w1", &["10.1.0.1"]);
    let mut index = cluster(&[own.clone(), block("10.64.0.64/26", "w2", &["10.1.0.2"])]);
    index.stand_for(&me());
    let before = planned(&index);
    let gone = Event::Delete(Kind::Node, "w1".to_owned());
    assert!(index.apply(gone.clone()));
    assert!(!index.apply(gone));
    let after = planned(&index);
    assert_eq!(
        (&after.routes, &after.node_state),
        (&before.routes, &before.node_state)
    );
    assert!(index.synced(&me()).is_ok() && index.bgp_synced(&me()).is_ok());
    assert_eq!(index.complete(&me()).unwrap_err(), ["Node w1 is not known"]);
    let doubt = "there is no Node w1 any more; what it said last counts on";
    assert_eq!(index.doubt(&me()).as_deref(), Some(doubt));
    // A list that is complete and does not hold it says nothing new.
    assert!(!index.apply(Event::Synced(Kind::Node)));
    assert_eq!(index.nodes().count(), 1);

    let back = Node {
        uid: "another".to_owned(),
        ..node("w1", &["10.1.0.1", "fd00:1::1"])
    };
    assert!(index.apply(apply(Object::Node(back))));
    assert_eq!(index.doubt(&me()), None);
    let complete = index.complete(&me()).unwrap();
    let wanted = claim::wanted(&Situation {
        me: &me(),
        cluster: &index,
        complete,
        unlisted: &Unlisted::default(),
        reserved: &std::collections::BTreeSet::new(),
        usage: &BTreeMap::new(),
    });
    let taken_back = Block {
        node_uid: "another".to_owned(),
        node_ips: vec!["10.1.0.1".parse().unwrap(), "fd00:1::1".parse().unwrap()],
        ..own
    };
    assert_eq!(wanted.steps[0], Step::Update(taken_back.clone()));
    assert_eq!(
        planned(&index).routes,
        after.routes,
        "its block is its own meanwhile"
    );
    index.apply(apply(Object::Block(taken_back)));
    assert!(
        planned(&index).node_state.is_err(),
        "it has no IPv6 block in this law"
    );
}

#[test]
fn an_own_node_of_an_earlier_run_that_is_gone_stays_in_force() {
    let mut index = Cluster::default();
    index.stand_for(&me());
    index.remember(vec![Object::Node(node("w1", &["10.1.0.1"]))]);
    assert!(index.synced(&me()).is_err());
    for kind in Kind::ALL {
        index.apply(Event::Synced(kind));
    }
    assert!(index.synced(&me()).is_ok());
    assert_eq!(index.complete(&me()).unwrap_err(), ["Node w1 is not known"]);
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
