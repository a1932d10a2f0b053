//! Messages are as full as they can be, and refused where they cannot be.

use crate::round_trip::updates;
use crate::strategies::announcement;
use bytes::BytesMut;
use gingham_bgp::attributes::{AsPath, Attributes, UnknownAttribute};
use gingham_bgp::config::AsnWidth;
use gingham_bgp::wire::{
    Codec, MAX_EXTENDED, MAX_STANDARD, PackError, PeerKind, pack_reach, pack_unreach, split,
};
use gingham_bgp::{Asn, Nlri};
use gingham_model::{Family, Prefix};
use proptest::prelude::*;
use std::net::IpAddr;

fn codec(max_length: u16) -> Codec {
    Codec {
        asn_width: AsnWidth::Four,
        families: Family::ALL.into(),
        max_length,
        ..Codec::opening(PeerKind::Internal)
    }
}

fn via(next_hop: &str) -> Attributes {
    Attributes {
        local_pref: Some(100),
        ..Attributes::originated(next_hop.parse().unwrap())
    }
}

fn prefixes(within: &str, length: u8, count: u128) -> Vec<Nlri> {
    let within: Prefix = within.parse().unwrap();
    let nth = |index| Nlri::plain(within.nth(length, index).unwrap());
    (0..count).map(nth).collect()
}

fn packed(codec: &Codec, via: &Attributes, nlri: &[Nlri]) -> (usize, Vec<u8>) {
    let mut out = Vec::new();
    (pack_reach(codec, via, nlri, &mut out).unwrap(), out)
}

#[test]
fn ten_thousand_prefixes_need_ten_messages_or_one() {
    let nlri = prefixes("10.0.0.0/8", 24, 10_000);
    assert_eq!(packed(&codec(MAX_STANDARD), &via("10.0.0.1"), &nlri).0, 10);
    assert_eq!(packed(&codec(MAX_EXTENDED), &via("10.0.0.1"), &nlri).0, 1);
    let mut out = Vec::new();
    assert_eq!(pack_unreach(&codec(MAX_STANDARD), &nlri, &mut out), 10);
    let nlri = prefixes("fd00::/16", 64, 10_000);
    assert_eq!(packed(&codec(MAX_STANDARD), &via("fd00::1"), &nlri).0, 23);
    assert_eq!(packed(&codec(MAX_EXTENDED), &via("fd00::1"), &nlri).0, 2);
    assert_eq!(pack_unreach(&codec(MAX_STANDARD), &nlri, &mut out), 23);
}

#[test]
fn nothing_is_no_message() {
    let mut out = Vec::new();
    assert_eq!(
        pack_reach(&codec(MAX_STANDARD), &via("10.0.0.1"), &[], &mut out),
        Ok(0)
    );
    assert_eq!(pack_unreach(&codec(MAX_STANDARD), &[], &mut out), 0);
    assert!(out.is_empty());
}

#[test]
fn a_next_hop_must_be_of_the_family_or_agreed_upon() {
    let plain = codec(MAX_STANDARD);
    let extended = Codec {
        extended_next_hop: true,
        ..plain.clone()
    };
    let (v4, v6) = (prefixes("10.0.0.0/8", 24, 1), prefixes("fd00::/16", 64, 1));
    let mut out = Vec::new();
    let refused = |next_hop: &str, family| {
        let next_hop: IpAddr = next_hop.parse().unwrap();
        Err(PackError::NextHop { next_hop, family })
    };
    let wrong = pack_reach(&plain, &via("fd00::1"), &v4, &mut out);
    assert_eq!(wrong, refused("fd00::1", Family::V4));
    let wrong = pack_reach(&extended, &via("10.0.0.1"), &v6, &mut out);
    assert_eq!(wrong, refused("10.0.0.1", Family::V6));
    assert!(out.is_empty());
    let (_, out) = packed(&extended, &via("fd00::1"), &v4);
    let update = updates(&out, &extended).remove(0);
    assert_eq!(update.announced[0].nlri, v4);
}

#[test]
fn attributes_that_cannot_be_sent_are_refused_whole() {
    let nlri = prefixes("10.0.0.0/8", 24, 1);
    let mut out = Vec::new();
    let long = |octets: usize| Attributes {
        unknown: Box::new([UnknownAttribute {
            code: 200,
            value: vec![0; octets].into_boxed_slice(),
        }]),
        ..via("10.0.0.1")
    };
    for (octets, max_length) in [
        (4100, MAX_STANDARD),
        (65_500, MAX_EXTENDED),
        (70_000, MAX_EXTENDED),
    ] {
        let refused = pack_reach(&codec(max_length), &long(octets), &nlri, &mut out);
        assert!(
            matches!(refused, Err(PackError::TooLong { .. })),
            "{octets}: {refused:?}"
        );
    }
    let path = Attributes {
        as_path: AsPath::sequence([Asn(0)]),
        ..via("10.0.0.1")
    };
    let refused = pack_reach(&codec(MAX_STANDARD), &path, &nlri, &mut out);
    assert!(
        matches!(refused, Err(PackError::Forbidden(_))),
        "{refused:?}"
    );
    assert!(out.is_empty());
}

#[test]
fn numbers_too_wide_for_a_peer_travel_beside() {
    let two = Codec {
        asn_width: AsnWidth::Two,
        ..codec(MAX_STANDARD)
    };
    let path = Attributes {
        as_path: AsPath::sequence([Asn(65001), Asn(4_200_000_001)]),
        ..via("10.0.0.1")
    };
    let (_, out) = packed(&two, &path, &prefixes("10.0.0.0/8", 24, 1));
    // AS_PATH 65001 AS_TRANS, then AS4_PATH with all of it.
    let as_path = [0x40, 2, 6, 2, 2, 0xFD, 0xE9, 0x5B, 0xA0];
    let as4_path = [0xC0, 17, 10, 2, 2, 0, 0, 0xFD, 0xE9, 0xFA, 0x56, 0xEA, 0x01];
    for expected in [&as_path[..], &as4_path] {
        assert!(out.windows(expected.len()).any(|octets| octets == expected));
    }
}

#[test]
fn mp_reach_comes_first() {
    let (_, out) = packed(
        &codec(MAX_STANDARD),
        &via("fd00::1"),
        &prefixes("fd00::/16", 64, 1),
    );
    assert_eq!(out[23..25], [0x90, 14], "RFC 7606 section 5.1");
}

proptest! {
    /// Every message but the last has no room for the prefix the next one begins with, and none is
    /// longer than agreed.
    #[test]
    fn messages_are_full(sent in announcement()) {
        let (count, out) = packed(&sent.codec, &sent.attributes, &sent.nlri);
        let family = sent.nlri[0].prefix.family();
        let number = if sent.codec.add_path_out.contains(&family) { 4 } else { 0 };
        let mut stream = BytesMut::from(out.as_slice());
        let mut nlri = sent.nlri.iter();
        for left in (0..count).rev() {
            let frame = split(&mut stream, sent.codec.max_length).unwrap();
            let reader = crate::strategies::reader(&sent.codec);
            let held = updates(&frame, &reader).remove(0).announced.remove(0).nlri.len();
            let next = nlri.nth(held - 1).and_then(|_| nlri.clone().next());
            prop_assert_eq!(next.is_some(), left > 0);
            if let Some(next) = next {
                let octets = number + 1 + usize::from(next.prefix.length().div_ceil(8));
                prop_assert!(frame.len() + octets > usize::from(sent.codec.max_length));
            }
        }
    }
}
