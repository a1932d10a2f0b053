//! Reflection as RFC 4456 has it, seen in the tables of those who are reflected to.

use super::world::World;

/// 1 reflects for 2, 3 and 4; 5 is no client.
const REFLECTOR: &str = "{asn: 64512, routerId: 10.0.0.1, clusterId: 9.9.9.9, neighbours: [
    {name: two, address: 10.0.0.2, asn: 64512, role: client},
    {name: three, address: 10.0.0.3, asn: 64512, role: client},
    {name: four, address: 10.0.0.4, asn: 64512, role: client},
    {name: five, address: 10.0.0.5, asn: 64512}]}";

pub(super) fn client(node: u8) -> String {
    format!(
        "{{asn: 64512, routerId: 10.0.0.{node}, neighbours: [
            {{name: one, address: 10.0.0.1, asn: 64512}}]}}"
    )
}

fn world() -> World {
    let clients: Vec<String> = [2, 3, 4, 5].map(client).into();
    World::new(&[
        (1, REFLECTOR),
        (2, &clients[0]),
        (3, &clients[1]),
        (4, &clients[2]),
        (5, &clients[3]),
    ])
}

#[test]
fn clients_and_others_are_told_what_rfc_4456_says() {
    let mut world = world();
    for node in [2, 3, 5] {
        world.announce(node, &format!("{{prefix: 10.{node}.0.0/24}}"));
    }
    assert_eq!(
        world.table(4),
        [
            "10.2.0.0/24 from one via 10.0.0.2, by 10.0.0.2, through 9.9.9.9",
            "10.3.0.0/24 from one via 10.0.0.3, by 10.0.0.3, through 9.9.9.9",
            "10.5.0.0/24 from one via 10.0.0.5, by 10.0.0.5, through 9.9.9.9",
        ]
    );
    let to_the_others: Vec<String> = world.table(4).drain(..2).collect();
    assert_eq!(world.table(5), to_the_others);
    assert_eq!(world.table(2).len(), 2, "its own does not come back");
    world.withdraw(2, "10.2.0.0/24");
    assert_eq!(world.table(5), to_the_others[1..]);
    assert_eq!((world.lost(1), world.lost(4)), (0, 0));
}

#[test]
fn what_one_other_says_is_not_told_to_another() {
    let reflector = REFLECTOR.replace(
        "{name: four, address: 10.0.0.4, asn: 64512, role: client}",
        "{name: four, address: 10.0.0.4, asn: 64512}",
    );
    let (four, five) = (client(4), client(5));
    let mut world = World::new(&[(1, &reflector), (4, &four), (5, &five)]);
    world.announce(4, "{prefix: 10.4.0.0/24}");
    assert_eq!(world.table(1), ["10.4.0.0/24 from four via 10.0.0.4"]);
    assert!(world.table(5).is_empty());
}

#[test]
fn a_client_that_is_lost_takes_its_paths_along_when_it_has_not_come_back_in_time() {
    let mut world = world();
    world.announce(2, "{prefix: 10.2.0.0/24}");
    world.kill(2);
    assert_eq!(world.table(1), ["10.2.0.0/24 from two via 10.0.0.2, Stale"]);
    world.run(119);
    assert_eq!(world.table(4).len(), 1);
    world.run(2);
    assert!(world.table(1).is_empty() && world.table(4).is_empty());
}

#[test]
fn two_reflectors_of_one_cluster_refuse_what_the_other_reflected() {
    let two = |node: u8, peer: u8| {
        format!(
            "{{asn: 64512, routerId: 10.0.0.{node}, clusterId: 9.9.9.9, neighbours: [
                {{name: other, address: 10.0.0.{peer}, asn: 64512}},
                {{name: client, address: 10.0.0.3, asn: 64512, role: client}}]}}"
        )
    };
    let three = "{asn: 64512, routerId: 10.0.0.3, neighbours: [
        {name: one, address: 10.0.0.1, asn: 64512}, {name: two, address: 10.0.0.2, asn: 64512}]}";
    let mut world = World::new(&[(1, &two(1, 2)), (2, &two(2, 1)), (3, three)]);
    world.announce(3, "{prefix: 10.3.0.0/24}");
    assert_eq!(
        world.table(1),
        [
            "10.3.0.0/24 from client via 10.0.0.3",
            "10.3.0.0/24 from other via 10.0.0.3, by 10.0.0.3, through 9.9.9.9, ClusterLoop",
        ]
    );
    assert!(world.table(3).is_empty());
    // In clusters of their own both paths are good, and the client hears its own from neither.
    let apart = two(2, 1).replace("9.9.9.9", "8.8.8.8");
    world.configure(2, &apart);
    world.run(10);
    assert_eq!(
        world.table(1)[1],
        "10.3.0.0/24 from other via 10.0.0.3, by 10.0.0.3, through 8.8.8.8"
    );
}

#[test]
fn a_path_that_comes_home_is_refused_by_its_originator() {
    // 2 is a client of 1, 1 of 3, and 3 of 2's: a ring of three clusters.
    let ring = |node: u8, client: u8, other: u8| {
        format!(
            "{{asn: 64512, routerId: 10.0.0.{node}, neighbours: [
                {{name: client, address: 10.0.0.{client}, asn: 64512, role: client}},
                {{name: other, address: 10.0.0.{other}, asn: 64512}}]}}"
        )
    };
    let mut world = World::new(&[
        (1, &ring(1, 2, 3)),
        (2, &ring(2, 3, 1)),
        (3, &ring(3, 1, 2)),
    ]);
    world.announce(1, "{prefix: 10.1.0.0/24}");
    world.withdraw(1, "10.1.0.0/24");
    for node in [1, 2, 3] {
        assert!(world.table(node).is_empty(), "{:?}", world.table(node));
    }
    world.announce(1, "{prefix: 10.1.0.0/24}");
    let home = world.table(1);
    assert!(
        home.iter().all(|line| line.ends_with("OwnOriginator")),
        "{home:?}"
    );
}

#[test]
fn both_families_travel_over_either_transport() {
    let over = |node: u8, peer: &str, own: &str| {
        format!(
            "{{asn: 64512, routerId: 10.0.0.{node}, neighbours: [{{name: peer, address: '{peer}', asn: 64512,
                families: {{IPv4: {{}}, IPv6: {{{own}}}}}}}]}}"
        )
    };
    let mut v4 = World::new(&[
        (1, &over(1, "10.0.0.2", "ownNextHop: 'fd00::1'")),
        (2, &over(2, "10.0.0.1", "")),
    ]);
    let mut v6 = World::new(&[(1, &over(1, "fd00::2", "")), (2, &over(2, "fd00::1", ""))]);
    for (world, next_hop) in [(&mut v4, "10.0.0.1"), (&mut v6, "fd00::1")] {
        world.announce(1, "{prefix: 10.1.0.0/24}");
        world.announce(1, "{prefix: '2001:db8::/48'}");
        assert_eq!(
            world.table(2),
            [
                format!("10.1.0.0/24 from peer via {next_hop}"),
                "2001:db8::/48 from peer via fd00::1".to_owned(),
            ]
        );
    }
    // Where no address of the family is known, nothing can be said.
    v4.announce(2, "{prefix: '2001:db8:2::/48'}");
    assert!(v4.table(1).is_empty());
}

#[test]
fn several_paths_pass_a_reflector() {
    let adds = "families: {IPv4: {addPath: {receive: on, send: 4}}}";
    let reflector = REFLECTOR.replace(
        "address: 10.0.0.4, asn: 64512, role: client",
        &format!("address: 10.0.0.4, asn: 64512, role: client, {adds}"),
    );
    let clients: Vec<String> = [2, 3, 4, 5].map(client).into();
    let four = clients[2].replace("asn: 64512}]", &format!("asn: 64512, {adds}}}]"));
    let mut world = World::new(&[
        (1, &reflector),
        (2, &clients[0]),
        (3, &clients[1]),
        (4, &four),
        (5, &clients[3]),
    ]);
    for node in [2, 3] {
        world.announce(node, "{prefix: 10.9.0.0/24}");
    }
    assert_eq!(
        world.table(4),
        [
            "10.9.0.0/24 from one via 10.0.0.2, number 1, by 10.0.0.2, through 9.9.9.9",
            "10.9.0.0/24 from one via 10.0.0.3, number 2, by 10.0.0.3, through 9.9.9.9",
        ]
    );
    assert_eq!(world.table(5).len(), 1, "without Add-Path the best alone");
    world.withdraw(2, "10.9.0.0/24");
    assert_eq!(
        world.table(4),
        ["10.9.0.0/24 from one via 10.0.0.3, number 2, by 10.0.0.3, through 9.9.9.9"]
    );
}
