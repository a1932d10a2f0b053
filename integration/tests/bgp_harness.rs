//! The harness itself: the daemons talk to each other, and their tables read alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::bgp::{Kind, Neighbour, Origin, Peer, Speaker, World};
use gingham_integration::eventually;
use gingham_model::Family;
use std::time::Duration;

#[test]
fn bird_and_frr_talk() {
    let world = World::of(&["a", "b"]).unwrap();
    let (a, b) = (world.host("a").unwrap(), world.host("b").unwrap());
    let (at_a, at_b) = (a.address(Family::V4), b.address(Family::V4));
    for (kind, asn) in [
        (Kind::Bird, 65001),
        (Kind::OpenBgpd, 65001),
        (Kind::GoBgp, 65001),
        (Kind::Bird, 65002),
        (Kind::OpenBgpd, 65002),
        (Kind::GoBgp, 65002),
    ] {
        let origin = |p: &str| Origin {
            med: Some(7),
            communities: vec!["64512:1".into()],
            large_communities: vec!["1:2:3".into()],
            ..Origin::plain(p.parse().unwrap())
        };
        let x = Peer::start(
            kind,
            &a,
            Speaker::new(asn, a.v4())
                .with(Neighbour::new(at_a, at_b, 65001))
                .originating([
                    origin("10.1.0.0/24"),
                    Origin::plain("10.3.0.0/24".parse().unwrap()),
                ]),
        )
        .unwrap();
        let y = Peer::start(
            Kind::Frr,
            &b,
            Speaker::new(65001, b.v4())
                .with(Neighbour::new(at_b, at_a, asn))
                .originating([origin("10.2.0.0/24")]),
        )
        .unwrap();
        eventually("both", Duration::from_secs(30), || {
            x.established(at_b)?;
            y.established(at_a)
        })
        .unwrap();
        eventually("table", Duration::from_secs(10), || {
            let t = x.heard(Family::V4, at_b)?;
            anyhow::ensure!(t.len() == 1, "{t:#?}");
            let u = y.heard(Family::V4, at_a)?;
            anyhow::ensure!(u.len() == 2, "{u:#?}");
            assert_eq!(t.values().next().unwrap()[0].med, 7);
            assert_eq!(u["10.1.0.0/24"][0].med, 7);
            Ok(())
        })
        .unwrap();
        x.crash().unwrap();
        y.crash().unwrap();
    }
}
