//! What clients and the floor say, apart from the code under test: RFC 4271 with 4-octet AS numbers
//! (RFC 6793), IPv4 unicast.

use crate::size::ASN;
use gingham_integration::bgp::frame::{Fields, Slash24};
use gingham_integration::bgp::raw;
use std::net::Ipv4Addr;

/// Attributes of RFC 4271 section 5.1, as `flags, type`.
const ORIGIN_IGP: [u8; 4] = [0x40, 1, 1, 0];
const AS_PATH_EMPTY: [u8; 3] = [0x40, 2, 0];
const NEXT_HOP: [u8; 3] = [0x40, 3, 4];
const MED: [u8; 3] = [0x80, 4, 4];
const LOCAL_PREF_100: [u8; 7] = [0x40, 5, 4, 0, 0, 0, 100];
/// RFC 4456 section 8.
const ORIGINATOR_ID: [u8; 3] = [0x80, 9, 4];
const CLUSTER_LIST: [u8; 3] = [0x80, 10, 4];

pub(crate) fn open(identifier: Ipv4Addr) -> Vec<u8> {
    let who = raw::Identity {
        asn: ASN.into(),
        router_id: identifier,
        four_octets: true,
    };
    let [high, low] = ASN.to_be_bytes();
    // Multiprotocol IPv4 unicast (RFC 4760), and 4-octet AS numbers.
    raw::open(who, &[2, 12, 1, 4, 0, 1, 0, 1, 65, 4, 0, 0, high, low])
}

/// One UPDATE for all of a client's prefixes.
pub(crate) fn announce(next_hop: Ipv4Addr, med: Option<u32>, announced: &[Slash24]) -> Vec<u8> {
    let mut attributes = [&ORIGIN_IGP[..], &AS_PATH_EMPTY, &NEXT_HOP].concat();
    attributes.extend(next_hop.octets());
    if let Some(med) = med {
        attributes.extend(MED);
        attributes.extend(med.to_be_bytes());
    }
    attributes.extend(LOCAL_PREF_100);
    raw::update(&[], &attributes, announced.as_flattened())
}

/// One UPDATE that takes prefixes back.
pub(crate) fn withdraw(withdrawn: &[u8]) -> Vec<u8> {
    raw::update(withdrawn, &[], &[])
}

/// What a reflector makes of a client's UPDATE (RFC 4456): the same, told who said it and who
/// passed it on.
pub(crate) fn reflect(told: &Fields<'_>, originator: Ipv4Addr, cluster: Ipv4Addr) -> Vec<u8> {
    let mut attributes = told.attributes.to_vec();
    if !told.announced.is_empty() {
        attributes.extend(ORIGINATOR_ID);
        attributes.extend(originator.octets());
        attributes.extend(CLUSTER_LIST);
        attributes.extend(cluster.octets());
    }
    raw::update(told.withdrawn, &attributes, told.announced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::nlri;
    use gingham_integration::bgp::frame;

    fn body(message: &[u8]) -> &[u8] {
        let first = frame::split(message).unwrap().unwrap();
        assert_eq!((first.kind, first.rest), (raw::UPDATE, &[][..]));
        first.body
    }

    #[test]
    fn what_is_announced_is_read_back() {
        let hop = Ipv4Addr::new(10, 65, 0, 1);
        let told = announce(hop, Some(7), &[nlri(0), nlri(300)]);
        let fields = Fields::of(body(&told)).unwrap();
        assert_eq!(fields.announced, [nlri(0), nlri(300)].as_flattened());
        assert!(fields.withdrawn.is_empty());

        let reflected = reflect(&fields, hop, hop);
        assert_eq!(reflected.len(), told.len() + 14);
        let back = withdraw(&nlri(300));
        assert_eq!(Fields::of(body(&back)).unwrap().withdrawn, nlri(300));
        assert_eq!(open(hop).len(), 43);
    }
}
