//! Restarts that nobody notices: ours keeps the routes of a peer that died, and peers keep ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use anyhow::{Result, ensure};
use bgp_world::{OTHER_ASN, OUR_ASN, Pair, Scene, WITNESS, against, wait};
use gingham_integration::bgp::{Community, Kind, Neighbour, Peer, Restart, Speaker, Table};
use gingham_model::Family;
use std::thread::sleep;
use std::time::{Duration, Instant};

against! {
    bird Bird: what_a_dead_peer_said_stays_until_it_is_back, a_peer_that_does_not_return_is_forgotten,
        a_peer_gone_for_long_is_the_last_choice, our_own_restart_withdraws_nothing, a_hard_reset_leaves_nothing;
    frr Frr: what_a_dead_peer_said_stays_until_it_is_back, a_peer_that_does_not_return_is_forgotten,
        our_own_restart_withdraws_nothing, a_hard_reset_leaves_nothing;
    gobgp GoBgp: a_peer_that_does_not_return_is_forgotten, a_peer_gone_for_long_is_the_last_choice,
        our_own_restart_withdraws_nothing, a_hard_reset_leaves_nothing;
}

/// Time enough to come back.
const LONG: Restart = Restart {
    seconds: 90,
    long_lived_seconds: 0,
};
/// Not enough.
const SHORT: Restart = Restart {
    seconds: 4,
    long_lived_seconds: 0,
};
/// Not enough, but kept nevertheless.
const LONG_LIVED: Restart = Restart {
    seconds: 3,
    long_lived_seconds: 3600,
};
/// LLGR_STALE (RFC 9494).
const LLGR_STALE: Community = Community(0xFFFF_0006);

/// Ours and another with graceful restart. The hold time is longer than any of these tests.
fn scene(restart: Restart) -> Scene {
    let mut scene = Scene::new(Family::V4, OTHER_ASN).both_sides(|peer| peer.hold_seconds = 180);
    scene.ours.restart = Some(restart);
    scene.other.restart = Some(restart);
    scene
}

fn start(scene: Scene, kind: Kind) -> Pair {
    let pair = scene.start(kind);
    pair.wait_established();
    pair.wait_equal(Family::V4);
    pair
}

/// Whether `table` holds so many paths, all stale or none.
fn holds(table: &Table, count: usize, stale: bool) -> Result<()> {
    let paths = table.values().flatten();
    ensure!(
        table.len() == count && paths.clone().all(|path| path.stale == stale),
        "not {count} prefixes with stale = {stale}: {table:#?}"
    );
    Ok(())
}

fn what_a_dead_peer_said_stays_until_it_is_back(kind: Kind) {
    let mut pair = start(scene(LONG), kind);
    pair.other.crash().unwrap();
    wait("its routes are stale", || {
        holds(&pair.at_ours(Family::V4)?, 2, true)
    });
    pair.established().unwrap_err();

    // It comes back with one prefix less, and its End-of-RIB sweeps the other.
    let mut less = pair.other.speaker().clone();
    less.originate.pop();
    pair.other.reconfigure(less).unwrap();
    pair.other.start_again().unwrap();
    wait("only what it says again is left, fresh", || {
        pair.established()?;
        holds(&pair.at_ours(Family::V4)?, 1, false)
    });
    pair.wait_equal(Family::V4);
}

fn a_peer_that_does_not_return_is_forgotten(kind: Kind) {
    let pair = start(scene(SHORT), kind);
    let gone = Instant::now();
    pair.other.crash().unwrap();
    wait("its routes are stale", || {
        holds(&pair.at_ours(Family::V4)?, 2, true)
    });
    wait("its routes are forgotten", || {
        holds(&pair.at_ours(Family::V4)?, 0, true)
    });
    let kept = gone.elapsed();
    assert!(
        kept >= Duration::from_secs(SHORT.seconds.into()),
        "kept for {kept:?} only"
    );
}

fn a_peer_gone_for_long_is_the_last_choice(kind: Kind) {
    let mut scene = scene(LONG_LIVED);
    // A witness in our AS hears what has become of the path.
    let witness = scene.world.host(WITNESS).unwrap();
    let us = scene.world.host("ours").unwrap().address(Family::V4);
    let mut seen_from_ours = Neighbour::new(us, witness.address(Family::V4), OUR_ASN);
    seen_from_ours.hold_seconds = 180;
    scene.ours.neighbours.push(seen_from_ours);
    let pair = start(scene, kind);
    let mut speaker = Speaker::new(OUR_ASN, witness.v4()).with(Neighbour::new(
        witness.address(Family::V4),
        us,
        OUR_ASN,
    ));
    speaker.restart = Some(LONG_LIVED);
    let witness = Peer::start(Kind::Bird, &witness, speaker).unwrap();
    wait("the witness hears of the peer", || {
        ensure!(witness.heard(Family::V4, us)?.len() == 4);
        Ok(())
    });

    pair.other.crash().unwrap();
    wait("the witness hears LLGR_STALE", || {
        let theirs: Vec<_> = told_by(&witness.heard(Family::V4, us)?, OTHER_ASN);
        let marked = theirs
            .iter()
            .all(|path| path.communities.contains(&LLGR_STALE));
        ensure!(theirs.len() == 2 && marked, "{theirs:#?}");
        Ok(())
    });
}

fn told_by(table: &Table, asn: u32) -> Vec<gingham_integration::bgp::Path> {
    let paths = table.values().flatten();
    paths
        .filter(|path| path.as_path.first() == Some(&asn))
        .cloned()
        .collect()
}

fn our_own_restart_withdraws_nothing(kind: Kind) {
    let mut pair = start(scene(LONG), kind);
    pair.ours.crash().unwrap();
    wait("the session is gone, and our routes stay", || {
        let table = pair.at_other(Family::V4)?;
        assert_eq!(table.len(), 2, "withdrawn: {table:#?}");
        ensure!(pair.other.established(pair.our_address()).is_err());
        // BIRD does not show it.
        holds(&table, 2, kind != Kind::Bird)
    });
    pair.ours.start_again().unwrap();
    wait(
        "our routes are fresh again, and were there all the time",
        || {
            let table = pair.at_other(Family::V4)?;
            assert_eq!(table.len(), 2, "withdrawn: {table:#?}");
            pair.established()?;
            holds(&table, 2, false)
        },
    );
    // The peer's own timers have nothing left to sweep.
    sleep(Duration::from_secs(2));
    pair.wait_equal(Family::V4);
}

/// Ours ends for good, and says so: nobody waits for it, although all agreed to (RFC 8538).
fn a_hard_reset_leaves_nothing(kind: Kind) {
    let pair = start(scene(LONG), kind);
    pair.ours.ask(&["stop", "for", "good"]).unwrap();
    let told = Instant::now();
    wait("our routes are gone", || {
        holds(&pair.at_other(Family::V4)?, 0, false)
    });
    let kept = told.elapsed();
    assert!(
        kept < Duration::from_secs(LONG.seconds.into()),
        "kept for {kept:?}"
    );
}
