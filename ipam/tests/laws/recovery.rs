//! Leases and kernel disagree, and agree again.

use crate::builders::{active, boot, key, release, request};
use gingham_ipam::{LeaseError, LeaseState, Leases, Recovered, Reservation, Supply};
use gingham_model::{Family, MacAddress};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

/// What the kernel still tells of the attachment of container `id`.
fn found(id: u8) -> Recovered {
    Recovered {
        host_if: request(id).host_if,
        pod: "shop/web".to_owned(),
        v4: Some(ADDRESS),
        v6: None,
        mac: MacAddress([2, 0x67, 0, 0, 0, 9]),
    }
}

fn with(test: impl FnOnce(&mut Leases, &Supply<'_>)) {
    let blocks = [active("10.0.0.0/29")];
    let supply = Supply {
        blocks: &blocks,
        families: &[Family::V4],
        cooldown: 120,
    };
    test(&mut Leases::new(boot()), &supply);
}

#[test]
fn an_adopted_address_is_nobody_elses_until_it_has_rested() {
    with(|leases, supply| {
        let adopted = leases.adopt(found(1), 50).unwrap();
        assert_eq!((adopted.state, adopted.since), (LeaseState::Held, 50));
        assert_eq!(adopted.container_id, "");
        let mut given = BTreeSet::new();
        for pod in 10..16 {
            let reserved = leases.reserve(request(pod), supply, 60).unwrap();
            given.insert(reserved.lease().v4.unwrap());
        }
        assert!(given.len() == 6 && !given.contains(&ADDRESS), "{given:?}");
        let none = leases.reserve(request(16), supply, 60).unwrap_err();
        assert!(matches!(none, LeaseError::Exhausted { .. }), "{none}");

        release(leases, 1, 70).unwrap();
        let resting = leases.reserve(request(16), supply, 99).unwrap_err();
        assert!(
            matches!(resting, LeaseError::AllCooling { until: 100, .. }),
            "{resting}"
        );
        let at_last = leases.reserve(request(16), supply, 100).unwrap();
        assert_eq!(at_last.lease().v4, Some(ADDRESS));
    });
}

#[test]
fn an_adopted_address_that_rested_rests_no_more() {
    with(|leases, _| {
        leases.adopt(found(1), 50).unwrap();
        release(leases, 1, 60).unwrap();
        assert_eq!(leases.cooling().len(), 1);
        leases.adopt(found(2), 70).unwrap();
        assert_eq!((leases.cooling().len(), leases.live().len()), (0, 1));
    });
}

#[test]
fn the_del_of_an_adopted_pod_finds_it_by_its_interface() {
    with(|leases, _| {
        leases.adopt(found(1), 50).unwrap();
        assert_eq!(release(leases, 2, 60), None, "another interface");
        assert_eq!(release(leases, 1, 60).unwrap().v4, Some(ADDRESS));
        assert_eq!(release(leases, 1, 61), None);
    });
}

#[test]
fn a_second_add_of_an_adopted_pod_is_refused_by_its_own_name() {
    with(|leases, supply| {
        leases.adopt(found(1), 50).unwrap();
        let before = leases.clone();
        let refused = leases.reserve(request(1), supply, 60).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "gingham/1/eth0 already holds addresses, as gh1 of pod shop/web"
        );
        assert_eq!(*leases, before);
    });
}

#[test]
fn nothing_is_adopted_that_a_live_lease_has() {
    with(|leases, supply| {
        leases.reserve(request(1), supply, 0).unwrap();
        let held = leases.live()[0].v4;
        for taken in [
            found(1),
            Recovered {
                v4: held,
                ..found(2)
            },
        ] {
            let refused = leases.adopt(taken, 1).unwrap_err();
            assert!(matches!(refused, LeaseError::AlreadyHeld(_)), "{refused}");
        }
        assert_eq!(leases.live().len(), 1);
    });
}

#[test]
fn only_a_lease_that_stands_as_it_was_seen_is_forfeited() {
    with(|leases, supply| {
        let seen = leases
            .reserve(request(1), supply, 0)
            .unwrap()
            .lease()
            .clone();
        let Reservation::Resumed(resumed) = leases.reserve(request(1), supply, 400).unwrap() else {
            panic!("the intent was there");
        };
        assert_eq!(leases.forfeit(&seen, 401), None, "another ADD is at work");
        leases.confirm(&key(1), 402).unwrap();
        assert_eq!(leases.forfeit(&resumed, 403), None, "and has done it");
        let held = leases.find(&key(1)).unwrap().clone();
        let forfeited = leases.forfeit(&held, 500).unwrap();
        assert_eq!(
            (forfeited.state, forfeited.since),
            (LeaseState::Cooling, 500)
        );
        assert_eq!(leases.forfeit(&held, 501), None);
        assert!(leases.live().is_empty());
    });
}

#[test]
fn a_block_is_in_use_until_the_last_address_has_rested() {
    with(|leases, supply| {
        let (block, other) = (supply.blocks[0].cidr, "10.0.1.0/29".parse().unwrap());
        assert!(!leases.in_use(block, supply, 0));
        leases.reserve(request(1), supply, 0).unwrap();
        assert!(leases.in_use(block, supply, 1_000));
        release(leases, 1, 1_000).unwrap();
        assert!(leases.in_use(block, supply, 1_119));
        assert!(!leases.in_use(block, supply, 1_120));
        assert!(!leases.in_use(other, supply, 1_119));
    });
}
