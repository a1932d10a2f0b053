//! The table of malformed UPDATEs (RFC 7606), sent octet by octet over real sessions, from an internal
//! and an external peer. After each comes a sentinel: a prefix that shows that the session lives and that
//! all before it was dealt with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod bgp_world;
#[path = "../../crates/bgp/tests/rfc7606/cases.rs"]
#[allow(dead_code, reason = "what the replay needs of the cases")]
mod cases;

use anyhow::{Result, ensure};
use bgp_world::{OTHER_ASN, OUR_ASN, wait};
use cases::{Case, Outcome, Sender, Width};
use gingham_integration::bgp::raw::{self, Connection, Identity, Said};
use gingham_integration::bgp::{Dial, Host, Kind, Neighbour, Peer, Speaker, World};
use gingham_model::Family;

/// The sentinel's prefix, as text and as NLRI.
const SENTINEL: (&str, [u8; 4]) = ("198.51.100.0/24", [24, 198, 51, 100]);

struct Scene {
    ours: Peer,
    caller: Host,
    sender: Sender,
    _world: World,
}

impl Scene {
    fn new(sender: Sender) -> Self {
        let world = World::of(&["ours", "caller"]).unwrap();
        let (us, caller) = (world.host("ours").unwrap(), world.host("caller").unwrap());
        let (here, there) = (us.address(Family::V4), caller.address(Family::V4));
        let mut peer = Neighbour::new(here, there, asn(sender));
        peer.dial = Dial::Passive;
        peer.families = [Family::V4, Family::V6].into();
        let speaker = Speaker::new(OUR_ASN, us.v4()).with(peer);
        Scene {
            ours: Peer::start(Kind::Ours, &us, speaker).unwrap(),
            caller,
            sender,
            _world: world,
        }
    }

    fn dial(&self, width: Width) -> Connection {
        let who = Identity {
            asn: asn(self.sender),
            router_id: self.caller.v4(),
            four_octets: matches!(width, Width::Four),
        };
        // The session before may still be about to end.
        wait("a session", || {
            let to = self.ours.host().address(Family::V4);
            let mut connection = Connection::dial(&self.caller, to)?;
            connection.establish(who)?;
            self.ours.established(self.caller.address(Family::V4))?;
            Ok(connection)
        })
    }

    /// Whether ours has this prefix of the caller.
    fn has(&self, prefix: &str) -> Result<bool> {
        let family = if prefix.contains(':') {
            Family::V6
        } else {
            Family::V4
        };
        let heard = self.ours.heard(family, self.caller.address(Family::V4))?;
        Ok(heard.contains_key(prefix))
    }

    /// Sends one case over a session of its own.
    fn replay(&self, case: &Case) {
        let mut connection = self.dial(case.width);
        // What is to count as withdrawn must have been there.
        if !case.prefix.contains(':') {
            connection
                .send(&well_formed(self.sender, case, &[24, 203, 0, 113]))
                .unwrap();
        }
        connection.send(&case.message(self.sender)).unwrap();
        if case.outcome(self.sender) == Outcome::Reset {
            self.expect_reset(case, &mut connection);
            return;
        }
        connection
            .send(&well_formed(self.sender, case, &SENTINEL.1))
            .unwrap();
        wait(&format!("{}: the sentinel", case.name), || {
            ensure!(self.has(SENTINEL.0)?, "it is not there");
            Ok(())
        });
        let there = matches!(
            case.outcome(self.sender),
            Outcome::Accept | Outcome::Discard
        );
        assert_eq!(
            self.has(&case.prefix).unwrap(),
            there,
            "{}: {}",
            case.name,
            case.rfc
        );
    }

    fn expect_reset(&self, case: &Case, connection: &mut Connection) {
        let (code, subcode) = case.notification().unwrap();
        loop {
            match connection.hear().unwrap() {
                Said::Message(raw::NOTIFICATION, body) => {
                    assert_eq!(body[..2], [code, subcode], "{}: {}", case.name, case.rfc);
                    break;
                }
                Said::Message(..) => {}
                Said::Closed => panic!("{}: closed without a word", case.name),
            }
        }
    }
}

fn asn(sender: Sender) -> u32 {
    match sender {
        Sender::Internal => OUR_ASN,
        Sender::External(asn) => asn.into(),
    }
}

/// An UPDATE that is in order, by the same sender.
fn well_formed(sender: Sender, case: &Case, nlri: &[u8]) -> Vec<u8> {
    let mut attributes = vec![0x40, 1, 1, 0];
    match (sender, case.width) {
        (Sender::Internal, _) => attributes.extend([0x40, 2, 0]),
        (Sender::External(asn), Width::Two) => {
            attributes.extend([0x40, 2, 4, 2, 1]);
            attributes.extend(asn.to_be_bytes());
        }
        (Sender::External(asn), Width::Four) => {
            attributes.extend([0x40, 2, 6, 2, 1]);
            attributes.extend(u32::from(asn).to_be_bytes());
        }
    }
    attributes.extend([0x40, 3, 4, 192, 0, 2, 1]);
    if let Sender::Internal = sender {
        attributes.extend([0x40, 5, 4, 0, 0, 0, 100]);
    }
    raw::update(&[], &attributes, nlri)
}

fn replay_all(sender: Sender) {
    let scene = Scene::new(sender);
    for case in cases::all() {
        scene.replay(&case);
    }
}

#[test]
fn an_internal_peer_sends_every_case() {
    replay_all(Sender::Internal);
}

#[test]
fn an_external_peer_sends_every_case() {
    replay_all(Sender::External(u16::try_from(OTHER_ASN).unwrap()));
}
