//! What we write, as three decoders that share no code with ours read it.
//!
//! They are oracles for well-formed messages only; each has its limits, noted where it is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

#[path = "bgp_codecs/bgpkit.rs"]
mod bgpkit;
#[path = "bgp_codecs/netgauze.rs"]
mod netgauze;
#[path = "../../crates/bgp/tests/wire/strategies.rs"]
#[allow(dead_code, reason = "the codec's own tests use the rest")]
mod strategies;
#[path = "bgp_codecs/zetta.rs"]
mod zetta;

use bytes::{Bytes, BytesMut};
use gingham_bgp::attributes::{Attributes, UnknownAttribute};
use gingham_bgp::wire::{Codec, PeerKind, pack_reach, pack_unreach, split};
use gingham_bgp::{Asn, Nlri};
use gingham_model::{Family, Prefix};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use strategies::announcement;

/// What all decoders can say of an UPDATE.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    announced: Vec<(IpAddr, u8, u32)>,
    withdrawn: Vec<(IpAddr, u8, u32)>,
    origin: Option<u8>,
    as_path: Vec<u32>,
    next_hop: Option<IpAddr>,
    med: Option<u32>,
    local_pref: Option<u32>,
    atomic_aggregate: bool,
    aggregator: Option<(u32, Ipv4Addr)>,
    communities: Vec<u32>,
    large_communities: Vec<[u32; 3]>,
    originator: Option<Ipv4Addr>,
    cluster_list: Vec<Ipv4Addr>,
}

impl Seen {
    fn expected(of: &Attributes) -> Seen {
        Seen {
            origin: Some(of.origin as u8),
            as_path: of.as_path.numbers().map(|Asn(number)| number).collect(),
            next_hop: Some(of.next_hop),
            med: of.med,
            local_pref: of.local_pref,
            atomic_aggregate: of.atomic_aggregate,
            aggregator: of.aggregator.map(|by| (by.asn.0, by.router)),
            communities: of.communities.iter().map(|one| one.0).collect(),
            large_communities: of.large_communities.iter().map(|one| one.0).collect(),
            originator: of.originator.map(|id| id.0),
            cluster_list: of.cluster_list.iter().map(|id| id.0).collect(),
            ..Seen::default()
        }
    }

    /// Several messages of one set of attributes as one.
    fn joined(messages: Vec<Seen>) -> Seen {
        let announced = messages
            .iter()
            .flat_map(|one| one.announced.clone())
            .collect();
        let withdrawn = messages
            .iter()
            .flat_map(|one| one.withdrawn.clone())
            .collect();
        let mut rest = messages.into_iter().map(|one| Seen {
            announced: Vec::new(),
            withdrawn: Vec::new(),
            ..one
        });
        let first = rest.next().unwrap();
        assert!(rest.all(|one| one == first), "attributes differ");
        Seen {
            announced,
            withdrawn,
            ..first
        }
    }
}

/// How the reader of a session reads.
#[derive(Clone, Copy, Debug)]
struct Session<'a> {
    codec: &'a Codec,
    family: Family,
}

impl Session<'_> {
    fn add_path(&self) -> bool {
        self.codec.add_path_out.contains(&self.family)
    }
}

type Oracle = fn(&Session<'_>, &Bytes) -> Seen;

fn all(session: &Session<'_>) -> Vec<(&'static str, Oracle)> {
    let mut oracles: Vec<(&str, Oracle)> = vec![
        ("bgpkit-parser", bgpkit::read),
        ("netgauze-bgp-pkt", netgauze::read),
    ];
    if zetta::can_read(session.codec) {
        oracles.push(("zettabgp", zetta::read));
    }
    oracles
}

fn frames(octets: &[u8], codec: &Codec) -> Vec<Bytes> {
    let mut stream = BytesMut::from(octets);
    std::iter::from_fn(|| split(&mut stream, codec.max_length)).collect()
}

fn triples(nlri: &[Nlri]) -> Vec<(IpAddr, u8, u32)> {
    let triple = |one: &Nlri| (one.prefix.address(), one.prefix.length(), one.path_id);
    nlri.iter().map(triple).collect()
}

/// Inside unicast space (one oracle refuses the rest) and of at least eight bits.
fn unicast(nlri: Nlri) -> Nlri {
    let within: Prefix = match nlri.prefix.family() {
        Family::V4 => "10.0.0.0/8".parse().unwrap(),
        Family::V6 => "2000::/8".parse().unwrap(),
    };
    let length = nlri.prefix.length().max(within.length());
    let address = match (within.address(), nlri.prefix.address()) {
        (IpAddr::V4(net), IpAddr::V4(host)) => {
            IpAddr::V4(Ipv4Addr::from_bits(net.to_bits() | host.to_bits() >> 8))
        }
        (IpAddr::V6(net), IpAddr::V6(host)) => {
            IpAddr::V6((net.to_bits() | host.to_bits() >> 8).into())
        }
        _ => unreachable!("both are of one family"),
    };
    Nlri {
        prefix: Prefix::containing(address, length).unwrap(),
        ..nlri
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn others_read_what_we_announce(sent in announcement()) {
        // IPv4 prefixes over IPv6 and opaque attributes are beyond some of them.
        let codec = Codec { extended_next_hop: false, ..sent.codec };
        prop_assume!(Family::of(sent.attributes.next_hop) == sent.nlri[0].prefix.family());
        let attributes = Attributes { unknown: Box::default(), ..sent.attributes };
        let nlri: Vec<Nlri> = sent.nlri.into_iter().map(unicast).collect();
        let session = Session { codec: &codec, family: nlri[0].prefix.family() };
        let mut out = Vec::new();
        pack_reach(&codec, &attributes, &nlri, &mut out).unwrap();
        let expected = Seen { announced: triples(&nlri), ..Seen::expected(&attributes) };
        for (name, oracle) in all(&session) {
            let seen = frames(&out, &codec).iter().map(|frame| oracle(&session, frame)).collect();
            prop_assert_eq!(&Seen::joined(seen), &expected, "{}", name);
        }
    }

    #[test]
    fn others_read_what_we_withdraw(sent in announcement()) {
        let nlri: Vec<Nlri> = sent.nlri.into_iter().map(unicast).collect();
        let session = Session { codec: &sent.codec, family: nlri[0].prefix.family() };
        let mut out = Vec::new();
        pack_unreach(&sent.codec, &nlri, &mut out);
        let expected = Seen { withdrawn: triples(&nlri), ..Seen::default() };
        for (name, oracle) in all(&session) {
            let frames = frames(&out, &sent.codec);
            let seen = frames.iter().map(|frame| oracle(&session, frame)).collect();
            prop_assert_eq!(&Seen::joined(seen), &expected, "{}", name);
        }
    }
}

/// Extended communities and what is passed on unread, which only this decoder gives back as octets.
#[test]
fn opaque_values_are_the_same_octets_to_others() {
    let codec = Codec {
        asn_width: gingham_bgp::config::AsnWidth::Four,
        ..Codec::opening(PeerKind::Internal)
    };
    let attributes = Attributes {
        extended_communities: Box::new(
            [0x0002_FC00_0000_0064, 0x8123_4567_89AB_CDEF]
                .map(gingham_bgp::attributes::ExtendedCommunity),
        ),
        unknown: Box::new([UnknownAttribute {
            code: 240,
            value: vec![7; 300].into_boxed_slice(),
        }]),
        ..Attributes::originated("10.0.0.1".parse().unwrap())
    };
    let nlri = [Nlri::plain("10.64.0.0/16".parse().unwrap())];
    let mut out = Vec::new();
    pack_reach(&codec, &attributes, &nlri, &mut out).unwrap();
    let (extended, unknown) = zetta::opaque(&codec, &out);
    assert_eq!(extended, [0x0002_FC00_0000_0064, 0x8123_4567_89AB_CDEF]);
    // Optional, transitive, partial, two octets of length.
    assert_eq!(unknown, [(0xF0, 240, vec![7; 300])]);
}
