//! Graceful restart of either end (RFC 4724, RFC 8538), and long-lived stale routes (RFC 9494).

use super::lab::{Lab, long_lived, open, restarting};
use super::world::{World, config};
use crate::attributes::Community;
use crate::session::{ConnectionId, Event, Farewell};
use crate::speaker::peer::Beginning;
use crate::wire::{self, Notification};
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};

const ONE: &str = "{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'],
    gracefulRestart: {longLivedStaleSeconds: 500, stalePathSeconds: 60}, neighbours: [
    {name: two, address: 10.0.0.2, asn: 64512, role: client, connect: passive, families: {IPv4: {maxPrefixes: {count: 3}}}},
    {name: three, address: 10.0.0.3, asn: 64512, role: client, connect: passive},
    {name: four, address: 10.0.0.4, asn: 64512, role: client, connect: passive}]}";

const FRESH: &str = "10.2.0.0/24 from two via 10.0.0.2";
const STALE: &str = "10.2.0.0/24 from two via 10.0.0.2, Stale";

/// Two has announced a prefix; three knows long-lived routes, four does not.
fn lab() -> (Lab, ConnectionId) {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, false));
    lab.announce(two, &["10.2.0.0/24"]);
    lab.end_of_rib(two);
    (lab, two)
}

#[test]
fn routes_of_a_peer_that_comes_back_are_kept_until_it_has_said_everything() {
    let (mut lab, two) = lab();
    lab.lose(two);
    assert_eq!(lab.table(), [STALE]);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, true));
    assert_eq!(lab.table(), [STALE]);
    lab.announce(two, &["10.3.0.0/24"]);
    assert_eq!(lab.table().len(), 2);
    lab.end_of_rib(two);
    assert_eq!(lab.table(), ["10.3.0.0/24 from two via 10.0.0.2"]);
}

#[test]
fn a_peer_that_comes_back_and_never_ends_is_waited_for_so_long() {
    let (mut lab, two) = lab();
    lab.lose(two);
    lab.peer("10.0.0.2", restarting(64512, 2, true));
    lab.pass(59);
    assert_eq!(lab.table(), [STALE]);
    lab.pass(2);
    assert!(lab.table().is_empty());
}

#[test]
fn a_peer_that_did_not_keep_forwarding_or_is_not_back_in_time_loses_its_routes() {
    let (mut lab, two) = lab();
    lab.lose(two);
    lab.peer("10.0.0.2", restarting(64512, 2, false));
    assert!(lab.table().is_empty());

    let (mut lab, two) = self::lab();
    lab.lose(two);
    lab.pass(99);
    assert_eq!(lab.table(), [STALE]);
    lab.pass(2);
    assert!(lab.table().is_empty());
}

#[test]
fn what_a_first_restart_did_not_confirm_does_not_outlive_a_second() {
    let (mut lab, two) = lab();
    lab.lose(two);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, true));
    lab.announce(two, &["10.3.0.0/24"]);
    lab.lose(two);
    assert_eq!(lab.table(), ["10.3.0.0/24 from two via 10.0.0.2, Stale"]);
}

#[test]
fn a_notification_keeps_routes_and_a_hard_reset_does_not() {
    let cease = |subcode| wire::encode_notification(&Notification::new(6, subcode));
    for (subcode, left) in [(4, &[STALE][..]), (2, &[STALE]), (9, &[])] {
        let (mut lab, two) = lab();
        lab.say(two, cease(subcode));
        assert_eq!(lab.table(), left, "cease {subcode}");
    }
    for (farewell, left) in [
        (Farewell::Reset(String::new()), &[STALE][..]),
        (Farewell::HardReset(String::new()), &[]),
        (Farewell::Shutdown(String::new()), &[]),
    ] {
        let (mut lab, _) = lab();
        lab.command("two", &Event::Stop(farewell.clone()));
        assert_eq!(lab.table(), left, "{farewell:?}");
    }
}

#[test]
fn a_peer_with_too_many_prefixes_is_left_alone_for_five_minutes_and_keeps_none() {
    let (mut lab, two) = lab();
    lab.announce(two, &["10.3.0.0/24", "10.4.0.0/24"]);
    assert_eq!(lab.table().len(), 3);
    lab.heard(two);
    lab.announce(two, &["10.5.0.0/24"]);
    assert!(lab.table().is_empty() && !lab.is_open(two));
    let early = lab.dial("10.0.0.2", restarting(64512, 2, false)).unwrap();
    assert!(!lab.is_open(early));
    lab.pass(301);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, false));
    lab.announce(two, &["10.2.0.0/24"]);
    assert_eq!(lab.table(), [FRESH]);
}

#[test]
fn what_waits_to_be_confirmed_is_not_held_against_a_peer() {
    let (mut lab, two) = lab();
    lab.announce(two, &["10.3.0.0/24", "10.4.0.0/24"]);
    lab.lose(two);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, true));
    lab.announce(two, &["10.5.0.0/24", "10.6.0.0/24", "10.7.0.0/24"]);
    assert!(lab.is_open(two));
    lab.end_of_rib(two);
    assert_eq!(lab.table().len(), 3);
    lab.lose(two);
    let two = lab.peer("10.0.0.2", restarting(64512, 2, true));
    lab.announce(
        two,
        &["10.5.0.0/24", "10.6.0.0/24", "10.8.0.0/24", "10.9.0.0/24"],
    );
    assert!(lab.is_open(two), "not known before it has said everything");
    lab.end_of_rib(two);
    assert!(!lab.is_open(two) && lab.table().is_empty());
}

#[test]
fn long_lived_routes_are_told_to_who_knows_them_and_lose_to_any_other() {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.0.0.2", long_lived(64512, 2, false));
    let three = lab.peer("10.0.0.3", long_lived(64512, 3, false));
    let four = lab.peer("10.0.0.4", open(64512, 4));
    lab.announce(two, &["10.2.0.0/24"]);
    lab.announce_as(two, &["10.9.0.0/24"], |it| {
        *it = it.clone().with_community(Community::NO_LLGR);
    });
    assert_eq!(lab.heard(four).len(), 2);
    lab.heard(three);
    lab.lose(two);
    lab.pass(99);
    assert!(lab.heard(three).is_empty() && lab.heard(four).is_empty());
    lab.pass(2);
    assert_eq!(
        lab.table(),
        ["10.2.0.0/24 from two via 10.0.0.2, LongLived"]
    );
    assert_eq!(
        lab.heard(three),
        ["10.2.0.0/24 with llgr-stale", "not 10.9.0.0/24"]
    );
    assert_eq!(lab.heard(four), ["not 10.2.0.0/24", "not 10.9.0.0/24"]);
    lab.announce_as(three, &["10.2.0.0/24"], |it| it.local_pref = Some(1));
    assert_eq!(lab.table()[0], "10.2.0.0/24 from three via 10.0.0.3");
    lab.pass(500);
    assert_eq!(lab.table(), ["10.2.0.0/24 from three via 10.0.0.3"]);
}

#[test]
fn long_lived_routes_of_a_peer_that_is_back_stay_by_its_own_f_bit() {
    for forwarding in [true, false] {
        let mut lab = Lab::new(ONE);
        let two = lab.peer("10.0.0.2", long_lived(64512, 2, false));
        lab.announce(two, &["10.2.0.0/24"]);
        lab.lose(two);
        lab.pass(101);
        let mut back = long_lived(64512, 2, forwarding);
        if let Some(restart) = &mut back.capabilities.restart {
            restart.families = BTreeMap::from([(Family::V4, !forwarding)]);
        }
        lab.peer("10.0.0.2", back);
        let kept: &[&str] = match forwarding {
            true => &["10.2.0.0/24 from two via 10.0.0.2, LongLived"],
            false => &[],
        };
        assert_eq!(lab.table(), kept);
    }
}

/// 1 has restarted with its forwarding state; 2 and 3 are its peers.
fn restarter() -> (World, String) {
    let one = "{asn: 64512, routerId: 10.0.0.1, announce: [{prefix: 10.1.0.0/24}], neighbours: [
        {name: two, address: 10.0.0.2, asn: 64512}, {name: three, address: 10.0.0.3, asn: 64512}]}";
    let (two, three) = (super::reflection::client(2), super::reflection::client(3));
    let world = World::new(&[(1, one), (2, &two), (3, &three)]);
    (world, one.to_owned())
}

fn forwarding() -> Beginning {
    Beginning {
        forwarding: BTreeSet::from([Family::V4]),
    }
}

#[test]
fn a_restarter_says_nothing_until_every_peer_has_said_everything() {
    let (mut world, one) = restarter();
    world.kill(1);
    assert_eq!(world.table(2), ["10.1.0.0/24 from one via 10.0.0.1, Stale"]);
    world.cut(1, 3);
    world.start(1, config(&one), forwarding());
    world.run(6);
    assert!(world.is_up(2, "one"));
    assert_eq!(world.table(2), ["10.1.0.0/24 from one via 10.0.0.1, Stale"]);
    world.heal(1, 3);
    world.run(3);
    assert!(world.is_up(3, "one"));
    for node in [2, 3] {
        assert_eq!(world.table(node), ["10.1.0.0/24 from one via 10.0.0.1"]);
    }
}

#[test]
fn a_restarter_waits_for_peers_so_long_only() {
    let (mut world, one) = restarter();
    world.kill(1);
    world.cut(1, 3);
    world.start(1, config(&one), forwarding());
    world.run(9);
    assert_eq!(world.table(2), ["10.1.0.0/24 from one via 10.0.0.1, Stale"]);
    world.run(2);
    assert_eq!(world.table(2), ["10.1.0.0/24 from one via 10.0.0.1"]);
}

#[test]
fn restarters_do_not_wait_for_each_other() {
    let (mut world, one) = restarter();
    let clients: Vec<String> = [2, 3].map(super::reflection::client).into();
    for node in [1, 2, 3] {
        world.kill(node);
    }
    world.start(1, config(&one), forwarding());
    world.start(2, config(&clients[0]), forwarding());
    world.start(3, config(&clients[1]), forwarding());
    world.run(6);
    assert_eq!(world.table(2), ["10.1.0.0/24 from one via 10.0.0.1"]);
}
