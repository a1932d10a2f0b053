//! The harness itself, without the speaker under test: the daemons talk to each other, and what one says
//! and another has heard read alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use bgp_world::{OTHER_ASN, OUR_ASN, against, originated, same, told, wait};
use gingham_integration::bgp::{Kind, Neighbour, Peer, Speaker, World};
use gingham_model::Family;

against! {
    bird Bird: talks_to_frr;
    openbgpd OpenBgpd: talks_to_frr;
    gobgp GoBgp: talks_to_frr;
}

fn talks_to_frr(kind: Kind) {
    let world = World::of(&["one", "two"]).unwrap();
    let (one, two) = (world.host("one").unwrap(), world.host("two").unwrap());
    let (here, there) = (one.address(Family::V4), two.address(Family::V4));
    let first = Speaker::new(OTHER_ASN, one.v4())
        .with(Neighbour::new(here, there, OUR_ASN))
        .originating(originated(Family::V4, 1));
    let second = Speaker::new(OUR_ASN, two.v4())
        .with(Neighbour::new(there, here, OTHER_ASN))
        .originating(originated(Family::V4, 2));
    let first = Peer::start(kind, &one, first).unwrap();
    let second = Peer::start(Kind::Frr, &two, second).unwrap();
    for (at, from) in [(&first, &second), (&second, &first)] {
        let wanted = told(from, at, Family::V4, Family::V4);
        let address = from.host().address(Family::V4);
        wait("what one says is what the other hears", || {
            at.established(address)?;
            same(&wanted, &at.heard(Family::V4, address)?)
        });
    }
}
