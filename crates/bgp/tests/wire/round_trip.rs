//! What is written comes back as it was.

use crate::strategies::{self, announcement, reader};
use bytes::BytesMut;
use gingham_bgp::config::AsnWidth;
use gingham_bgp::wire::{
    AddPathOffer, Capabilities, Codec, LongLivedOffer, Message, Open, PeerKind, Refresh,
    RefreshPart, RestartOffer, Update, decode, encode_end_of_rib, encode_keepalive, encode_open,
    encode_refresh, pack_reach, pack_unreach, split,
};
use gingham_bgp::{Nlri, RouterId};
use gingham_model::Family;
use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Every UPDATE in `octets`, in order.
pub(crate) fn updates(octets: &[u8], codec: &Codec) -> Vec<Update> {
    let mut stream = BytesMut::from(octets);
    let mut updates = Vec::new();
    while let Some(frame) = split(&mut stream, codec.max_length) {
        match decode(&frame, codec) {
            Ok(Message::Update(update)) => updates.push(update),
            other => panic!("not an UPDATE: {other:?}"),
        }
    }
    assert!(stream.is_empty(), "octets are left over");
    updates
}

proptest! {
    #[test]
    fn announcements_come_back(sent in announcement()) {
        let mut out = Vec::new();
        let messages = pack_reach(&sent.codec, &sent.attributes, &sent.nlri, &mut out).unwrap();
        let updates = updates(&out, &reader(&sent.codec));
        prop_assert_eq!(updates.len(), messages);
        let mut nlri: Vec<Nlri> = Vec::new();
        for update in updates {
            prop_assert!(update.faults.is_empty() && update.withdrawn.is_empty());
            prop_assert_eq!(update.end_of_rib, None);
            let [reach] = update.announced.try_into().unwrap();
            prop_assert_eq!(&reach.attributes, &sent.attributes);
            nlri.extend(reach.nlri);
        }
        prop_assert_eq!(nlri, sent.nlri);
    }

    #[test]
    fn withdrawals_come_back(sent in announcement()) {
        let mut out = Vec::new();
        let messages = pack_unreach(&sent.codec, &sent.nlri, &mut out);
        let updates = updates(&out, &reader(&sent.codec));
        prop_assert_eq!(updates.len(), messages);
        prop_assert!(updates.iter().all(|update| update.announced.is_empty()));
        prop_assert!(updates.iter().all(|update| update.faults.is_empty()));
        let nlri: Vec<Nlri> = updates.into_iter().flat_map(|update| update.withdrawn).collect();
        prop_assert_eq!(nlri, sent.nlri);
    }

    #[test]
    fn opens_come_back(sent in open()) {
        let frame = encode_open(&sent);
        let decoded = decode(&frame, &Codec::opening(PeerKind::External));
        let Ok(Message::Open(mut open)) = decoded else {
            panic!("{decoded:?}")
        };
        prop_assert!(open.capabilities.codes.contains(&1));
        open.capabilities.codes.clear();
        prop_assert_eq!(open, sent);
    }
}

#[test]
fn messages_without_a_choice_come_back() {
    let codec = Codec {
        families: Family::ALL.into(),
        ..Codec::opening(PeerKind::Internal)
    };
    assert_eq!(decode(&encode_keepalive(), &codec), Ok(Message::Keepalive));
    for family in Family::ALL {
        let Ok(Message::Update(update)) = decode(&encode_end_of_rib(family), &codec) else {
            panic!("End-of-RIB of {family}");
        };
        let expected = Update {
            end_of_rib: Some(family),
            ..Update::default()
        };
        assert_eq!(update, expected);
        for part in [RefreshPart::Request, RefreshPart::Begin, RefreshPart::End] {
            let frame = encode_refresh(family, part);
            let family = Some(family);
            assert_eq!(
                decode(&frame, &codec),
                Ok(Message::Refresh(Refresh { family, part }))
            );
        }
    }
}

#[test]
fn end_of_rib_of_a_family_not_agreed_upon_says_nothing() {
    let codec = Codec::opening(PeerKind::Internal);
    let decoded = decode(&encode_end_of_rib(Family::V6), &codec);
    assert_eq!(decoded, Ok(Message::Update(Update::default())));
}

fn open() -> impl Strategy<Value = Open> {
    let who = (strategies::asn(), any::<u16>(), 1u32..);
    (who, capabilities()).prop_map(|((asn, hold_seconds, id), mut capabilities)| {
        if asn.0 > 0xFFFF {
            capabilities.asn_width = AsnWidth::Four;
        }
        Open {
            asn,
            hold_seconds,
            router_id: RouterId(Ipv4Addr::from_bits(id)),
            capabilities,
        }
    })
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    let flags = any::<[bool; 5]>();
    let families = btree_set(strategies::family(), 1..=2);
    let add_path = btree_map(strategies::family(), add_path(), 0..=2);
    let long_lived = btree_map(strategies::family(), long_lived(), 0..=2);
    (flags, families, add_path, option::of(restart()), long_lived).prop_map(
        |(flags, families, add_path, restart, long_lived)| {
            let [
                wide,
                refresh,
                enhanced_refresh,
                extended_messages,
                extended_next_hop,
            ] = flags;
            Capabilities {
                families,
                asn_width: if wide { AsnWidth::Four } else { AsnWidth::Two },
                refresh,
                enhanced_refresh,
                extended_messages,
                extended_next_hop,
                add_path,
                restart,
                long_lived,
                codes: Default::default(),
            }
        },
    )
}

fn add_path() -> impl Strategy<Value = AddPathOffer> {
    let some = [(true, true), (true, false), (false, true)];
    proptest::sample::select(some.to_vec())
        .prop_map(|(receive, send)| AddPathOffer { receive, send })
}

fn restart() -> impl Strategy<Value = RestartOffer> {
    let families = btree_map(strategies::family(), any::<bool>(), 0..=2);
    (any::<bool>(), any::<bool>(), 0u64..=4095, families).prop_map(
        |(restarting, notification, seconds, families)| RestartOffer {
            restarting,
            notification,
            time: Duration::from_secs(seconds),
            families,
        },
    )
}

fn long_lived() -> impl Strategy<Value = LongLivedOffer> {
    (any::<bool>(), 0u64..=0xFF_FFFF).prop_map(|(forwarding, seconds)| LongLivedOffer {
        forwarding,
        time: Duration::from_secs(seconds),
    })
}
