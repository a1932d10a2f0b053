//! What a peer is told about headers, OPENs and refreshes that cannot be right (RFC 4271 sections 6.1
//! and 6.2, RFC 7313 section 5): code, subcode and data.

use bytes::{Bytes, BytesMut};
use gingham_bgp::wire::{
    Codec, HEADER, MAX_EXTENDED, MAX_STANDARD, Message, Notification, PeerKind, Refresh,
    RefreshPart, decode, split,
};

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
const REFRESH: u8 = 5;

fn header(length: u16, kind: u8) -> Vec<u8> {
    [&[0xFF; 16], &length.to_be_bytes()[..], &[kind]].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap();
    [header(length, kind), body.to_vec()].concat()
}

/// What comes of the first frame of a stream.
fn first(stream: &[u8], max_length: u16) -> Result<Message, Notification> {
    let frame = split(&mut BytesMut::from(stream), max_length).expect("a frame");
    let codec = Codec {
        max_length,
        ..Codec::opening(PeerKind::External)
    };
    decode(&frame, &codec)
}

fn refused(stream: &[u8]) -> (u8, u8, Vec<u8>) {
    let notification = first(stream, MAX_STANDARD).expect_err("must be refused");
    (
        notification.code,
        notification.subcode,
        notification.data.to_vec(),
    )
}

#[test]
fn a_marker_that_is_not_all_ones_is_out_of_step() {
    for place in 0..16 {
        let mut stream = header(19, KEEPALIVE);
        stream[place] = 0xFE;
        assert_eq!(refused(&stream), (1, 1, vec![]));
    }
}

#[test]
fn a_wrong_length_is_quoted_in_two_octets() {
    let cases = [
        (18, KEEPALIVE),
        (0, UPDATE),
        (4097, UPDATE),
        (20, KEEPALIVE),
        (28, OPEN),
        (22, UPDATE),
        (20, NOTIFICATION),
    ];
    for (length, kind) in cases {
        let mut stream = header(length, kind);
        stream.resize(usize::from(length).max(HEADER), 0);
        let data = length.to_be_bytes().to_vec();
        assert_eq!(
            refused(&stream),
            (1, 2, data),
            "length {length}, type {kind}"
        );
    }
}

#[test]
fn opens_and_keepalives_stay_short_on_sessions_with_long_messages() {
    for kind in [OPEN, KEEPALIVE] {
        let notification = first(&header(4097, kind), MAX_EXTENDED).unwrap_err();
        assert_eq!((notification.code, notification.subcode), (1, 2));
        assert_eq!(notification.data, Bytes::from_static(&[0x10, 0x01]));
    }
}

#[test]
fn an_unknown_type_is_quoted() {
    for kind in [0, 6, 255] {
        assert_eq!(refused(&header(19, kind)), (1, 3, vec![kind]));
    }
}

#[test]
fn a_frame_that_is_not_as_long_as_it_says_is_refused() {
    let codec = Codec::opening(PeerKind::External);
    for octets in [19, 24] {
        let mut frame = message(UPDATE, &[0; 4]);
        frame.resize(octets, 0);
        let notification = decode(&frame.into(), &codec).unwrap_err();
        assert_eq!((notification.code, notification.subcode), (1, 2));
    }
}

/// AS 65001, hold time 90, identifier 192.0.2.1, and these optional parameters with their length.
fn open(version: u8, parameters: &[u8]) -> Vec<u8> {
    let fixed = [version, 0xFD, 0xE9, 0, 90, 192, 0, 2, 1];
    message(OPEN, &[&fixed, parameters].concat())
}

#[test]
fn a_version_other_than_four_is_told_of_four() {
    for version in [0, 3, 5, 255] {
        assert_eq!(refused(&open(version, &[0])), (2, 1, vec![0, 4]));
    }
}

#[test]
fn optional_parameters_are_capabilities_and_well_formed() {
    // Authentication, deprecated; and a type nobody gave out.
    assert_eq!(refused(&open(4, &[3, 1, 1, 0])), (2, 4, vec![]));
    assert_eq!(refused(&open(4, &[2, 77, 0])), (2, 4, vec![]));
    // A length that contradicts the message, a parameter and a capability that overrun.
    assert_eq!(refused(&open(4, &[4, 2, 0])), (2, 0, vec![]));
    assert_eq!(refused(&open(4, &[2, 2, 9])), (2, 0, vec![]));
    assert_eq!(refused(&open(4, &[4, 2, 2, 65, 4])), (2, 0, vec![]));
}

#[test]
fn an_identifier_of_zero_is_none() {
    let mut stream = open(4, &[0]);
    stream[HEADER + 5..HEADER + 9].fill(0);
    assert_eq!(refused(&stream), (2, 3, vec![]));
}

#[test]
fn whom_it_is_from_and_how_long_it_holds_is_for_the_session_to_judge() {
    for (asn, hold) in [([0, 0], [0, 1]), ([0x5B, 0xA0], [0, 2])] {
        let mut stream = open(4, &[0]);
        stream[HEADER + 1..HEADER + 5].copy_from_slice(&[asn, hold].concat());
        assert!(matches!(first(&stream, MAX_STANDARD), Ok(Message::Open(_))));
    }
}

#[test]
fn one_unknown_family_does_not_hide_the_others() {
    // Add-Path: AFI 99, then IPv4 both ways; long-lived: AFI 99, then IPv6 for 300 s.
    let add_path = [69, 8, 0, 99, 1, 3, 0, 1, 1, 3];
    let long_lived = [71, 14, 0, 99, 1, 0, 0, 0, 9, 0, 2, 1, 0x80, 0, 1, 44];
    let next_hop = [5, 12, 0, 99, 0, 1, 0, 2, 0, 1, 0, 1, 0, 2];
    let capabilities = [&add_path[..], &long_lived, &next_hop].concat();
    let length = u8::try_from(capabilities.len()).unwrap();
    let parameters = [&[length + 2, 2, length][..], &capabilities].concat();
    let Ok(Message::Open(open)) = first(&open(4, &parameters), MAX_STANDARD) else {
        panic!("an OPEN");
    };
    let capabilities = open.capabilities;
    assert_eq!(capabilities.add_path.len(), 1);
    assert_eq!(capabilities.long_lived.len(), 1);
    assert!(capabilities.extended_next_hop);
    assert_eq!(
        capabilities.codes.into_iter().collect::<Vec<_>>(),
        [5, 69, 71]
    );
}

#[test]
fn a_refresh_of_the_wrong_length_is_quoted_whole() {
    for body in [
        &[][..],
        &[0, 1, 0],
        &[0, 1, 1, 1, 0],
        &[0, 1, 0, 1, 1, 64, 0, 0],
    ] {
        let stream = message(REFRESH, body);
        assert_eq!(refused(&stream), (7, 1, stream.clone()));
    }
}

#[test]
fn a_refresh_of_an_unknown_family_or_part_is_to_be_ignored() {
    for body in [[0, 25, 0, 70], [0, 1, 0, 2], [0, 1, 3, 1]] {
        let family = None;
        let part = RefreshPart::Request;
        let expected = Message::Refresh(Refresh { family, part });
        assert_eq!(first(&message(REFRESH, &body), MAX_STANDARD), Ok(expected));
    }
}

#[test]
fn nothing_is_cut_off_before_it_is_whole() {
    let stream = [message(KEEPALIVE, &[]), message(UPDATE, &[0; 4])].concat();
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for octet in &stream {
        buffer.extend_from_slice(&[*octet]);
        frames.extend(split(&mut buffer, MAX_STANDARD));
    }
    assert_eq!(frames.concat(), stream);
    assert_eq!(frames.len(), 2);
}
