//! What a feeder says, apart from the code under test: RFC 4271 with 4-octet AS numbers (RFC 6793) and
//! graceful restart (RFC 4724), IPv4 unicast.

use crate::case::{self, ASN, Router};
use gingham_integration::bgp::raw;
use std::net::Ipv4Addr;

/// The longest message nobody agreed to exceed.
const LONGEST: usize = 4096;
/// A header, and two lengths.
const FRAME: usize = 19 + 4;
/// As NLRI: the length octet and the three that count.
const NLRI: usize = 4;
/// For how long routes are to be kept when a session is lost, in seconds.
const RESTART: u16 = 120;
/// Through which the prefixes came: the backbone, and their zone.
const PATH: [u32; 2] = [64_700, 64_602];

pub(crate) fn open(identifier: Ipv4Addr) -> Vec<u8> {
    // IPv4 unicast; 4-octet AS numbers; graceful restart of IPv4 unicast.
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 65, 4];
    capabilities.extend(ASN.to_be_bytes());
    capabilities.extend([64, 6]);
    capabilities.extend(RESTART.to_be_bytes());
    capabilities.extend([0, 1, 1, 0x80]);
    let length = u8::try_from(capabilities.len()).unwrap_or(u8::MAX);
    let who = raw::Identity {
        asn: ASN,
        router_id: identifier,
        four_octets: true,
    };
    raw::open(who, &[&[2, length][..], &capabilities].concat())
}

pub(crate) fn end_of_rib() -> Vec<u8> {
    raw::update(&[], &[], &[])
}

/// As few UPDATEs as all these prefixes fit into.
pub(crate) fn announce(router: Router, prefixes: &[usize]) -> Vec<u8> {
    let attributes = attributes(router);
    let parts = prefixes.chunks((LONGEST - FRAME - attributes.len()) / NLRI);
    let updates = parts.map(|part| raw::update(&[], &attributes, &list(part)));
    updates.collect::<Vec<_>>().concat()
}

pub(crate) fn withdraw(prefixes: &[usize]) -> Vec<u8> {
    let parts = prefixes.chunks((LONGEST - FRAME) / NLRI);
    let updates = parts.map(|part| raw::update(&list(part), &[], &[]));
    updates.collect::<Vec<_>>().concat()
}

fn list(prefixes: &[usize]) -> Vec<u8> {
    let one = |prefix: &usize| {
        let [a, b, c, _] = case::prefix(*prefix).octets();
        [24, a, b, c]
    };
    prefixes.iter().flat_map(one).collect()
}

/// What a reflector says inside of what it heard outside.
fn attributes(router: Router) -> Vec<u8> {
    // ORIGIN: IGP. AS_PATH: one sequence.
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 10, 2, 2];
    attributes.extend(PATH.map(u32::to_be_bytes).concat());
    // NEXT_HOP, unchanged.
    attributes.extend([0x40, 3, 4]);
    attributes.extend(router.address().octets());
    // LOCAL_PREF: 100.
    attributes.extend([0x40, 5, 4, 0, 0, 0, 100]);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bodies of the messages in a row, none too long.
    fn bodies(mut octets: &[u8]) -> Vec<&[u8]> {
        let mut bodies = Vec::new();
        while let Some(message) = raw::split(octets).unwrap() {
            assert_eq!(message.kind, raw::UPDATE);
            assert!(message.body.len() + 19 <= LONGEST);
            bodies.push(message.body);
            octets = message.rest;
        }
        assert!(octets.is_empty());
        bodies
    }

    #[test]
    fn many_prefixes_are_packed() {
        let prefixes: Vec<usize> = (0..2_500).collect();
        let octets = announce(Router::OTHER, &prefixes);
        let updates: Vec<_> = bodies(&octets)
            .into_iter()
            .map(|body| raw::Update::read(body).unwrap())
            .collect();
        assert_eq!(updates.len(), 3);
        let announced: Vec<_> = updates
            .iter()
            .flat_map(|update| &update.announced)
            .collect();
        assert_eq!(announced.len(), 2_500);
        assert_eq!(announced[257], "11.1.1.0/24");
        assert_eq!(updates[2].attributes[&3], [172, 16, 0, 253]);

        let octets = withdraw(&prefixes);
        assert_eq!(bodies(&octets).len(), 3);
        let end = end_of_rib();
        assert!(raw::Update::read(bodies(&end)[0]).unwrap().is_end_of_rib());
    }
}
