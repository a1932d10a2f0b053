//! zettabgp. It knows neither AS4_PATH nor AS4_AGGREGATOR, so it is asked about four octets only.

use super::{Seen, Session};
use bytes::Bytes;
use gingham_bgp::config::AsnWidth;
use gingham_bgp::wire::{Codec, HEADER};
use std::net::{IpAddr, Ipv4Addr};
use zettabgp::message::update::BgpUpdateMessage;
use zettabgp::prelude::{
    BgpASitem, BgpAddr, BgpAddrs, BgpAttrItem, BgpCapAddPath, BgpCapability, BgpMessage,
    BgpSessionParams, BgpTransportMode,
};

pub(super) fn can_read(codec: &Codec) -> bool {
    codec.asn_width == AsnWidth::Four
}

fn parse(add_path: bool, frame: &[u8]) -> BgpUpdateMessage {
    let numbered = [1, 2].map(|afi| BgpCapAddPath {
        afi,
        safi: 1,
        send: add_path,
        receive: add_path,
    });
    let capabilities = vec![BgpCapability::CapAddPath(numbered.into())];
    let router = Ipv4Addr::new(192, 0, 2, 1);
    let mode = BgpTransportMode::IPv4;
    let mut session = BgpSessionParams::new(65001, 90, mode, router, capabilities);
    session.fuzzy_pathid = false;
    let mut update = BgpUpdateMessage::new();
    update.decode_from(&session, &frame[HEADER..]).unwrap();
    update
}

pub(super) fn read(session: &Session<'_>, frame: &Bytes) -> Seen {
    let update = parse(session.add_path(), frame);
    let mut seen = Seen {
        announced: triples(&update.updates),
        withdrawn: triples(&update.withdraws),
        ..Seen::default()
    };
    for attribute in &update.attrs {
        describe(&mut seen, attribute);
    }
    seen
}

fn describe(seen: &mut Seen, attribute: &BgpAttrItem) {
    match attribute {
        BgpAttrItem::Origin(origin) => seen.origin = Some(origin.value as u8),
        BgpAttrItem::ASPath(path) => {
            for item in &path.value {
                match item {
                    BgpASitem::Seq(list) => {
                        seen.as_path.extend(list.value.iter().map(|one| one.value))
                    }
                    BgpASitem::Set(set) => panic!("{set:?}"),
                }
            }
        }
        BgpAttrItem::NextHop(hop) => seen.next_hop = Some(hop.value),
        BgpAttrItem::MED(med) => seen.med = Some(med.value),
        BgpAttrItem::LocalPref(one) => seen.local_pref = Some(one.value),
        BgpAttrItem::AtomicAggregate(_) => seen.atomic_aggregate = true,
        BgpAttrItem::AggregatorAS(by) => seen.aggregator = Some((by.asn, by.addr)),
        BgpAttrItem::CommunityList(list) => {
            seen.communities = list.value.iter().map(|one| one.value).collect();
        }
        BgpAttrItem::LargeCommunityList(list) => {
            let numbers = list.value.iter().map(|one| [one.ga, one.ldp1, one.ldp2]);
            seen.large_communities = numbers.collect();
        }
        BgpAttrItem::OriginatorID(id) => seen.originator = Some(v4(id.value)),
        BgpAttrItem::ClusterList(list) => {
            seen.cluster_list = list.value.iter().copied().map(v4).collect();
        }
        BgpAttrItem::MPUpdates(reach) => {
            seen.announced = triples(&reach.addrs);
            if let BgpAddr::V6(next_hop) = reach.nexthop {
                seen.next_hop = Some(next_hop.into());
            }
        }
        BgpAttrItem::MPWithdraws(unreach) => seen.withdrawn = triples(&unreach.addrs),
        _ => {}
    }
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => panic!("{address}"),
    }
}

fn triples(list: &BgpAddrs) -> Vec<(IpAddr, u8, u32)> {
    match list {
        BgpAddrs::IPV4U(list) => list
            .iter()
            .map(|one| (one.addr.into(), one.prefixlen, 0))
            .collect(),
        BgpAddrs::IPV6U(list) => list
            .iter()
            .map(|one| (one.addr.into(), one.prefixlen, 0))
            .collect(),
        BgpAddrs::IPV4UP(list) => list
            .iter()
            .map(|one| (one.nlri.addr.into(), one.nlri.prefixlen, one.pathid))
            .collect(),
        BgpAddrs::IPV6UP(list) => list
            .iter()
            .map(|one| (one.nlri.addr.into(), one.nlri.prefixlen, one.pathid))
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Flags, type code and value.
type Unknown = (u8, u8, Vec<u8>);

/// Extended communities as numbers, and what it does not know.
pub(super) fn opaque(codec: &Codec, frame: &[u8]) -> (Vec<u64>, Vec<Unknown>) {
    assert!(can_read(codec));
    let mut extended = Vec::new();
    let mut unknown = Vec::new();
    for attribute in parse(false, frame).attrs {
        match attribute {
            BgpAttrItem::ExtCommunityList(list) => extended.extend(list.value.iter().map(|one| {
                u64::from(one.ctype) << 56
                    | u64::from(one.subtype) << 48
                    | u64::from(one.a) << 32
                    | u64::from(one.b)
            })),
            BgpAttrItem::Unknown(one) => {
                unknown.push((one.params.flags, one.params.typecode, one.value));
            }
            _ => {}
        }
    }
    (extended, unknown)
}
