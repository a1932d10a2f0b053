//! What else two ends say to each other: refreshes, goodbyes, limits, narrow AS numbers, long messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use anyhow::{Context, ensure};
use bgp_world::{OTHER_ASN, OUR_ASN, Pair, Scene, against, rich_origin, same, told, wait};
use gingham_integration::bgp::raw::{Connection, Identity};
use gingham_integration::bgp::{AsnWidth, Kind, Origin, Peer, Restart};
use gingham_model::Family;
use serde_json::Value;

against! {
    bird Bird: the_peer_asks_again, we_ask_again, a_goodbye_has_a_text, too_many_prefixes_end_it,
        two_octets_are_enough, messages_may_be_long;
    frr Frr: the_peer_asks_again, we_ask_again, a_goodbye_has_a_text, too_many_prefixes_end_it;
    openbgpd OpenBgpd: too_many_prefixes_end_it, two_octets_are_enough;
    gobgp GoBgp: we_ask_again, too_many_prefixes_end_it;
}

/// Type codes of attributes.
const AS_PATH: u8 = 2;
const AS4_PATH: u8 = 17;

/// What ours says of its only peer.
fn peer(pair: &Pair) -> anyhow::Result<Value> {
    let said: Value = serde_json::from_str(&pair.ours.ask(&["peers"])?)?;
    said.get(0)
        .cloned()
        .with_context(|| format!("no peer in {said}"))
}

fn counter(pair: &Pair, name: &str) -> u64 {
    let peer = peer(pair).unwrap();
    peer[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {peer:#}"))
}

/// Octets of the two UPDATEs of a scene, at least. Keepalives of a quiet session do not come near.
const BOTH: u64 = 100;

/// A session on which nothing happens by itself.
fn quiet(kind: Kind) -> Pair {
    let mut scene = Scene::new(Family::V4, OTHER_ASN).both_sides(|peer| peer.hold_seconds = 900);
    // Under graceful restart all of them send End-of-RIB.
    let restart = Restart {
        seconds: 90,
        long_lived_seconds: 0,
    };
    scene.ours.restart = Some(restart);
    scene.other.restart = Some(restart);
    let pair = scene.start(kind);
    pair.wait_established();
    pair.wait_equal(Family::V4);
    // Asked again before that, FRR never answers.
    wait("its End-of-RIB", || {
        let peer = peer(&pair)?;
        ensure!(peer["families"]["IPv4"]["endOfRib"] == true, "{peer:#}");
        Ok(())
    });
    pair
}

fn the_peer_asks_again(kind: Kind) {
    let pair = quiet(kind);
    let before = counter(&pair, "octetsOut");
    match kind {
        Kind::Bird => pair.other.ask(&["reload", "in", "peer0"]),
        Kind::Frr => pair.other.ask(&["clear bgp * soft in"]),
        // GoBGP looks again at what it has kept; OpenBGPD 7.7 takes no refresh for IPv4.
        Kind::GoBgp | Kind::OpenBgpd | Kind::Ours => panic!("{kind:?} does not ask"),
    }
    .unwrap();
    wait("everything is sent again", || {
        let now = counter(&pair, "octetsOut");
        ensure!(
            now >= before + BOTH,
            "{before} octets sent before, {now} now"
        );
        Ok(())
    });
    pair.established().unwrap();
    pair.wait_equal(Family::V4);
}

fn we_ask_again(kind: Kind) {
    let pair = quiet(kind);
    let before = counter(&pair, "updatesIn");
    pair.ours
        .ask(&["refresh", &pair.other_address().to_string()])
        .unwrap();
    wait("everything is heard again", || {
        let now = counter(&pair, "updatesIn");
        ensure!(
            now >= before + 2,
            "{before} updates heard before, {now} now"
        );
        Ok(())
    });
    pair.established().unwrap();
    pair.wait_equal(Family::V4);
}

fn a_goodbye_has_a_text(kind: Kind) {
    let pair = Scene::new(Family::V4, OTHER_ASN).start(kind);
    let them = pair.other_address().to_string();
    // FRR shows no letters beyond ASCII.
    let last = match kind {
        Kind::Bird => "disk replaced, £5",
        _ => "disk replaced",
    };
    for (verb, text) in [("reset", "back soon"), ("shutdown", last)] {
        pair.wait_established();
        pair.ours.ask(&[verb, &them, text]).unwrap();
        wait("the peer shows the text", || {
            let shown = match kind {
                Kind::Bird => {
                    pair.other.ask(&["show", "protocols", "all", "peer0"])?
                        + &pair.other.process().printed()?
                }
                _ => pair.other.ask(&["show bgp neighbors"])? + &pair.other.process().printed()?,
            };
            ensure!(shown.contains(text), "{shown}");
            Ok(())
        });
    }
    // Shut down it stays, until it is started.
    pair.established().unwrap_err();
    pair.ours.ask(&["start", &them]).unwrap();
    pair.wait_established();
}

fn too_many_prefixes_end_it(kind: Kind) {
    let pair = Scene::new(Family::V4, OTHER_ASN)
        .our_side(|them| them.max_prefixes = Some(1))
        .start(kind);
    wait("the session ends for too many prefixes", || {
        let peer = peer(&pair)?;
        let error = peer["lastError"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        ensure!(error.contains("prefixes"), "{peer:#}");
        ensure!(peer["state"] != "Established", "{peer:#}");
        Ok(())
    });
    let heard = pair.at_ours(Family::V4).unwrap();
    assert!(heard.is_empty(), "{heard:#?}");

    // Some send ours back to us, which is refused but counts.
    let pair = Scene::new(Family::V4, OTHER_ASN)
        .our_side(|them| them.max_prefixes = Some(4))
        .start(kind);
    pair.wait_established();
    pair.wait_equal(Family::V4);
}

fn two_octets_are_enough(kind: Kind) {
    let pair = Scene::new(Family::V4, OTHER_ASN)
        .other_side(|us| us.asn_width = AsnWidth::Two)
        .start(kind);
    pair.wait_established();
    pair.wait_equal(Family::V4);

    let pair = Scene::new(Family::V4, OTHER_ASN)
        .our_side(|them| them.asn_width = AsnWidth::Two)
        .start(kind);
    pair.wait_established();
    pair.wait_equal(Family::V4);
}

/// Ours is in an AS whose number needs four octets: to a peer of two it is AS 23456, and AS4_PATH says the
/// rest (RFC 6793 section 4.2.2). No daemon here takes such a peer, so this one is handwritten.
#[test]
fn wide_numbers_travel_behind_narrow_ones() {
    const WIDE: u32 = 4_200_000_001;
    let mut scene = Scene::new(Family::V4, OTHER_ASN);
    scene.ours.asn = WIDE;
    let host = scene.world.host("other").unwrap();
    let us = scene.world.host("ours").unwrap();
    let _ours = Peer::start(Kind::Ours, &us, scene.ours).unwrap();
    let who = Identity {
        asn: OTHER_ASN,
        router_id: host.v4(),
        four_octets: false,
    };
    let mut connection = Connection::dial(&host, us.address(Family::V4)).unwrap();
    connection.establish(who).unwrap();
    let update = connection.hear_update().unwrap();
    let trans = [[2, 1].as_slice(), &23456_u16.to_be_bytes()].concat();
    let wide = [[2, 1].as_slice(), &WIDE.to_be_bytes()].concat();
    assert_eq!(update.attributes.get(&AS_PATH), Some(&trans));
    assert_eq!(update.attributes.get(&AS4_PATH), Some(&wide));
}

fn messages_may_be_long(kind: Kind) {
    let mut scene = Scene::new(Family::V4, OUR_ASN);
    // Attributes that alone are longer than 4096 octets: 1,500 communities of 4.
    let long = |text: &str| Origin {
        communities: (0..1500).map(|number| format!("64512:{number}")).collect(),
        ..rich_origin(text)
    };
    scene.ours.originate.push(long("10.111.0.0/24"));
    scene.other.originate.push(long("10.112.0.0/24"));
    let pair = scene.start(kind);
    pair.wait_established();
    let wanted = told(&pair.other, &pair.ours, Family::V4, Family::V4);
    wait("ours has heard the long one", || {
        same(&wanted, &pair.at_ours(Family::V4)?)
    });
    wait("the other has heard the long one", || {
        let heard = pair.at_other(Family::V4)?;
        let paths = heard.get("10.111.0.0/24").context("it is not there")?;
        // BIRD shows a few dozen of them.
        let shown = paths.first().map_or(0, |path| path.communities.len());
        ensure!(shown > 10, "{shown} communities");
        Ok(())
    });
}
