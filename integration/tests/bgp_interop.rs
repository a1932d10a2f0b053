//! Sessions with BIRD, FRR, OpenBGPD and GoBGP: who dials, in which AS, over which family; tables are
//! equal both ways, attribute by attribute.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use bgp_world::{OTHER_ASN, OUR_ASN, Pair, Scene, against, originated, prefix};
use gingham_integration::bgp::{Dial, Kind, Origin};
use gingham_model::Family;

against! {
    bird Bird: internal_over_ipv4, external_over_ipv4, internal_over_ipv6, external_over_ipv6,
        both_families_over_ipv4, we_dial, the_peer_dials, ten_thousand_prefixes;
    frr Frr: internal_over_ipv4, external_over_ipv4, internal_over_ipv6, external_over_ipv6,
        both_families_over_ipv4, we_dial, the_peer_dials, ten_thousand_prefixes;
    openbgpd OpenBgpd: internal_over_ipv4, external_over_ipv4, internal_over_ipv6, external_over_ipv6,
        both_families_over_ipv4, we_dial, the_peer_dials, ten_thousand_prefixes;
    gobgp GoBgp: internal_over_ipv4, external_over_ipv4, internal_over_ipv6, external_over_ipv6,
        both_families_over_ipv4, we_dial, the_peer_dials;
}

#[track_caller]
fn equal(scene: Scene, kind: Kind) -> Pair {
    let transport = scene.transport;
    let pair = scene.start(kind);
    pair.wait_established();
    pair.wait_equal(transport);
    pair
}

fn internal_over_ipv4(kind: Kind) {
    equal(Scene::new(Family::V4, OUR_ASN), kind);
}

fn external_over_ipv4(kind: Kind) {
    equal(Scene::new(Family::V4, OTHER_ASN), kind);
}

fn internal_over_ipv6(kind: Kind) {
    equal(Scene::new(Family::V6, OUR_ASN), kind);
}

fn external_over_ipv6(kind: Kind) {
    equal(Scene::new(Family::V6, OTHER_ASN), kind);
}

fn both_families_over_ipv4(kind: Kind) {
    let mut scene = Scene::new(Family::V4, OUR_ASN)
        .both_sides(|peer| peer.families = [Family::V4, Family::V6].into());
    for (name, number) in [("ours", 1), ("other", 2)] {
        // A session over IPv4 says nothing of the speaker's IPv6 address.
        let next_hop = scene.world.host(name).unwrap().address(Family::V6);
        let with_next_hop = |origin| Origin {
            next_hop: Some(next_hop),
            ..origin
        };
        let routes = originated(Family::V6, number)
            .into_iter()
            .map(with_next_hop);
        match number {
            1 => scene.ours.originate.extend(routes),
            _ => scene.other.originate.extend(routes),
        }
    }
    let pair = equal(scene, kind);
    pair.wait_equal(Family::V6);
}

fn we_dial(kind: Kind) {
    let scene = Scene::new(Family::V4, OTHER_ASN).other_side(|us| us.dial = Dial::Passive);
    let pair = equal(scene, kind);
    let connections = pair.ours.host().connections().unwrap();
    let [one] = connections.as_slice() else {
        panic!("not one connection: {connections:?}");
    };
    assert!(
        one.trim_end().ends_with(":179"),
        "the other end is not the server: {one}"
    );
}

fn the_peer_dials(kind: Kind) {
    let scene = Scene::new(Family::V4, OTHER_ASN).our_side(|them| them.dial = Dial::Passive);
    let pair = equal(scene, kind);
    let connections = pair.other.host().connections().unwrap();
    let [one] = connections.as_slice() else {
        panic!("not one connection: {connections:?}");
    };
    assert!(
        one.trim_end().ends_with(":179"),
        "we are not the server: {one}"
    );
}

/// Prefixes `NUMBER.0.0.0/24` and on; a speaker announces them with one attribute set.
fn many(number: u8) -> Vec<Origin> {
    let block = prefix(&format!("{number}.0.0.0/8"));
    let nth = |index| Origin::plain(block.nth(24, index).unwrap());
    (0..10_000).map(nth).collect()
}

fn ten_thousand_prefixes(kind: Kind) {
    let mut scene = Scene::new(Family::V4, OUR_ASN);
    scene.ours.originate = many(20);
    scene.other.originate = many(30);
    equal(scene, kind);
}
