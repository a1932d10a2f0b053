//! What the fuzz targets share: the first octet of an input says how its bytes are to be read.

use bytes::Bytes;
use gingham_bgp::config::AsnWidth;
use gingham_bgp::wire::{Codec, HEADER, MAX_EXTENDED, MAX_STANDARD, PeerKind};
use gingham_model::Family;

/// Every combination of what two peers can agree on, one bit each.
pub fn codec(agreed: u8) -> Codec {
    let agreed = |bit: u8| agreed >> bit & 1 == 1;
    let families = |bits: [u8; 2]| {
        let pairs = Family::ALL.into_iter().zip(bits);
        pairs
            .filter(|(_, bit)| agreed(*bit))
            .map(|(family, _)| family)
            .collect()
    };
    Codec {
        kind: if agreed(0) {
            PeerKind::External
        } else {
            PeerKind::Internal
        },
        asn_width: if agreed(1) {
            AsnWidth::Two
        } else {
            AsnWidth::Four
        },
        max_length: if agreed(2) {
            MAX_EXTENDED
        } else {
            MAX_STANDARD
        },
        extended_next_hop: agreed(3),
        families: families([4, 5]),
        add_path_in: families([6, 7]),
        add_path_out: families([6, 7]),
    }
}

/// A message of this type around `body`; `None` when it is too long to be one.
pub fn frame(message_type: u8, body: &[u8]) -> Option<Bytes> {
    let length = u16::try_from(HEADER + body.len()).ok()?;
    let mut frame = vec![0xFF; 16];
    frame.extend(length.to_be_bytes());
    frame.push(message_type);
    frame.extend(body);
    Some(frame.into())
}
