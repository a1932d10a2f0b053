//! bgpkit-parser. It gives extended communities as what they mean, not as octets.

use super::{Seen, Session};
use bgpkit_parser::models::{
    AsnLength, Attributes, BgpMessage, Community, MetaCommunity, NetworkPrefix,
};
use bgpkit_parser::parser::bgp::parse_bgp_message;
use bytes::Bytes;
use gingham_bgp::config::AsnWidth;
use std::net::IpAddr;

pub(super) fn read(session: &Session<'_>, frame: &Bytes) -> Seen {
    let width = match session.codec.asn_width {
        AsnWidth::Two => AsnLength::Bits16,
        AsnWidth::Four => AsnLength::Bits32,
    };
    let parsed = parse_bgp_message(&mut frame.clone(), session.add_path(), &width);
    let Ok(BgpMessage::Update(update)) = parsed else {
        panic!("{parsed:?}")
    };
    let attributes = &update.attributes;
    assert_eq!(attributes.validation_warnings(), []);
    let reach = attributes.get_reachable_nlri();
    let unreach = attributes.get_unreachable_nlri();
    let reachable = reach.map(|one| one.prefixes.clone()).unwrap_or_default();
    let unreachable = unreach.map(|one| one.prefixes.clone()).unwrap_or_default();
    Seen {
        announced: triples([update.announced_prefixes, reachable]),
        withdrawn: triples([update.withdrawn_prefixes, unreachable]),
        next_hop: attributes
            .next_hop()
            .or(reach.map(|one| one.next_hop_addr())),
        ..described(attributes)
    }
}

fn described(attributes: &Attributes) -> Seen {
    let path = attributes.effective_as_path();
    let clusters = attributes.clusters().unwrap_or_default();
    let mut seen = Seen {
        origin: path.is_some().then(|| attributes.origin() as u8),
        as_path: path
            .and_then(|path| path.to_u32_vec_opt(false))
            .unwrap_or_default(),
        med: attributes.multi_exit_discriminator(),
        local_pref: attributes.local_preference(),
        atomic_aggregate: attributes.atomic_aggregate(),
        aggregator: attributes.aggregator().map(|(asn, id)| (asn.into(), id)),
        originator: attributes.origin_id(),
        cluster_list: clusters.iter().map(|id| (*id).into()).collect(),
        ..Seen::default()
    };
    for community in attributes.iter_communities() {
        match community {
            MetaCommunity::Plain(one) => seen.communities.push(number(one)),
            MetaCommunity::Large(one) => {
                let [first, second] = one.local_data;
                seen.large_communities
                    .push([one.global_admin, first, second]);
            }
            _ => {}
        }
    }
    seen
}

fn number(community: Community) -> u32 {
    match community {
        Community::NoExport => 0xFFFF_FF01,
        Community::NoAdvertise => 0xFFFF_FF02,
        Community::NoExportSubConfed => 0xFFFF_FF03,
        Community::Custom(asn, value) => u32::from(asn) << 16 | u32::from(value),
    }
}

fn triples(lists: [Vec<NetworkPrefix>; 2]) -> Vec<(IpAddr, u8, u32)> {
    lists
        .concat()
        .iter()
        .map(|one| {
            (
                one.prefix.addr(),
                one.prefix.prefix_len(),
                one.path_id.unwrap_or(0),
            )
        })
        .collect()
}
