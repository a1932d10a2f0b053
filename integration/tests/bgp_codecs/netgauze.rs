//! netgauze-bgp-pkt. It gives extended communities as what they mean, and does not merge AS4_PATH.

use super::{Seen, Session};
use bytes::Bytes;
use gingham_bgp::config::AsnWidth;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::nlri::{Ipv4UnicastAddress, Ipv6UnicastAddress};
use netgauze_bgp_pkt::path_attribute::{
    Aggregator, MpReach, MpUnreach, PathAttribute, PathAttributeValue,
};
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use std::collections::HashMap;
use std::net::IpAddr;

pub(super) fn read(session: &Session<'_>, frame: &Bytes) -> Seen {
    let families = [AddressType::Ipv4Unicast, AddressType::Ipv6Unicast];
    let mut context = BgpParsingContext::new(
        session.codec.asn_width == AsnWidth::Four,
        HashMap::new(),
        families.map(|family| (family, session.add_path())).into(),
        true,
        true,
        true,
        true,
    );
    let parsed = BgpMessage::parse(&mut SliceReader::new(frame), &mut context);
    let Ok(BgpMessage::Update(update)) = parsed else {
        panic!("{parsed:?}")
    };
    let mut seen = Seen {
        announced: v4(update.nlri()),
        withdrawn: v4(update.withdraw_routes()),
        ..Seen::default()
    };
    // AS4_PATH and AS4_AGGREGATOR come behind what they stand for.
    for attribute in update.path_attributes() {
        describe(&mut seen, attribute);
    }
    seen
}

fn describe(seen: &mut Seen, attribute: &PathAttribute) {
    match attribute.value() {
        PathAttributeValue::Origin(origin) => seen.origin = Some(u8::from(*origin)),
        PathAttributeValue::AsPath(path) => seen.as_path = Vec::from(path.clone()),
        PathAttributeValue::As4Path(path) => {
            let segments = path.segments().iter();
            seen.as_path = segments.flat_map(|one| one.as_numbers()).copied().collect();
        }
        PathAttributeValue::NextHop(hop) => seen.next_hop = Some(hop.next_hop().into()),
        PathAttributeValue::MultiExitDiscriminator(med) => seen.med = Some(med.metric()),
        PathAttributeValue::LocalPreference(one) => seen.local_pref = Some(one.metric()),
        PathAttributeValue::AtomicAggregate(_) => seen.atomic_aggregate = true,
        PathAttributeValue::Aggregator(Aggregator::As2Aggregator(by)) => {
            seen.aggregator = Some((u32::from(*by.asn()), by.origin()));
        }
        PathAttributeValue::Aggregator(Aggregator::As4Aggregator(by)) => {
            seen.aggregator = Some((*by.asn(), by.origin()));
        }
        PathAttributeValue::UnknownAttribute(one) if one.code() == 18 => {
            let (asn, router) = one.value().split_first_chunk::<4>().unwrap();
            let router: [u8; 4] = router.try_into().unwrap();
            seen.aggregator = Some((u32::from_be_bytes(*asn), router.into()));
        }
        other => describe_lists(seen, other),
    }
}

fn describe_lists(seen: &mut Seen, value: &PathAttributeValue) {
    match value {
        PathAttributeValue::Communities(list) => {
            seen.communities = list.communities().iter().map(|one| one.value()).collect();
        }
        PathAttributeValue::LargeCommunities(list) => {
            let list = list.communities().iter();
            seen.large_communities = list
                .map(|one| [one.global_admin(), one.local_data1(), one.local_data2()])
                .collect();
        }
        PathAttributeValue::Originator(id) => seen.originator = Some(id.id()),
        PathAttributeValue::ClusterList(list) => {
            seen.cluster_list = list.cluster_list().iter().map(|one| one.id()).collect();
        }
        PathAttributeValue::MpReach(MpReach::Ipv6Unicast {
            next_hop_global,
            nlri,
            ..
        }) => {
            seen.next_hop = Some((*next_hop_global).into());
            seen.announced = v6(nlri);
        }
        PathAttributeValue::MpUnreach(MpUnreach::Ipv6Unicast { nlri }) => {
            seen.withdrawn = v6(nlri);
        }
        _ => {}
    }
}

fn v4(list: &[Ipv4UnicastAddress]) -> Vec<(IpAddr, u8, u32)> {
    list.iter()
        .map(|one| (one.network().address(), one.path_id().unwrap_or(0)))
        .map(|(net, number)| (net.addr().into(), net.prefix_len(), number))
        .collect()
}

fn v6(list: &[Ipv6UnicastAddress]) -> Vec<(IpAddr, u8, u32)> {
    list.iter()
        .map(|one| (one.network().address(), one.path_id().unwrap_or(0)))
        .map(|(net, number)| (net.addr().into(), net.prefix_len(), number))
        .collect()
}
