//! Several paths to one prefix (RFC 7911): they travel where one end offers to send them and the other to
//! take them, and nowhere else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use anyhow::{Result, ensure};
use bgp_world::{OUR_ASN, against, prefix, wait};
use gingham_integration::bgp::{AddPath, Kind, Neighbour, Origin, Peer, Speaker, World};
use gingham_model::Family;
use std::collections::BTreeSet;
use std::net::IpAddr;

against! {
    bird Bird: several_paths_go_both_ways, one_path_goes_and_the_other_stays, paths_go_as_agreed;
    frr Frr: several_paths_go_both_ways, one_path_goes_and_the_other_stays;
    openbgpd OpenBgpd: several_paths_go_both_ways, one_path_goes_and_the_other_stays;
    gobgp GoBgp: several_paths_go_both_ways, one_path_goes_and_the_other_stays;
}

/// What both feeders announce.
const SHARED: &str = "10.50.0.0/24";
/// The external speakers that announce it, with their AS.
const FEEDERS: [(&str, u32); 2] = [("one", 65011), ("two", 65012)];

/// Ours and another of the same AS, each with sessions to both feeders.
struct Square {
    world: World,
    feeders: Vec<Peer>,
}

impl Square {
    fn new() -> Self {
        let world = World::of(&["ours", "other", "one", "two"]).unwrap();
        let feeders = FEEDERS.map(|(name, asn)| feeder(&world, name, asn));
        Square {
            world,
            feeders: feeders.into(),
        }
    }

    fn start(&self, kind: Kind, name: &str, add_path: AddPath) -> Peer {
        let host = self.world.host(name).unwrap();
        let partner = if name == "ours" { "other" } else { "ours" };
        let partner = self.world.host(partner).unwrap().address(Family::V4);
        let here = host.address(Family::V4);
        let mut inside = Neighbour::new(here, partner, OUR_ASN);
        inside.add_path = add_path;
        let mut speaker = Speaker::new(OUR_ASN, host.v4()).with(inside);
        for (feeder, (_, asn)) in self.feeders.iter().zip(FEEDERS) {
            let there = feeder.host().address(Family::V4);
            speaker = speaker.with(Neighbour::new(here, there, asn));
        }
        Peer::start(kind, &host, speaker).unwrap()
    }
}

fn feeder(world: &World, name: &str, asn: u32) -> Peer {
    let host = world.host(name).unwrap();
    let mut speaker = Speaker::new(asn, host.v4()).originating([Origin::plain(prefix(SHARED))]);
    for fed in ["ours", "other"] {
        let there = world.host(fed).unwrap().address(Family::V4);
        speaker = speaker.with(Neighbour::new(host.address(Family::V4), there, OUR_ASN));
    }
    Peer::start(Kind::Bird, &host, speaker).unwrap()
}

/// The next hops of the shared prefix that `at` has heard of `of`.
fn next_hops(at: &Peer, of: &Peer) -> Result<BTreeSet<IpAddr>> {
    let heard = at.heard(Family::V4, of.host().address(Family::V4))?;
    let paths = heard.into_values().flatten();
    Ok(paths.map(|path| path.next_hop).collect())
}

/// `at` has heard so many paths of `of`, while `of` has one of each feeder.
#[track_caller]
fn wait_for_paths(at: &Peer, of: &Peer, square: &Square, count: usize) {
    wait(
        &format!("{count} paths from {:?} at {:?}", of.kind(), at.kind()),
        || {
            for feeder in &square.feeders {
                ensure!(
                    next_hops(of, feeder)?.len() == 1,
                    "{feeder:?} has not fed {of:?}"
                );
            }
            let hops = next_hops(at, of)?;
            ensure!(hops.len() == count, "{hops:?}");
            Ok(())
        },
    );
}

fn several_paths_go_both_ways(kind: Kind) {
    let square = Square::new();
    let ours = square.start(Kind::Ours, "ours", AddPath::Both);
    let other = square.start(kind, "other", AddPath::Both);
    wait_for_paths(&ours, &other, &square, 2);
    wait_for_paths(&other, &ours, &square, 2);
    let fed: BTreeSet<IpAddr> = square
        .feeders
        .iter()
        .map(|feeder| feeder.host().address(Family::V4))
        .collect();
    assert_eq!(next_hops(&ours, &other).unwrap(), fed);
    assert_eq!(next_hops(&other, &ours).unwrap(), fed);
}

fn one_path_goes_and_the_other_stays(kind: Kind) {
    let square = Square::new();
    let ours = square.start(Kind::Ours, "ours", AddPath::Both);
    let other = square.start(kind, "other", AddPath::Both);
    wait_for_paths(&ours, &other, &square, 2);
    wait_for_paths(&other, &ours, &square, 2);
    let [stays, goes] = square.feeders.as_slice() else {
        panic!("two feeders");
    };
    goes.crash().unwrap();
    let left = BTreeSet::from([stays.host().address(Family::V4)]);
    wait("one path is left at both", || {
        let (at_ours, at_other) = (next_hops(&ours, &other)?, next_hops(&other, &ours)?);
        ensure!(
            at_ours == left && at_other == left,
            "{at_ours:?}, {at_other:?}"
        );
        Ok(())
    });
}

/// Every combination of offers.
fn paths_go_as_agreed(kind: Kind) {
    let square = Square::new();
    for here in AddPath::ALL {
        let ours = square.start(Kind::Ours, "ours", here);
        for there in AddPath::ALL {
            let other = square.start(kind, "other", there);
            let paths = |sends, receives| if sends && receives { 2 } else { 1 };
            wait_for_paths(
                &ours,
                &other,
                &square,
                paths(there.sends(), here.receives()),
            );
            wait_for_paths(
                &other,
                &ours,
                &square,
                paths(here.sends(), there.receives()),
            );
            other.crash().unwrap();
        }
        ours.crash().unwrap();
    }
}
