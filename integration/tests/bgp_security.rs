//! Keys and distances: TCP's MD5 signatures for a neighbour and for a range of peers, and TTL security.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use anyhow::ensure;
use bgp_world::{OTHER_ASN, OUR_ASN, Scene, against, originated, prefix, wait};
use gingham_integration::bgp::{Kind, Neighbour, Peer, Range, Speaker, Ttl, World};
use gingham_model::Family;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

against! {
    bird Bird: a_shared_key_lets_both_talk, another_key_lets_nobody_in, a_range_has_one_key,
        a_key_taken_away_is_forgotten, a_peer_within_one_hop_is_near;
    frr Frr: a_shared_key_lets_both_talk, another_key_lets_nobody_in, a_range_has_one_key,
        a_peer_within_one_hop_is_near;
    gobgp GoBgp: a_shared_key_lets_both_talk, another_key_lets_nobody_in, a_range_has_one_key;
    openbgpd OpenBgpd: a_shared_key_lets_both_talk, another_key_lets_nobody_in, a_range_has_one_key;
}

/// Longer than any of the peers waits between two dials.
const SEVERAL_DIALS: Duration = Duration::from_secs(8);

fn key(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn a_shared_key_lets_both_talk(kind: Kind) {
    for transport in [Family::V4, Family::V6] {
        let scene = Scene::new(transport, OTHER_ASN).both_sides(|peer| peer.password = key("one"));
        let pair = scene.start(kind);
        pair.wait_established();
        pair.wait_equal(transport);
    }
}

fn another_key_lets_nobody_in(kind: Kind) {
    let scene = Scene::new(Family::V4, OTHER_ASN)
        .our_side(|them| them.password = key("one"))
        .other_side(|us| us.password = key("two"));
    let pair = scene.start(kind);
    sleep(SEVERAL_DIALS);
    pair.established().unwrap_err();
    let connections = pair.ours.host().connections().unwrap();
    assert!(connections.is_empty(), "{connections:#?}");
}

/// A range of ours with a key, and the peers that dial out of it.
struct Ranged {
    ours: Peer,
    world: World,
}

impl Ranged {
    fn new() -> Self {
        let world = World::of(&["ours", "one", "two"]).unwrap();
        let us = world.host("ours").unwrap();
        let mut speaker = Speaker::new(OUR_ASN, us.v4()).originating(originated(Family::V4, 1));
        speaker.ranges.push(Range {
            prefix: prefix("10.9.0.0/24"),
            asn: OTHER_ASN,
            password: key("one"),
        });
        let ours = Peer::start(Kind::Ours, &us, speaker).unwrap();
        Ranged { ours, world }
    }

    fn us(&self) -> IpAddr {
        self.ours.host().address(Family::V4)
    }

    fn caller(&self, kind: Kind, name: &str, password: Option<String>) -> Peer {
        let host = self.world.host(name).unwrap();
        let mut neighbour = Neighbour::new(host.address(Family::V4), self.us(), OUR_ASN);
        neighbour.password = password;
        let speaker = Speaker::new(OTHER_ASN, host.v4()).with(neighbour);
        Peer::start(kind, &host, speaker).unwrap()
    }
}

fn a_range_has_one_key(kind: Kind) {
    let ranged = Ranged::new();
    let knows = ranged.caller(kind, "one", key("one"));
    let guesses = ranged.caller(kind, "two", key("two"));
    wait("a peer out of the range", || {
        knows.established(ranged.us())?;
        let heard = knows.heard(Family::V4, ranged.us())?;
        ensure!(heard.len() == 2, "{heard:#?}");
        Ok(())
    });
    sleep(SEVERAL_DIALS);
    guesses.established(ranged.us()).unwrap_err();
    let stranger = guesses.host().address(Family::V4);
    let sessions = ranged.ours.sessions().unwrap();
    assert!(!sessions.contains_key(&stranger), "{sessions:#?}");
}

fn a_key_taken_away_is_forgotten(kind: Kind) {
    let mut ranged = Ranged::new();
    let keyless = ranged.caller(kind, "one", None);
    sleep(SEVERAL_DIALS);
    keyless.established(ranged.us()).unwrap_err();

    // Another range holds the same callers: it has no key, and the one before is gone.
    let mut open = ranged.ours.speaker().clone();
    open.ranges[0].prefix = prefix("10.9.0.0/16");
    open.ranges[0].password = None;
    ranged.ours.reconfigure(open).unwrap();
    ranged.ours.ask(&["reload"]).unwrap();
    wait("a peer without a key", || keyless.established(ranged.us()));
}

fn a_peer_within_one_hop_is_near(kind: Kind) {
    let pair = Scene::new(Family::V4, OTHER_ASN)
        .both_sides(|peer| peer.ttl = Ttl::Security)
        .start(kind);
    pair.wait_established();
    pair.wait_equal(Family::V4);

    // One that does not say so sends with a TTL of 1: as from far away.
    let pair = Scene::new(Family::V4, OTHER_ASN)
        .our_side(|them| them.ttl = Ttl::Security)
        .start(kind);
    sleep(SEVERAL_DIALS);
    pair.established().unwrap_err();
}
