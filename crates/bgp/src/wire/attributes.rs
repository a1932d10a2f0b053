//! Attributes between the crate's types and ours.

use super::{Codec, PeerKind};
use crate::attributes::{
    Aggregator, AsPath, Attributes, Community, ExtendedCommunity, LargeCommunity, Origin,
    UnknownAttribute,
};
use crate::{Asn, RouterId};
use rustbgpd_wire::constants::attr_flags;
use rustbgpd_wire::{self as wire, PathAttribute, RawAttribute};
use std::net::{IpAddr, Ipv4Addr};

/// The set that goes with `next_hop`, of attributes the crate has validated. What only internal peers
/// may say is dropped from external ones (RFC 7606 sections 7.5, 7.9, 7.10).
pub(super) fn read(from: &[PathAttribute], next_hop: IpAddr, codec: &Codec) -> Attributes {
    let mut set = Attributes::originated(next_hop);
    for attribute in from {
        absorb(&mut set, attribute);
    }
    if codec.kind == PeerKind::External {
        set.local_pref = None;
        set.originator = None;
        set.cluster_list = Box::default();
    }
    set
}

fn absorb(set: &mut Attributes, attribute: &PathAttribute) {
    match attribute {
        PathAttribute::Origin(origin) => set.origin = read_origin(*origin),
        PathAttribute::AsPath(path) => set.as_path = read_path(path),
        PathAttribute::Med(med) => set.med = Some(*med),
        PathAttribute::LocalPref(preference) => set.local_pref = Some(*preference),
        PathAttribute::AtomicAggregate => set.atomic_aggregate = true,
        PathAttribute::Aggregator(by) => {
            set.aggregator = Some(Aggregator {
                asn: Asn(by.asn),
                router: by.router_id,
            });
        }
        PathAttribute::OriginatorId(id) => set.originator = Some(RouterId(*id)),
        PathAttribute::ClusterList(ids) => {
            set.cluster_list = ids.iter().copied().map(RouterId).collect();
        }
        other => absorb_communities(set, other),
    }
}

fn absorb_communities(set: &mut Attributes, attribute: &PathAttribute) {
    if let Some(list) = attribute.communities() {
        set.communities = sorted(list.iter().copied().map(Community));
    }
    if let Some(list) = attribute.extended_communities() {
        let list = list.iter().map(|one| ExtendedCommunity(one.as_u64()));
        set.extended_communities = sorted(list);
    }
    if let Some(list) = attribute.large_communities() {
        let numbers = |one: &wire::LargeCommunity| {
            LargeCommunity([one.global_admin, one.local_data1, one.local_data2])
        };
        set.large_communities = sorted(list.iter().map(numbers));
    }
}

fn sorted<T: Ord>(list: impl Iterator<Item = T>) -> Box<[T]> {
    let mut list: Vec<T> = list.collect();
    list.sort_unstable();
    list.dedup();
    list.into_boxed_slice()
}

fn read_origin(origin: wire::Origin) -> Origin {
    match origin {
        wire::Origin::Igp => Origin::Igp,
        wire::Origin::Egp => Origin::Egp,
        wire::Origin::Incomplete => Origin::Incomplete,
    }
}

/// A path of sequences alone: the codec refuses sets (RFC 9774).
fn read_path(path: &wire::AsPath) -> AsPath {
    AsPath::sequence(path.asns().map(Asn))
}

/// Everything but what holds prefixes, by type code. NEXT_HOP is written where a next hop is given
/// for it; otherwise it goes into MP_REACH_NLRI.
pub(super) fn write(set: &Attributes, next_hop: Option<Ipv4Addr>) -> Vec<PathAttribute> {
    let mut list = vec![
        PathAttribute::Origin(write_origin(set.origin)),
        PathAttribute::AsPath(write_path(&set.as_path)),
    ];
    list.extend(next_hop.map(PathAttribute::NextHop));
    list.extend(set.med.map(PathAttribute::Med));
    list.extend(set.local_pref.map(PathAttribute::LocalPref));
    list.extend(
        set.atomic_aggregate
            .then_some(PathAttribute::AtomicAggregate),
    );
    list.extend(set.aggregator.map(write_aggregator));
    list.extend(write_list(
        &set.communities,
        |one| one.0,
        PathAttribute::Communities,
    ));
    list.extend(set.originator.map(|id| PathAttribute::OriginatorId(id.0)));
    list.extend(write_list(
        &set.cluster_list,
        |id| id.0,
        PathAttribute::ClusterList,
    ));
    list.extend(write_list(
        &set.extended_communities,
        |one| wire::ExtendedCommunity::new(one.0),
        PathAttribute::ExtendedCommunities,
    ));
    list.extend(write_list(
        &set.large_communities,
        |LargeCommunity([global, one, two])| wire::LargeCommunity::new(*global, *one, *two),
        PathAttribute::LargeCommunities,
    ));
    list.extend(set.unknown.iter().map(write_unknown));
    list.sort_by_key(PathAttribute::type_code);
    list
}

/// An attribute without values is malformed, so an empty list is none.
fn write_list<T, W>(
    list: &[T],
    one: impl Fn(&T) -> W,
    attribute: impl Fn(Vec<W>) -> PathAttribute,
) -> Option<PathAttribute> {
    (!list.is_empty()).then(|| attribute(list.iter().map(one).collect()))
}

fn write_origin(origin: Origin) -> wire::Origin {
    match origin {
        Origin::Igp => wire::Origin::Igp,
        Origin::Egp => wire::Origin::Egp,
        Origin::Incomplete => wire::Origin::Incomplete,
    }
}

fn write_path(path: &AsPath) -> wire::AsPath {
    let numbers: Vec<u32> = path.numbers().map(|asn| asn.0).collect();
    // A segment counts its numbers in one octet.
    let segments = numbers.chunks(255).map(<[u32]>::to_vec);
    wire::AsPath {
        segments: segments.map(wire::AsPathSegment::AsSequence).collect(),
    }
}

fn write_aggregator(by: Aggregator) -> PathAttribute {
    PathAttribute::Aggregator(wire::Aggregator {
        asn: by.asn.0,
        router_id: by.router,
        partial: false,
    })
}

/// The crate sets the Partial bit (RFC 4271 section 5).
fn write_unknown(unknown: &UnknownAttribute) -> PathAttribute {
    PathAttribute::Unknown(RawAttribute {
        flags: attr_flags::OPTIONAL | attr_flags::TRANSITIVE,
        type_code: unknown.code,
        data: unknown.value.to_vec().into(),
    })
}
