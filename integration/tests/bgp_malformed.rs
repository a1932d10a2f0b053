//! Headers and OPENs that are wrong, octet by octet: each ends with exactly the NOTIFICATION of RFC 4271
//! section 6, and the speaker goes on to serve the next caller.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;

use bgp_world::{OTHER_ASN, OUR_ASN, wait};
use gingham_integration::bgp::raw::{self, Connection, Identity, Said};
use gingham_integration::bgp::{Dial, Host, Kind, Neighbour, Peer, Speaker, World};
use gingham_model::Family;
use std::net::Ipv4Addr;

struct Scene {
    ours: Peer,
    caller: Host,
    _world: World,
}

impl Scene {
    fn new() -> Self {
        let world = World::of(&["ours", "caller"]).unwrap();
        let (us, caller) = (world.host("ours").unwrap(), world.host("caller").unwrap());
        let mut peer = Neighbour::new(
            us.address(Family::V4),
            caller.address(Family::V4),
            OTHER_ASN,
        );
        peer.dial = Dial::Passive;
        peer.families = [Family::V4, Family::V6].into();
        let speaker = Speaker::new(OUR_ASN, us.v4()).with(peer);
        Scene {
            ours: Peer::start(Kind::Ours, &us, speaker).unwrap(),
            caller,
            _world: world,
        }
    }

    /// A connection that the speaker has taken: it has sent its OPEN. Right after a session it may close
    /// one at once.
    fn dial(&self) -> Connection {
        wait("the speaker's OPEN", || {
            let mut connection =
                Connection::dial(&self.caller, self.ours.host().address(Family::V4))?;
            match connection.hear()? {
                Said::Message(raw::OPEN, _) => Ok(connection),
                said => anyhow::bail!("it said {said:02x?}"),
            }
        })
    }

    /// Says `octets` and expects this NOTIFICATION, then the end.
    #[track_caller]
    fn answers(&self, name: &str, octets: &[u8], wanted: &[u8]) {
        let mut connection = self.dial();
        connection.send(octets).unwrap();
        ends(name, &mut connection, wanted);
    }
}

#[track_caller]
fn ends(name: &str, connection: &mut Connection, wanted: &[u8]) {
    let said = connection.hear_other_than(raw::KEEPALIVE).unwrap();
    let notification = Said::Message(raw::NOTIFICATION, wanted.to_vec());
    assert_eq!(said, notification, "{name}");
    assert_eq!(connection.hear().unwrap(), Said::Closed, "{name}");
}

fn caller() -> Identity {
    Identity {
        asn: OTHER_ASN,
        router_id: Ipv4Addr::new(10, 9, 0, 2),
        four_octets: true,
    }
}

/// A header as it stands: marker, length, type.
fn header(marker: u8, length: u16, kind: u8) -> Vec<u8> {
    let mut octets = vec![marker; 16];
    octets.extend(length.to_be_bytes());
    octets.push(kind);
    octets
}

#[test]
fn a_wrong_header_is_answered_with_its_fault() {
    let scene = Scene::new();
    let cases: [(&str, Vec<u8>, Vec<u8>); 7] = [
        ("marker", header(0, 19, raw::KEEPALIVE), vec![1, 1]),
        (
            "length 18",
            header(0xFF, 18, raw::KEEPALIVE),
            vec![1, 2, 0, 18],
        ),
        (
            "length 0",
            header(0xFF, 0, raw::KEEPALIVE),
            vec![1, 2, 0, 0],
        ),
        (
            "length 4097",
            header(0xFF, 4097, raw::UPDATE),
            vec![1, 2, 0x10, 0x01],
        ),
        (
            "KEEPALIVE of 20",
            [header(0xFF, 20, raw::KEEPALIVE), vec![0]].concat(),
            vec![1, 2, 0, 20],
        ),
        (
            "OPEN of 28",
            [header(0xFF, 28, raw::OPEN), vec![0; 9]].concat(),
            vec![1, 2, 0, 28],
        ),
        ("type 0", header(0xFF, 19, 0), vec![1, 3, 0]),
    ];
    for (name, octets, wanted) in cases {
        scene.answers(name, &octets, &wanted);
    }
    // After all of that it talks to a well-behaved caller.
    scene
        .dial()
        .send(&raw::open(caller(), &raw::capabilities(caller())))
        .unwrap();
    wait("a session", || {
        let mut connection =
            Connection::dial(&scene.caller, scene.ours.host().address(Family::V4))?;
        connection.establish(caller())?;
        scene.ours.established(scene.caller.address(Family::V4))
    });
}

#[test]
fn a_header_that_comes_octet_by_octet_is_read_as_one() {
    let scene = Scene::new();
    let mut connection = scene.dial();
    for octet in raw::open(caller(), &raw::capabilities(caller())) {
        connection.send(&[octet]).unwrap();
    }
    let said = connection.hear().unwrap();
    assert_eq!(said, Said::Message(raw::KEEPALIVE, Vec::new()));
}

/// An OPEN with one octet of its body replaced, or several.
fn bent(at: usize, octets: &[u8]) -> Vec<u8> {
    let mut open = raw::open(caller(), &raw::capabilities(caller()));
    open[19 + at..19 + at + octets.len()].copy_from_slice(octets);
    open
}

#[test]
fn a_wrong_open_is_answered_with_its_fault() {
    let scene = Scene::new();
    let stranger = Identity {
        asn: 65099,
        ..caller()
    };
    let nobody = Identity { asn: 0, ..caller() };
    let cases: [(&str, Vec<u8>, Vec<u8>); 10] = [
        ("version 3", bent(0, &[3]), vec![2, 1, 0, 4]),
        ("version 5", bent(0, &[5]), vec![2, 1, 0, 4]),
        (
            "another AS",
            raw::open(stranger, &raw::capabilities(stranger)),
            vec![2, 2],
        ),
        (
            "AS 0",
            raw::open(nobody, &raw::capabilities(nobody)),
            vec![2, 2],
        ),
        ("identifier 0.0.0.0", bent(5, &[0, 0, 0, 0]), vec![2, 3]),
        ("hold time 1", bent(3, &[0, 1]), vec![2, 6]),
        ("hold time 2", bent(3, &[0, 2]), vec![2, 6]),
        ("parameter 1", raw::open(caller(), &[1, 1, 0]), vec![2, 4]),
        (
            "a parameter that overruns",
            raw::open(caller(), &[2, 9, 65]),
            vec![2, 0],
        ),
        (
            "a capability that overruns",
            raw::open(caller(), &[2, 2, 65, 4]),
            vec![2, 0],
        ),
    ];
    for (name, octets, wanted) in cases {
        scene.answers(name, &octets, &wanted);
    }
}

#[test]
fn a_message_out_of_turn_is_answered_with_the_state() {
    let scene = Scene::new();
    // RFC 6608: the state as subcode, the message's type as data.
    scene.answers(
        "KEEPALIVE first",
        &raw::keepalive(),
        &[5, 1, raw::KEEPALIVE],
    );
    scene.answers(
        "UPDATE first",
        &raw::update(&[], &[], &[]),
        &[5, 1, raw::UPDATE],
    );

    let open = raw::open(caller(), &raw::capabilities(caller()));
    let update_too_early = [open.clone(), raw::update(&[], &[], &[])].concat();
    scene.answers(
        "UPDATE in OpenConfirm",
        &update_too_early,
        &[5, 2, raw::UPDATE],
    );

    let mut connection = scene.dial();
    connection
        .send(&[open.clone(), raw::keepalive()].concat())
        .unwrap();
    wait("a session", || {
        scene.ours.established(scene.caller.address(Family::V4))
    });
    connection.send(&open).unwrap();
    loop {
        match connection.hear_other_than(raw::KEEPALIVE).unwrap() {
            // The speaker's own End-of-RIB.
            Said::Message(raw::UPDATE, _) => {}
            said => {
                assert_eq!(
                    said,
                    Said::Message(raw::NOTIFICATION, vec![5, 3, raw::OPEN])
                );
                break;
            }
        }
    }
}
