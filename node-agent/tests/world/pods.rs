//! Pods' host ends in a real kernel: damaged by `ip`, mended, read back; leases lost and leaked.

mod node;

use gingham_agent::pods::{Audit, Finding, Kernel, Settled, Settlement, mend};
use gingham_ipam::{Lease, LeaseState, Leases, StoreError};
use gingham_model::RouteProtocol;
use node::{HOST_IF, NOW, Node, boot, lease};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn whatever_is_damaged_is_repaired_and_reads_back_as_before() {
    let mut node = Node::new();
    let healthy = node.datapath();
    assert_eq!(node.repairs(), []);
    for (damage, steps) in [
        ("link set IF down", 6),
        ("address del fe80::1/64 dev IF", 1),
        ("address flush dev IF", 1),
        ("neighbour del V4 dev IF", 1),
        ("neighbour del V6 dev IF", 1),
        ("neighbour change V4 dev IF nud stale", 1),
        ("neighbour change V6 dev IF nud reachable", 1),
        (
            "neighbour change V4 lladdr 02:00:00:00:00:99 dev IF nud permanent",
            1,
        ),
        (
            "neighbour change V6 lladdr 02:00:00:00:00:99 dev IF nud permanent",
            1,
        ),
        ("route del V4 metric 10", 1),
        ("-6 route del V6 metric 10", 1),
        ("route change V4 dev lo proto 200 metric 10", 1),
        ("-6 route change V6 dev lo proto 200 metric 10", 1),
        ("route replace unreachable V4 proto 200 metric 10", 1),
        ("-6 route replace unreachable V6 proto 200 metric 10", 1),
        ("route prepend V4 dev lo proto 200 metric 10", 1),
    ] {
        node.ip(damage);
        let repairs = node.repairs();
        assert_eq!(repairs.len(), steps, "{damage}: {repairs:?}");
        let outcomes = mend(&mut node.socket, &repairs);
        let expected: Vec<_> = repairs.into_iter().map(|repair| (repair, Ok(()))).collect();
        assert_eq!(outcomes, expected, "{damage}");
        assert_eq!(node.datapath(), healthy, "{damage}");
    }
}

#[test]
fn a_foreign_route_in_the_way_is_reported_and_stays() {
    for (delete, add) in [
        (
            "route del V4 metric 10",
            "route add V4 dev lo proto 4 metric 10",
        ),
        (
            "-6 route del V6 metric 10",
            "-6 route add V6 dev lo proto 4 metric 10",
        ),
    ] {
        let mut node = Node::new();
        node.ip(delete);
        node.ip(add);
        let before = node.datapath();
        for _ in 0..2 {
            let repairs = node.repairs();
            let outcomes = mend(&mut node.socket, &repairs);
            let [(repair, Err(why))] = outcomes.as_slice() else {
                panic!("{outcomes:?}");
            };
            assert_eq!(repair.step.part(), "route");
            assert!(why.contains("File exists"), "{why}");
        }
        assert_eq!(node.datapath(), before);
        let all = before.routes.into_values().flatten();
        let protocols: BTreeSet<RouteProtocol> = all.map(|route| route.protocol).collect();
        assert!(protocols.contains(&RouteProtocol(4)));
    }
}

#[test]
fn a_foreign_route_that_came_meanwhile_is_not_replaced() {
    let mut node = Node::new();
    node.ip("route change V4 dev lo proto 200 metric 10");
    let repairs = node.repairs();
    node.ip("route prepend V4 dev lo proto 4 metric 10");
    let before = node.datapath();
    let outcomes = mend(&mut node.socket, &repairs);
    let [(_, Err(why))] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert!(why.contains("File exists"), "{why}");
    assert_eq!(node.datapath(), before);
    node.ip("route del V4 proto 4");
    assert_eq!(mend(&mut node.socket, &repairs).len(), 1);
    assert_eq!(node.repairs(), []);
}

#[test]
fn a_repair_that_comes_too_late_says_nothing() {
    let mut node = Node::new();
    node.ip("link set IF down");
    let repairs = node.repairs();
    mend(&mut node.socket, &repairs);
    let healthy = node.datapath();
    for (repair, outcome) in mend(&mut node.socket, &repairs) {
        assert_eq!(outcome, Ok(()), "{repair}");
        assert!(
            ["link", "neighbour"].contains(&repair.step.part()),
            "{repair}"
        );
    }
    assert_eq!(node.datapath(), healthy);
    node.ip("link del IF");
    assert_eq!(mend(&mut node.socket, &repairs), []);
}

#[test]
fn a_leaked_lease_goes_to_rest_and_not_before_its_link_is_gone() {
    let mut node = Node::new();
    assert_eq!(node.findings(), []);
    let leaked = Finding::Leaked(lease(LeaseState::Held));
    assert_eq!(
        node.settle(&leaked),
        Settled::Overtaken,
        "the link is there"
    );
    node.ip("link del IF");
    assert_eq!(node.finding(), leaked);
    assert_eq!(node.settle(&leaked), Settled::Done);
    assert_eq!(node.leases().cooling().len(), 1);
    assert_eq!(node.settle(&leaked), Settled::Overtaken);
}

#[test]
fn what_a_killed_add_left_is_cleared_away_link_and_lease() {
    let mut node = Node::new();
    node.write(&lease(LeaseState::Intent));
    let finding = node.finding();
    assert_eq!(finding, Finding::Abandoned(lease(LeaseState::Intent)));
    assert_eq!(node.settle(&finding), Settled::Done);
    assert!(node.socket.link(HOST_IF).is_err());
    assert!(node.leases().live().is_empty());

    let mut node = Node::new();
    assert_eq!(
        node.settle(&finding),
        Settled::Overtaken,
        "it was confirmed meanwhile"
    );
    assert!(node.socket.link(HOST_IF).is_ok());
}

#[test]
fn a_lost_store_is_rebuilt_at_the_first_sight() {
    for damage in [
        "route show",
        "route del V4 metric 10",
        "neighbour del V6 dev IF",
    ] {
        let mut node = Node::new();
        std::fs::remove_file(node.store().path()).unwrap();
        node.ip(damage);
        let datapath = node.datapath();
        let findings = Audit::fresh().observe(&node.leases(), &datapath, NOW);
        let [adopt] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert_eq!(node.settle(adopt), Settled::Done);
        assert_eq!(node.settle(adopt), Settled::Overtaken);
        let recovered = Lease {
            network: String::new(),
            container_id: String::new(),
            ifname: String::new(),
            since: NOW,
            ..lease(LeaseState::Held)
        };
        assert_eq!(node.leases().live(), [recovered]);
        let repairs = node.repairs();
        assert!(
            mend(&mut node.socket, &repairs)
                .iter()
                .all(|(_, mended)| mended.is_ok())
        );
        assert_eq!((node.repairs(), node.findings()), (vec![], vec![]));
    }
}

#[test]
fn a_link_that_nobody_can_use_is_removed_unless_somebody_takes_it() {
    let mut node = Node::new();
    node.ip("link set IF down");
    std::fs::remove_file(node.store().path()).unwrap();
    let orphan = node.finding();
    assert_eq!(orphan.kind(), "orphan");
    node.write(&lease(LeaseState::Intent));
    assert_eq!(node.settle(&orphan), Settled::Overtaken);
    std::fs::remove_file(node.store().path()).unwrap();
    assert_eq!(node.settle(&orphan), Settled::Done);
    assert!(node.socket.link(HOST_IF).is_err());
    assert_eq!(node.settle(&orphan), Settled::Overtaken);
}

#[test]
fn stray_routes_go_and_the_right_one_stays() {
    let mut node = Node::new();
    let healthy = node.datapath();
    for stray in [
        "route add V4 dev lo proto 200 metric 99",
        "-6 route add V6 dev lo proto 200 metric 99",
        "route append V4 dev lo proto 200 metric 10",
        "-6 route append V6 dev lo proto 200 metric 10",
        "route add 10.64.1.8 dev IF proto 200 metric 10",
        "route add unreachable 10.64.9.0/24 proto 200",
    ] {
        node.ip(stray);
        assert_eq!(node.repairs(), [], "{stray}");
        let finding = node.finding();
        assert_eq!(finding.kind(), "stray-route", "{stray}");
        assert_eq!(node.settle(&finding), Settled::Done);
        assert_eq!(node.datapath(), healthy, "{stray}");
    }
}

#[test]
fn a_finding_waits_for_a_plugin_that_holds_the_lock() {
    let mut node = Node::new();
    let adopt = {
        std::fs::remove_file(node.store().path()).unwrap();
        node.finding()
    };
    let store = node.store();
    let settled = store.update(&boot(), Duration::from_secs(5), &Kernel, |_| {
        let (taken, mine) = (node.store(), boot());
        let mut settlement = Settlement {
            socket: &mut node.socket,
            store: &taken,
            boot: &mine,
            now: NOW,
        };
        Ok::<_, StoreError>(settlement.settle(&adopt).map_err(|error| error.to_string()))
    });
    let why = settled.unwrap().unwrap_err();
    assert!(why.contains("still locked by another process"), "{why}");
    assert_eq!(node.settle(&adopt), Settled::Done);
}

#[test]
fn a_damaged_lease_store_gets_its_pods_from_the_kernel() {
    let node = Node::new();
    let whole = node.leases().live()[0].clone();
    let good = std::fs::read(node.store().path()).unwrap();
    for damage in [&good[..good.len() / 2], &vec![0; good.len()], b"{}"] {
        std::fs::write(node.store().path(), damage).unwrap();
        let repaired = node.in_namespace(|| {
            let all = |leases: &mut Leases| Ok::<_, StoreError>(leases.live().to_vec());
            let store = node.store();
            store.update(&boot(), Duration::from_secs(5), &Kernel, all)
        });
        let repaired = repaired.unwrap();
        assert_eq!(repaired.len(), 1, "{repaired:?}");
        let lease = &repaired[0];
        let known = |lease: &Lease| (lease.host_if.clone(), lease.v4, lease.v6, lease.mac);
        assert_eq!(known(lease), known(&whole));
        assert!(lease.is_recovered());
        assert_eq!(node.leases().live(), repaired);
    }
}
