//! Route reflection (RFC 4456), as seen on the wire: handwritten peers read the very octets that ours
//! sends, beside BIRD and FRR as client and non-client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use anyhow::ensure;
use bgp_world::{OUR_ASN, prefix, wait};
use gingham_integration::bgp::raw::{self, Connection, Identity, Update};
use gingham_integration::bgp::{Dial, Host, Kind, Neighbour, Origin, Peer, Role, Speaker, World};
use gingham_model::Family;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Type codes of attributes.
const NEXT_HOP: u8 = 3;
const ORIGINATOR_ID: u8 = 9;
const CLUSTER_LIST: u8 = 10;

/// The cluster of ours.
const CLUSTER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
/// The peers of the reflector: name, what they are to it, and what they announce.
const PEERS: [(&str, Role, &str); 6] = [
    ("bird-client", Role::Client, "10.61.0.0/24"),
    ("frr-client", Role::Client, "10.62.0.0/24"),
    ("bird-peer", Role::Peer, "10.63.0.0/24"),
    ("frr-peer", Role::Peer, "10.64.0.0/24"),
    ("raw-client", Role::Client, "10.65.0.0/24"),
    ("raw-peer", Role::Peer, "10.66.0.0/24"),
];

/// A reflector and its peers; the handwritten ones have yet to dial.
struct Cluster {
    ours: Peer,
    daemons: BTreeMap<&'static str, Peer>,
    world: World,
}

impl Cluster {
    fn new() -> Self {
        let names: Vec<&str> = ["ours"]
            .into_iter()
            .chain(PEERS.map(|(name, ..)| name))
            .collect();
        let world = World::of(&names).unwrap();
        let us = world.host("ours").unwrap();
        let mut speaker = Speaker::new(OUR_ASN, us.v4());
        speaker.cluster_id = Some(CLUSTER);
        for (name, role, _) in PEERS {
            let there = world.host(name).unwrap().address(Family::V4);
            let mut neighbour = Neighbour::new(us.address(Family::V4), there, OUR_ASN);
            neighbour.role = role;
            if name.starts_with("raw") {
                neighbour.dial = Dial::Passive;
            }
            speaker = speaker.with(neighbour);
        }
        let ours = Peer::start(Kind::Ours, &us, speaker).unwrap();
        let daemons = PEERS.into_iter().filter_map(|(name, _, announced)| {
            let kind = match name.split('-').next()? {
                "bird" => Kind::Bird,
                "frr" => Kind::Frr,
                _ => return None,
            };
            Some((
                name,
                member(kind, &world.host(name).unwrap(), &us, announced),
            ))
        });
        let daemons = daemons.collect();
        let cluster = Cluster {
            ours,
            daemons,
            world,
        };
        cluster.wait_for_all();
        cluster
    }

    /// Ours has heard of every daemon.
    fn wait_for_all(&self) {
        wait("the reflector has heard of all", || {
            let table = self.ours.table(Family::V4)?;
            ensure!(table.len() == self.daemons.len(), "{table:#?}");
            Ok(())
        });
    }

    /// A handwritten member of this name, with an established session, and everything it was told up to
    /// End-of-RIB.
    fn dial(&self, name: &str) -> (Connection, Vec<Update>) {
        let host = self.world.host(name).unwrap();
        let who = Identity {
            asn: OUR_ASN,
            router_id: host.v4(),
            four_octets: true,
        };
        let mut connection = Connection::dial(&host, self.ours.host().address(Family::V4)).unwrap();
        connection.establish(who).unwrap();
        let mut told = Vec::new();
        loop {
            let update = connection.hear_update().unwrap();
            if update.is_end_of_rib() {
                return (connection, told);
            }
            told.push(update);
        }
    }

    fn v4(&self, name: &str) -> Ipv4Addr {
        self.world.host(name).unwrap().v4()
    }

    /// The prefixes that a daemon has heard of ours.
    fn heard(&self, name: &str) -> Vec<String> {
        let us = self.ours.host().address(Family::V4);
        let heard = self.daemons[name].heard(Family::V4, us).unwrap();
        heard.into_keys().collect()
    }
}

fn member(kind: Kind, host: &Host, us: &Host, announced: &str) -> Peer {
    let neighbour = Neighbour::new(host.address(Family::V4), us.address(Family::V4), OUR_ASN);
    let speaker = Speaker::new(OUR_ASN, host.v4())
        .with(neighbour)
        .originating([Origin::plain(prefix(announced))]);
    Peer::start(kind, host, speaker).unwrap()
}

/// The update that announces `prefix`.
#[track_caller]
fn about<'a>(told: &'a [Update], prefix: &str) -> Option<&'a Update> {
    told.iter()
        .find(|update| update.announced.iter().any(|announced| announced == prefix))
}

/// It is reflected as RFC 4456 section 8 wants it.
#[track_caller]
fn assert_reflected(update: Option<&Update>, from: Ipv4Addr) {
    let attributes = &update
        .unwrap_or_else(|| panic!("nothing of {from}"))
        .attributes;
    assert_eq!(
        attributes.get(&NEXT_HOP),
        Some(&from.octets().to_vec()),
        "next hop"
    );
    assert_eq!(
        attributes.get(&ORIGINATOR_ID),
        Some(&from.octets().to_vec()),
        "originator"
    );
    assert_eq!(
        attributes.get(&CLUSTER_LIST),
        Some(&CLUSTER.octets().to_vec()),
        "cluster list"
    );
}

#[test]
fn clients_are_told_everything_and_others_what_clients_say() {
    let cluster = Cluster::new();
    let (_client, told) = cluster.dial("raw-client");
    for (name, _, announced) in &PEERS[..4] {
        assert_reflected(about(&told, announced), cluster.v4(name));
    }
    let (_peer, told) = cluster.dial("raw-peer");
    for (name, role, announced) in &PEERS[..4] {
        match role {
            Role::Client => assert_reflected(about(&told, announced), cluster.v4(name)),
            Role::Peer => assert_eq!(about(&told, announced), None, "{name} is no client"),
        }
    }
    // What the daemons make of it.
    wait("every daemon has what concerns it", || {
        let from_clients = ["10.61.0.0/24", "10.62.0.0/24"];
        let from_others = ["10.63.0.0/24", "10.64.0.0/24"];
        let wanted: [(&str, Vec<&str>); 4] = [
            ("bird-client", [&from_clients[1..], &from_others].concat()),
            ("frr-client", [&from_clients[..1], &from_others].concat()),
            ("bird-peer", from_clients.to_vec()),
            ("frr-peer", from_clients.to_vec()),
        ];
        for (name, wanted) in wanted {
            let heard = cluster.heard(name);
            ensure!(heard == wanted, "{name} has heard {heard:?}");
        }
        Ok(())
    });
}

/// ORIGIN, AS_PATH, NEXT_HOP and LOCAL_PREF of a handwritten member, and what is added to them.
fn attributes(next_hop: Ipv4Addr, more: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, NEXT_HOP, 4];
    octets.extend(next_hop.octets());
    octets.extend([0x40, 5, 4, 0, 0, 0, 100]);
    octets.extend(more);
    octets
}

/// An attribute of router identifiers, optional and not transitive.
fn ids(code: u8, ids: &[Ipv4Addr]) -> Vec<u8> {
    let octets: Vec<u8> = ids.iter().flat_map(|id| id.octets()).collect();
    [&[0x80, code, u8::try_from(octets.len()).unwrap()], &*octets].concat()
}

/// An UPDATE that announces `10.NUMBER.0.0/24`.
fn announce(number: u8, attributes: &[u8]) -> Vec<u8> {
    raw::update(&[], attributes, &[24, 10, number, 0])
}

#[test]
fn a_route_does_not_go_back_to_the_client_it_came_from() {
    let cluster = Cluster::new();
    let (mut client, _) = cluster.dial("raw-client");
    let (mut peer, _) = cluster.dial("raw-peer");
    client
        .send(&announce(65, &attributes(cluster.v4("raw-client"), &[])))
        .unwrap();
    let told = peer.hear_update().unwrap();
    assert_reflected(about(&[told], "10.65.0.0/24"), cluster.v4("raw-client"));
    // The next thing the client hears is what the other says after that.
    peer.send(&announce(66, &attributes(cluster.v4("raw-peer"), &[])))
        .unwrap();
    let told = client.hear_update().unwrap();
    assert_reflected(about(&[told], "10.66.0.0/24"), cluster.v4("raw-peer"));
}

#[test]
fn a_cluster_list_grows_at_its_head_and_the_originator_stays() {
    let cluster = Cluster::new();
    let (mut client, _) = cluster.dial("raw-client");
    let (mut peer, _) = cluster.dial("raw-peer");
    let (originator, elsewhere) = (Ipv4Addr::new(10, 7, 7, 7), Ipv4Addr::new(10, 255, 0, 2));
    let more = [
        ids(ORIGINATOR_ID, &[originator]),
        ids(CLUSTER_LIST, &[elsewhere]),
    ]
    .concat();
    client
        .send(&announce(65, &attributes(cluster.v4("raw-client"), &more)))
        .unwrap();
    let told = peer.hear_update().unwrap();
    let list = [CLUSTER.octets(), elsewhere.octets()].concat();
    assert_eq!(
        told.attributes.get(&ORIGINATOR_ID),
        Some(&originator.octets().to_vec())
    );
    assert_eq!(told.attributes.get(&CLUSTER_LIST), Some(&list));
}

#[test]
fn loops_end_here() {
    let cluster = Cluster::new();
    let (mut client, _) = cluster.dial("raw-client");
    let (mut peer, _) = cluster.dial("raw-peer");
    let us = cluster.v4("ours");
    let elsewhere = Ipv4Addr::new(10, 255, 0, 2);
    let stranger = ids(ORIGINATOR_ID, &[Ipv4Addr::new(10, 7, 7, 7)]);
    let own_cluster = [stranger, ids(CLUSTER_LIST, &[elsewhere, CLUSTER])].concat();
    let own_originator = [ids(ORIGINATOR_ID, &[us]), ids(CLUSTER_LIST, &[elsewhere])].concat();
    let at = cluster.v4("raw-client");
    for (number, more) in [(71, own_cluster), (72, own_originator), (65, Vec::new())] {
        client
            .send(&announce(number, &attributes(at, &more)))
            .unwrap();
    }
    // Only the last one gets through.
    let told = peer.hear_update().unwrap();
    assert_eq!(told.announced, ["10.65.0.0/24"]);
    let heard = cluster.heard("frr-client");
    assert!(
        !heard.iter().any(|prefix| prefix.starts_with("10.7")),
        "{heard:?}"
    );
}
