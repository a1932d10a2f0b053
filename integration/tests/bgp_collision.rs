//! Both ends dial at once, again and again: there is always exactly one session in the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use anyhow::ensure;
use bgp_world::{OTHER_ASN, Scene, against, wait};
use gingham_integration::bgp::Kind;
use gingham_model::Family;

against! {
    bird Bird: fifty_collisions;
    frr Frr: fifty_collisions;
    openbgpd OpenBgpd: fifty_collisions;
    gobgp GoBgp: fifty_collisions;
}

const ROUNDS: u32 = 50;

fn fifty_collisions(kind: Kind) {
    let mut pair = Scene::new(Family::V4, OTHER_ASN).start(kind);
    for round in 1..=ROUNDS {
        wait(&format!("exactly one session in round {round}"), || {
            pair.established()?;
            let connections = pair.ours.host().connections()?;
            ensure!(connections.len() == 1, "connections: {connections:#?}");
            Ok(())
        });
        // Both start at the same moment, so that their first dials cross.
        pair.ours.crash().unwrap();
        pair.other.crash().unwrap();
        let (ours, other) = (&mut pair.ours, &mut pair.other);
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| ours.start_again().unwrap());
            other.start_again().unwrap();
            starting.join().unwrap();
        });
    }
    pair.wait_established();
    pair.wait_equal(Family::V4);
}
