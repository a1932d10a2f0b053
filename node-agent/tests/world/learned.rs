//! Learned routes against a real kernel: many next hops to a prefix, in both families.

use crate::kernel::{World, cluster};
use crate::site::ip;
use gingham_agent::bgp::learned::Learned;
use gingham_agent::routes::reconcile::{Damage, Extent};
use gingham_model::{Change, Owner, RouteKey};
use gingham_netlink::monitor::{Heard, Monitor, Object, Op};
use std::net::UdpSocket;
use std::sync::mpsc::{self, TryRecvError};

const FAR: [&str; 2] = ["10.65.0.0/16", "fd00:102::/48"];

/// The last digits of next hops.
type Hops<'a> = &'a [u8];

/// Both prefixes as heard, by way of these next hops.
fn hear(world: &mut World, hops: Hops<'_>) {
    let by = |net: &str| {
        hops.iter()
            .map(|last| ip(&format!("{net}{last}")))
            .collect()
    };
    let nets = ["10.1.0.", "fd00:1::"].map(by);
    let changes = FAR
        .map(|prefix| prefix.parse().unwrap())
        .into_iter()
        .zip(nets);
    world.learned.take_in(changes.collect());
}

fn keys() -> [RouteKey; 2] {
    FAR.map(|prefix| Owner::Learned.key(prefix.parse().unwrap()))
}

/// Puts the agent's world right, and expects so many writes.
#[track_caller]
fn expect(world: &mut World, writes: usize) {
    let (plan, round) = world.round(&cluster());
    assert!(round.is_in_sync(), "{:?}", round.odd);
    assert_eq!(round.applied.len(), writes, "{:?}", round.applied);
    assert_eq!(world.own(), plan.routes);
}

/// How many of both families have no way to [`FAR`]: a socket that connects asks the kernel's table
/// as a program does that is about to send.
fn lost(sockets: &[UdpSocket; 2]) -> usize {
    let ways = sockets.iter().zip(["10.65.0.1:9", "[fd00:102::1]:9"]);
    ways.filter(|(socket, far)| socket.connect(far).is_err())
        .count()
}

#[test]
fn next_hops_come_and_go_without_a_moment_without_a_route() {
    let mut world = World::new();
    let bind = || ["0.0.0.0:0", "[::]:0"].map(|any| UdpSocket::bind(any).unwrap());
    let sockets = world.node.visit(bind).unwrap();
    assert_eq!(lost(&sockets), 2, "a way where there can be none");
    hear(&mut world, &[7]);
    expect(&mut world, 6);
    world.extent = Extent::Changes;
    let mut monitor = world.node.visit(Monitor::open).unwrap().unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        let (mut missed, mut asked) = (0, 0);
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            missed += lost(&sockets);
            asked += 1;
        }
        (missed, asked)
    });
    let sets: [Hops<'_>; 6] = [&[7, 8], &[8], &[7, 8, 9], &[8, 9], &[6, 7], &[7]];
    for hops in sets.into_iter().cycle().take(60) {
        hear(&mut world, hops);
        expect(&mut world, 2);
    }
    drop(stop);
    let (missed, asked) = asking.join().unwrap();
    assert_eq!(missed, 0, "of {asked} that asked");
    assert!(asked > 100, "hardly anybody asked");
    while let Heard::Notices(notices) = monitor.hear().unwrap() {
        for notice in notices {
            let gone = matches!(&notice.object, Object::Route(_)) && notice.op == Op::Gone;
            assert!(!gone, "{notice:?}");
        }
    }
}

#[test]
fn a_restart_writes_nothing_and_then_only_what_differs() {
    let mut world = World::new();
    hear(&mut world, &[7, 8]);
    expect(&mut world, 6);
    let full = std::mem::replace(&mut world.learned, Learned::nothing_yet("just started"));
    world.forget();
    let (_, round) = world.round(&cluster());
    assert!(round.applied.is_empty() && round.is_in_sync(), "{round:?}");
    assert_eq!(round.odd.len(), 2);
    // One peer was heard, the other one not yet.
    hear(&mut world, &[7]);
    let (_, round) = world.round(&cluster());
    assert!(round.applied.is_empty() && round.is_in_sync(), "{round:?}");
    world.learned = full;
    expect(&mut world, 0);
    hear(&mut world, &[]);
    expect(&mut world, 2);
    assert_eq!(world.own().len(), 4);
}

#[test]
fn learned_routes_go_with_their_link_and_come_back_with_it() {
    let mut world = World::new();
    hear(&mut world, &[7, 8]);
    expect(&mut world, 6);
    world.run("ip link set eth0 down");
    let (plan, round) = world.round(&cluster());
    assert!(round.is_in_sync(), "{:?}", round.odd);
    let why: Vec<String> = plan.unresolved.values().map(ToString::to_string).collect();
    assert_eq!(
        why[0],
        "next hop 10.1.0.7 is on no link of this node; next hop 10.1.0.8 is on no link of this node"
    );
    let left = world.own();
    assert!(keys().iter().all(|key| !left.contains_key(key)));
    world.run("ip link set eth0 up");
    // The kernel has taken it away with the link.
    world.run("ip address add fd00:1::1/64 dev eth0 nodad");
    expect(&mut world, 4);
}

#[test]
fn one_of_two_links_goes_and_its_next_hops_with_it() {
    let mut world = World::new();
    world.run("ip link add eth1 type veth peer name far1");
    world.run("ip link set far1 up");
    world.run("ip address add 10.2.0.1/24 dev eth1");
    world.run("ip address add fd00:2::1/64 dev eth1 nodad");
    world.run("ip link set eth1 up");
    let [v4, v6] = FAR.map(|prefix| prefix.parse().unwrap());
    let by_v4 = ["10.1.0.7", "10.2.0.7"].map(ip).to_vec();
    let by_v6 = ["fd00:1::7", "fd00:2::7"].map(ip).to_vec();
    world.learned.take_in([(v4, by_v4), (v6, by_v6)].into());
    expect(&mut world, 6);
    world.run("ip link set eth1 down");
    let (plan, round) = world.round(&cluster());
    assert!(round.is_in_sync(), "{:?}", round.odd);
    assert_eq!(world.own(), plan.routes);
    world.run("ip link set eth1 up");
    world.run("ip address add fd00:2::1/64 dev eth1 nodad");
    expect(&mut world, 2);
}

#[test]
fn what_a_foreign_hand_does_to_a_learned_route_is_repaired() {
    let mut world = World::new();
    hear(&mut world, &[7, 8]);
    expect(&mut world, 6);
    let (plan, _) = world.round(&cluster());
    for key in keys() {
        world.change(&Change::Remove(plan.routes[&key].clone()));
        let (_, round) = world.round(&cluster());
        assert_eq!(round.repaired, [(key, Damage::Removed)].into());
    }
    world.run("ip route replace 10.65.0.0/16 via 10.1.0.9 dev eth0 proto 202 metric 40");
    world.run("ip -6 route append fd00:102::/48 via fd00:1::9 dev eth0 proto 202 metric 40");
    let (_, round) = world.round(&cluster());
    let expected = keys().map(|key| (key, Damage::Changed));
    assert_eq!(round.repaired, expected.into());
    assert_eq!(world.own(), plan.routes);
}

/// Of a round for learned prefixes alone, which reads no table as long as all is as expected.
#[test]
fn what_stands_in_the_way_of_a_learned_route_is_met_unharmed_and_named() {
    let mut world = World::new();
    expect(&mut world, 4);
    world.extent = Extent::Changes;
    world.run("ip route add unreachable 10.65.0.0/16 proto 99 metric 40");
    hear(&mut world, &[7]);
    let (_, round) = world.round(&cluster());
    assert_eq!(round.applied.len(), 1, "{:?}", round.applied);
    let [v4, v6] = keys();
    let said = round.standing(&v4).detail();
    assert_eq!(said.as_deref(), Some("protocol 99 (Open/R), metric 40"));
    assert_eq!(round.standing(&v6).word(), "ok");
    // It stays so while other prefixes change.
    let other = "10.66.0.0/16".parse().unwrap();
    world
        .learned
        .take_in([(other, vec![ip("10.1.0.7")])].into());
    let (_, round) = world.round(&cluster());
    assert_eq!(round.applied.len(), 1, "{:?}", round.applied);
    assert_eq!(round.standing(&v4).word(), "conflict");
    world.run("ip route del unreachable 10.65.0.0/16 proto 99 metric 40");
    world.extent = Extent::Whole;
    expect(&mut world, 1);
}

#[test]
fn an_announced_aggregate_ends_in_a_sink() {
    let mut world = World::new();
    world.aggregates = ["10.64.0.0/16", "fd00:10::/32"]
        .map(|text| text.parse().unwrap())
        .into();
    expect(&mut world, 6);
    world.aggregates.clear();
    expect(&mut world, 2);
}
