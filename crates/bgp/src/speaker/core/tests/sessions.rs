//! What can be waited for, and that nobody hears of it too early.

use super::lab::{Lab, open};
use crate::Moment;
use crate::session::Event;
use crate::speaker::sessions::{Heard, Sessions};
use crate::wire;
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};

const ONE: &str = "{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'], neighbours: [
    {name: two, address: 10.0.0.2, asn: 64512, connect: passive},
    {name: three, address: 10.0.0.3, asn: 64512, connect: passive, scope: node}],
    ranges: [{name: nodes, prefix: 10.0.0.8/29, asn: 64512}],
    territory: {blocks: {10.64.3.0/24: {node: n3, addresses: [10.0.0.3]}}},
    announce: [{prefix: 10.64.1.0/24}]}";

fn sessions(of: &[(&str, bool, bool)]) -> Sessions {
    let heard = |(name, established, ended): &(&str, bool, bool)| {
        let ended: BTreeSet<Family> = ended.then_some(Family::V4).into_iter().collect();
        let established = *established;
        ((*name).to_owned(), Heard { established, ended })
    };
    Sessions {
        deferring: false,
        neighbours: of.iter().map(heard).collect(),
    }
}

#[test]
fn neighbours_are_told_of_from_the_start_and_as_they_come_and_go() {
    let mut lab = Lab::new(ONE);
    let mut watched = lab.core.sessions.subscribe();
    assert_eq!(
        *watched.borrow_and_update(),
        sessions(&[("two", false, false), ("three", false, false)])
    );
    let two = lab.peer("10.0.0.2", open(64512, 2));
    lab.peer("10.0.0.9", open(64512, 9));
    assert_eq!(
        *watched.borrow_and_update(),
        sessions(&[("two", true, false), ("three", false, false)])
    );
    lab.end_of_rib(two);
    assert_eq!(
        *watched.borrow_and_update(),
        sessions(&[("two", true, true), ("three", false, false)])
    );
    lab.configure(&ONE.replace(
        "{name: three, address: 10.0.0.3,",
        "{name: four, address: 10.0.0.4,",
    ));
    assert_eq!(
        *watched.borrow_and_update(),
        sessions(&[("two", true, true), ("four", false, false)])
    );
    lab.lose(two);
    assert_eq!(
        *watched.borrow_and_update(),
        sessions(&[("two", false, false), ("four", false, false)])
    );
    lab.configure(&ONE.replace(
        "{name: three, address: 10.0.0.3,",
        "{name: four, address: 10.0.0.4,",
    ));
    assert!(!watched.has_changed().unwrap(), "nothing new is no news");
}

#[test]
fn an_end_of_rib_is_told_of_after_what_came_before_it_can_be_read() {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.0.0.2", open(64512, 2));
    lab.learned.take();
    let watched = lab.core.sessions.subscribe();
    let prefix = super::world::prefix("10.80.0.0/16");
    let said = crate::attributes::Attributes::originated([10, 0, 0, 2].into());
    let mut frames = Vec::new();
    let codec = crate::wire::Codec::opening(crate::wire::PeerKind::Internal);
    wire::pack_reach(&codec, &said, &[crate::Nlri::plain(prefix)], &mut frames).unwrap();
    let peer = lab.core.named("two").unwrap();
    for frame in [frames.into(), wire::encode_end_of_rib(Family::V4)] {
        lab.core
            .event(Moment::START, peer, &Event::Frame(two, frame));
    }
    lab.core.publish();
    assert!(
        watched.borrow().neighbours["two"].ended.is_empty(),
        "nobody could read what came before"
    );
    lab.core.flush();
    lab.core.publish();
    assert_eq!(
        watched.borrow().neighbours["two"].ended,
        BTreeSet::from([Family::V4])
    );
    let next_hop = [10, 0, 0, 2].into();
    assert_eq!(
        lab.learned.take(),
        BTreeMap::from([(prefix, vec![next_hop])])
    );
}

#[test]
fn only_what_is_from_outside_is_learned() {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.0.0.2", open(64512, 2));
    let three = lab.peer("10.0.0.3", open(64512, 3));
    lab.announce(three, &["10.64.3.0/24"]);
    lab.announce(two, &["10.64.1.0/24", "10.80.0.0/16"]);
    let learned = lab.learned.take();
    let shown: Vec<String> = learned
        .iter()
        .map(|(prefix, hops)| format!("{prefix} {hops:?}"))
        .collect();
    assert_eq!(
        shown,
        [
            "10.64.1.0/24 []",
            "10.64.3.0/24 []",
            "10.80.0.0/16 [10.0.0.2]"
        ]
    );
    // A worse path from outside changes nothing; with the node's own gone it is all there is.
    lab.announce_as(two, &["10.64.3.0/24"], |it| it.local_pref = Some(1));
    assert_eq!(lab.learned.take().values().flatten().count(), 0);
    lab.withdraw(three, &["10.64.3.0/24"]);
    assert_eq!(lab.learned.take().values().flatten().count(), 1);
}
