//! Arbitrary values that can be on a wire, and both ends of a session.

use gingham_bgp::attributes::{
    Aggregator, AsPath, Attributes, Community, ExtendedCommunity, LargeCommunity, Origin,
    UnknownAttribute,
};
use gingham_bgp::config::AsnWidth;
use gingham_bgp::wire::{Codec, MAX_EXTENDED, MAX_STANDARD, PeerKind};
use gingham_bgp::{Asn, Nlri, RouterId};
use gingham_model::{Family, Prefix};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One UPDATE's worth of announcement, and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    pub(crate) codec: Codec,
    pub(crate) attributes: Attributes,
    pub(crate) nlri: Vec<Nlri>,
}

/// The codec of whoever reads what `writer` wrote.
pub(crate) fn reader(writer: &Codec) -> Codec {
    Codec {
        add_path_in: writer.add_path_out.clone(),
        add_path_out: writer.add_path_in.clone(),
        ..writer.clone()
    }
}

pub(crate) fn announcement() -> impl Strategy<Value = Announcement> {
    (family(), codec())
        .prop_flat_map(|(family, codec)| {
            let add_path = codec.add_path_out.contains(&family);
            let parts = (
                attributes(family, codec.extended_next_hop),
                nlri(family, add_path),
            );
            (Just(codec), parts)
        })
        .prop_map(|(codec, (attributes, nlri))| Announcement {
            attributes: match codec.kind {
                PeerKind::Internal => attributes,
                PeerKind::External => for_external(attributes),
            },
            codec,
            nlri,
        })
}

/// What an external peer may not say is dropped on the way in, so it is not there to come back.
fn for_external(attributes: Attributes) -> Attributes {
    Attributes {
        local_pref: None,
        originator: None,
        cluster_list: Box::default(),
        ..attributes
    }
}

pub(crate) fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

pub(crate) fn codec() -> impl Strategy<Value = Codec> {
    let families = || btree_set(family(), 0..=2);
    let kind = prop_oneof![Just(PeerKind::Internal), Just(PeerKind::External)];
    let width = prop_oneof![Just(AsnWidth::Two), Just(AsnWidth::Four)];
    let length = prop_oneof![Just(MAX_STANDARD), Just(MAX_EXTENDED)];
    (kind, width, length, families(), families(), any::<bool>()).prop_map(
        |(kind, asn_width, max_length, add_path_in, add_path_out, extended_next_hop)| Codec {
            kind,
            asn_width,
            max_length,
            families: BTreeSet::from(Family::ALL),
            add_path_in,
            add_path_out,
            extended_next_hop,
        },
    )
}

pub(crate) fn nlri(family: Family, add_path: bool) -> impl Strategy<Value = Vec<Nlri>> {
    let path_id = if add_path {
        any::<u32>().boxed()
    } else {
        Just(0).boxed()
    };
    let one = (prefix(family), path_id)
        .prop_map(|(prefix, path_id)| Nlri { prefix, path_id })
        .boxed();
    // Enough for several messages now and then.
    prop_oneof![9 => vec(one.clone(), 1..40), 1 => vec(one, 1000..1500)]
}

pub(crate) fn prefix(family: Family) -> impl Strategy<Value = Prefix> {
    let bits = family.bits();
    (any::<u128>(), 0..=bits).prop_map(move |(address, length)| {
        let address = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((address >> 96) as u32)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(address)),
        };
        Prefix::containing(address, length).unwrap()
    })
}

/// A unicast next hop that prefixes of `family` can have.
fn next_hop(family: Family, extended: bool) -> BoxedStrategy<IpAddr> {
    let v4 = (1u32 << 24..127 << 24).prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = (0x2u128 << 124..0x4 << 124).prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    match (family, extended) {
        (Family::V4, false) => v4.boxed(),
        (Family::V4, true) => prop_oneof![v4, v6].boxed(),
        (Family::V6, _) => v6.boxed(),
    }
}

fn attributes(family: Family, extended: bool) -> impl Strategy<Value = Attributes> {
    let single = (
        origin(),
        as_path(),
        next_hop(family, extended),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        any::<bool>(),
        option::of((asn(), any::<Ipv4Addr>())),
    );
    let lists = (
        btree_set(any::<u32>(), 0..20),
        btree_set(any::<u64>(), 0..20),
        btree_set(any::<[u32; 3]>(), 0..20),
        option::of(any::<Ipv4Addr>()),
        vec(any::<Ipv4Addr>(), 0..5),
        unknown(),
    );
    (single, lists).prop_map(|(single, lists)| {
        let (origin, as_path, next_hop, med, local_pref, atomic_aggregate, aggregator) = single;
        let (communities, extended, large, originator, clusters, unknown) = lists;
        Attributes {
            origin,
            as_path,
            next_hop,
            med,
            local_pref,
            atomic_aggregate,
            aggregator: aggregator.map(|(asn, router)| Aggregator { asn, router }),
            communities: communities.into_iter().map(Community).collect(),
            extended_communities: extended.into_iter().map(ExtendedCommunity).collect(),
            large_communities: large.into_iter().map(LargeCommunity).collect(),
            originator: originator.map(RouterId),
            cluster_list: clusters.into_iter().map(RouterId).collect(),
            unknown,
        }
    })
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        Just(Origin::Igp),
        Just(Origin::Egp),
        Just(Origin::Incomplete)
    ]
}

/// Half of them fit into two octets.
pub(crate) fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1u32..=0xFFFF, 1u32..=u32::MAX].prop_map(Asn)
}

/// One sequence: segments that stand side by side are one path to whoever merges them (RFC 6793).
fn as_path() -> impl Strategy<Value = AsPath> {
    prop_oneof![9 => vec(asn(), 0..10), 1 => vec(asn(), 200..=255)].prop_map(AsPath::sequence)
}

fn unknown() -> impl Strategy<Value = Box<[UnknownAttribute]>> {
    let code = prop_oneof![Just(22u8), Just(25), Just(35), Just(40), 43u8..=254];
    let value = prop_oneof![9 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 250..300)];
    btree_map(code, value, 0..4).prop_map(|map| {
        map.into_iter()
            .map(|(code, value)| UnknownAttribute {
                code,
                value: value.into_boxed_slice(),
            })
            .collect()
    })
}
