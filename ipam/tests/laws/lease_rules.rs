//! Single rules of leases, each by its own small story.

use crate::builders::{active, block, boot, key, release, request};
use gingham_ipam::{
    LeaseError, LeaseState, Leases, NodeBlock, NodeBlockState, Reservation, Supply,
};
use gingham_model::Family;
use std::collections::BTreeSet;
use std::net::IpAddr;

const V4: &[Family] = &[Family::V4];

fn supply<'a>(blocks: &'a [NodeBlock], families: &'a [Family]) -> Supply<'a> {
    Supply {
        blocks,
        families,
        cooldown: 120,
    }
}

fn give(leases: &mut Leases, pod: impl ToString, supply: &Supply<'_>, now: u64) -> IpAddr {
    let reservation = leases.reserve(request(pod), supply, now).unwrap();
    reservation.lease().addresses().next().unwrap()
}

#[test]
fn every_address_of_a_block_is_given_before_one_is_given_again() {
    let blocks = [active("10.0.3.0/26")];
    let supply = supply(&blocks, V4);
    let mut leases = Leases::new(boot());
    let mut seen = BTreeSet::new();
    for now in 0..63 {
        assert!(seen.insert(give(&mut leases, now, &supply, now * 1_000)));
        release(&mut leases, now, now * 1_000).unwrap();
    }
    let first = leases.cooling()[0].addresses().next().unwrap();
    assert_eq!(
        give(&mut leases, "again", &supply, 100_000),
        first,
        "the longest idle one"
    );
}

#[test]
fn the_first_address_depends_on_the_boot() {
    let blocks = [active("10.0.3.0/24")];
    let boots = (0..16).map(|n| {
        format!("0b0e1d5c-00{n:02}-4a6e-9c1e-5f3f0c9a7e11")
            .parse()
            .unwrap()
    });
    let firsts: BTreeSet<IpAddr> = boots
        .map(|boot| give(&mut Leases::new(boot), 1, &supply(&blocks, V4), 0))
        .collect();
    assert!(firsts.len() > 8, "{firsts:?}");
}

#[test]
fn addresses_that_look_like_a_broadcast_are_never_given() {
    for (cidr, capacity) in [
        ("10.0.0.0/23", 508),
        ("10.0.0.0/24", 254),
        ("10.0.0.0/26", 63),
        ("10.0.0.64/26", 64),
        ("10.0.0.192/26", 63),
        ("10.0.0.255/32", 0),
        ("fd00::40/122", 63),
        ("fd00::1/128", 0),
    ] {
        let blocks = [active(cidr)];
        let families = [blocks[0].cidr.family()];
        let supply = supply(&blocks, &families);
        let mut leases = Leases::new(boot());
        for pod in 0..capacity {
            match give(&mut leases, pod, &supply, 0) {
                IpAddr::V4(v4) => assert!(![0, 255].contains(&v4.octets()[3]), "{v4}"),
                address => assert_ne!(address, blocks[0].cidr.address()),
            }
        }
        let error = leases.reserve(request("more"), &supply, 0).unwrap_err();
        assert!(
            matches!(error, LeaseError::Exhausted { .. }),
            "{cidr}: {error}"
        );
        assert_eq!(
            leases.usage(&supply, 0)[&families[0]].capacity,
            capacity,
            "{cidr}"
        );
    }
}

#[test]
fn a_lack_that_waiting_does_not_end_is_the_one_reported() {
    let blocks = [active("10.0.0.1/32"), active("fd00::/127")];
    let both = supply(&blocks, &Family::ALL);
    let mut leases = Leases::new(boot());
    give(&mut leases, 1, &both, 0);
    release(&mut leases, 1, 5).unwrap();
    match leases.reserve(request(2), &both, 6).unwrap_err() {
        LeaseError::AllCooling { until: 35, .. } => {}
        other => panic!("{other}"),
    }
    // The IPv6 address alone goes to another pod; only the IPv4 one still cools.
    give(&mut leases, 3, &supply(&blocks, &[Family::V6]), 200);
    assert_eq!(leases.cooling().len(), 1);
    assert_eq!(leases.cooling()[0].v6, None);
    match leases.reserve(request(2), &both, 201).unwrap_err() {
        LeaseError::Exhausted { family: Family::V6 } => {}
        other => panic!("{other}"),
    }
}

#[test]
fn a_killed_add_gets_its_addresses_again_and_a_finished_one_is_refused() {
    let blocks = [active("10.0.0.0/26"), active("fd00::/122")];
    let supply = supply(&blocks, &Family::ALL);
    let mut leases = Leases::new(boot());
    let Reservation::New(first) = leases.reserve(request(1), &supply, 0).unwrap() else {
        panic!("there was nothing to resume");
    };
    let Reservation::Resumed(second) = leases.reserve(request(1), &supply, 9).unwrap() else {
        panic!("the intent was there");
    };
    assert_eq!((first.v4, first.v6), (second.v4, second.v6));
    leases.confirm(&key(1), 10).unwrap();
    assert_eq!(leases.find(&key(1)).unwrap().state, LeaseState::Held);
    let error = leases.reserve(request(1), &supply, 11).unwrap_err();
    assert!(matches!(error, LeaseError::AlreadyHeld(_)), "{error}");
    assert_eq!(
        leases.cancel(&key(1), 12),
        None,
        "the refused ADD must not free the first one's"
    );
    release(&mut leases, 1, 13).unwrap();
    assert_eq!(release(&mut leases, 1, 14), None);
    let error = leases.confirm(&key(1), 15).unwrap_err().to_string();
    assert_eq!(error, "gingham/1/eth0: its reservation is gone");
    assert!(matches!(
        leases.reserve(request(1), &supply, 16),
        Ok(Reservation::New(_))
    ));
}

#[test]
fn an_intent_is_not_resumed_out_of_a_block_that_drains_since() {
    let mut leases = Leases::new(boot());
    let before = [active("10.0.0.0/26"), active("10.0.1.0/26")];
    let old = give(&mut leases, 1, &supply(&before, V4), 0);
    let after = [
        block("10.0.0.0/26", NodeBlockState::Draining),
        active("10.0.1.0/26"),
    ];
    let new = give(&mut leases, 1, &supply(&after, V4), 1);
    assert!(before[0].cidr.contains(old) && before[1].cidr.contains(new));
    assert_eq!(leases.cooling()[0].addresses().next(), Some(old));
}

#[test]
fn a_block_that_went_and_came_back_has_all_its_addresses() {
    let blocks = [active("10.0.0.0/29"), active("10.0.1.0/26")];
    let (with, without) = (supply(&blocks, V4), supply(&blocks[1..], V4));
    let mut leases = Leases::new(boot());
    for pod in 0..7 {
        give(&mut leases, pod, &with, 0);
        release(&mut leases, pod, 0).unwrap();
    }
    give(&mut leases, "meanwhile", &without, 60);
    assert_eq!(
        leases.cooling().len(),
        7,
        "a rest is kept whether or not the block is there"
    );
    give(&mut leases, "later", &without, 120);
    assert!(
        leases.cooling().is_empty(),
        "rested, and in no block any more"
    );
    let given: BTreeSet<IpAddr> = (10..17)
        .map(|pod| give(&mut leases, pod, &with, 200))
        .collect();
    assert_eq!(
        given
            .iter()
            .filter(|address| blocks[0].cidr.contains(**address))
            .count(),
        7
    );
}

#[test]
fn a_vast_block_keeps_only_what_still_rests() {
    let blocks = [active("fd00:10:0:7::/64")];
    let supply = supply(&blocks, &[Family::V6]);
    let mut leases = Leases::new(boot());
    let mut seen = BTreeSet::new();
    for pod in 0..2_000u64 {
        assert!(seen.insert(give(&mut leases, pod, &supply, pod)));
        release(&mut leases, pod, pod).unwrap();
        assert!(leases.cooling().len() <= 122);
    }
    assert_eq!(leases.usage(&supply, 0)[&Family::V6].capacity, u64::MAX);
}

#[test]
fn the_ring_of_a_vast_block_goes_round() {
    let blocks = [active("10.0.0.0/15")];
    let supply = supply(&blocks, V4);
    let file = format!(
        r#"{{"version":1,"bootId":"{}","cursors":{{"10.0.0.0/15":131071}},"leases":[]}}"#,
        boot()
    );
    let mut leases = Leases::parse(file.as_bytes()).unwrap();
    let mut fresh = Leases::new(boot());
    give(&mut leases, 1, &supply, 0);
    let second = give(&mut leases, 2, &supply, 0);
    let firsts = [
        give(&mut fresh, 1, &supply, 0),
        give(&mut fresh, 2, &supply, 0),
    ];
    assert!(
        firsts.contains(&second),
        "{second} after a whole round, {firsts:?} at its start"
    );
}

#[test]
fn a_ring_that_starts_anew_passes_over_what_pods_still_hold() {
    let blocks = [active("10.0.0.0/29"), active("10.0.1.0/26")];
    let (with, without) = (supply(&blocks, V4), supply(&blocks[1..], V4));
    let mut leases = Leases::new(boot());
    let held: BTreeSet<IpAddr> = (0..3).map(|pod| give(&mut leases, pod, &with, 0)).collect();
    // The block goes and comes back, and with it its cursor; the three pods stay.
    give(&mut leases, "meanwhile", &without, 1);
    let rest: BTreeSet<IpAddr> = (10..14)
        .map(|pod| give(&mut leases, pod, &with, 2))
        .collect();
    assert!(held.is_disjoint(&rest));
    let all = held.union(&rest);
    assert_eq!(all.filter(|a| blocks[0].cidr.contains(**a)).count(), 7);
}

#[test]
fn a_clock_that_went_back_frees_nothing_early() {
    let blocks = [active("10.0.0.1/32")];
    let supply = supply(&blocks, V4);
    let mut leases = Leases::new(boot());
    give(&mut leases, 1, &supply, 5_000);
    release(&mut leases, 1, 5_000).unwrap();
    let error = leases.reserve(request(2), &supply, 10).unwrap_err();
    assert!(
        matches!(error, LeaseError::AllCooling { until: 40, .. }),
        "{error}"
    );
}

/// The clock of a time namespace may be ahead, and a damaged file may say anything.
#[test]
fn what_rests_since_a_time_to_come_rests_from_the_next_call_on() {
    let blocks = [active("10.0.3.0/30")];
    let supply = supply(&blocks, V4);
    let mut leases = Leases::new(boot());
    for pod in 0..3 {
        give(&mut leases, pod, &supply, 10);
    }
    for pod in 0..3 {
        release(&mut leases, pod, u64::MAX).unwrap();
    }
    let now = 1_000;
    for now in [now, now + 1_000] {
        let error = leases.reserve(request("a"), &supply, now).unwrap_err();
        assert!(
            matches!(error, LeaseError::AllCooling { until, .. } if until == now + 30),
            "{error}"
        );
    }
    // The DEL that follows an ADD which failed has nothing to give back, and sets the clock right.
    assert_eq!(release(&mut leases, "a", now), None);
    assert_eq!(leases.usage(&supply, now + 120)[&Family::V4].resting, 0);
    give(&mut leases, "a", &supply, now + 30);
}
