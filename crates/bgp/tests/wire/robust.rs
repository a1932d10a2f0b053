//! No octets make the decoder panic, or lose its place in the stream.

use crate::strategies::{announcement, codec, reader};
use bytes::BytesMut;
use gingham_bgp::wire::{Codec, HEADER, decode, pack_reach, split};
use proptest::collection::vec;
use proptest::prelude::*;

fn decode_all(stream: &[u8], codec: &Codec) {
    let mut buffer = BytesMut::from(stream);
    let mut seen = 0;
    while let Some(frame) = split(&mut buffer, codec.max_length) {
        assert!(frame.len() >= HEADER);
        seen += frame.len();
        if decode(&frame, codec).is_err() {
            break;
        }
    }
    assert_eq!(seen + buffer.len(), stream.len());
}

/// A right header around anything: what is behind it gets looked at.
fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap().to_be_bytes();
    [&[0xFF; 16], &length[..], &[kind], body].concat()
}

proptest! {
    #[test]
    fn any_octets_can_be_read(stream in vec(any::<u8>(), 0..200), codec in codec()) {
        decode_all(&stream, &codec);
        let frame = stream.into();
        let _ = decode(&frame, &codec);
    }

    #[test]
    fn any_body_can_be_read(kind in 0u8..8, body in vec(any::<u8>(), 0..300), codec in codec()) {
        decode_all(&framed(kind, &body), &codec);
    }

    /// Attributes that are no more than nearly right.
    #[test]
    fn any_attribute_can_be_read(
        attributes in vec((any::<u8>(), 0u8..45, vec(any::<u8>(), 0..40)), 0..8),
        nlri in vec(any::<u8>(), 0..12),
        codec in codec(),
    ) {
        let mut section = Vec::new();
        for (flags, code, value) in attributes {
            let length = u8::try_from(value.len()).unwrap();
            section.extend([flags & 0xEF, code, length]);
            section.extend(value);
        }
        let length = u16::try_from(section.len()).unwrap().to_be_bytes();
        let body = [&[0, 0], &length[..], &section, &nlri].concat();
        decode_all(&framed(2, &body), &codec);
    }

    #[test]
    fn damaged_updates_can_be_read(
        sent in announcement(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut out = Vec::new();
        pack_reach(&sent.codec, &sent.attributes, &sent.nlri, &mut out).unwrap();
        for (place, octet) in damage {
            let place = place.index(out.len());
            out[place] = octet;
        }
        decode_all(&out, &reader(&sent.codec));
    }
}
