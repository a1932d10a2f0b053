//! What feeders and nodes say, apart from the code under test: RFC 4271 with 4-octet AS numbers (RFC 6793)
//! and graceful restart (RFC 4724), IPv4 unicast.

use crate::case::{ASN, OUTSIDE};
use gingham_integration::bgp::frame::{LONGEST, Slash24};
use gingham_integration::bgp::raw;
use std::net::Ipv4Addr;

/// A header, and two lengths.
const FRAME: usize = 19 + 4;
/// For how long routes are to be kept when a session is lost, in seconds.
const RESTART: u16 = 120;
/// The autonomous system in which learned prefixes originate.
const ORIGIN: u32 = 64_602;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The zone's reflector, of what it heard outside.
    Reflector,
    /// The zone's core: the first router outside.
    Core,
    /// A node, of what is its own.
    Node,
}

impl Voice {
    fn asn(self) -> u32 {
        match self {
            Voice::Reflector | Voice::Node => ASN,
            Voice::Core => OUTSIDE,
        }
    }

    fn path(self) -> &'static [u32] {
        match self {
            Voice::Reflector | Voice::Core => &[OUTSIDE, ORIGIN],
            Voice::Node => &[],
        }
    }

    fn attributes(self, next_hop: Ipv4Addr) -> Vec<u8> {
        // ORIGIN: IGP.
        let mut attributes = vec![0x40, 1, 1, 0];
        let numbers: Vec<u8> = self
            .path()
            .iter()
            .flat_map(|asn| asn.to_be_bytes())
            .collect();
        let sequence = match numbers.len() / 4 {
            0 => Vec::new(),
            length => [&[2, octet(length)][..], &numbers].concat(),
        };
        attributes.extend([0x40, 2, octet(sequence.len())]);
        attributes.extend(sequence);
        attributes.extend([0x40, 3, 4]);
        attributes.extend(next_hop.octets());
        if self != Voice::Core {
            // LOCAL_PREF: 100.
            attributes.extend([0x40, 5, 4, 0, 0, 0, 100]);
        }
        attributes
    }

    pub(crate) fn open(self, identifier: Ipv4Addr) -> Vec<u8> {
        // IPv4 unicast; 4-octet AS numbers; graceful restart of IPv4 unicast.
        let mut capabilities = vec![1, 4, 0, 1, 0, 1, 65, 4];
        capabilities.extend(self.asn().to_be_bytes());
        capabilities.extend([64, 6]);
        capabilities.extend(RESTART.to_be_bytes());
        capabilities.extend([0, 1, 1, 0x80]);
        let who = raw::Identity {
            asn: self.asn(),
            router_id: identifier,
            four_octets: true,
        };
        let length = octet(capabilities.len());
        raw::open(who, &[&[2, length][..], &capabilities].concat())
    }

    /// As few UPDATEs as all these prefixes fit into.
    pub(crate) fn announce(self, next_hop: Ipv4Addr, prefixes: &[Slash24]) -> Vec<u8> {
        let attributes = self.attributes(next_hop);
        let room = (LONGEST - FRAME - attributes.len()) / size_of::<Slash24>();
        let parts = prefixes.chunks(room);
        let updates = parts.map(|part| raw::update(&[], &attributes, part.as_flattened()));
        updates.collect::<Vec<_>>().concat()
    }
}

/// As few UPDATEs as all these prefixes fit into.
pub(crate) fn withdraw(prefixes: &[Slash24]) -> Vec<u8> {
    let parts = prefixes.chunks((LONGEST - FRAME) / size_of::<Slash24>());
    let updates = parts.map(|part| raw::update(part.as_flattened(), &[], &[]));
    updates.collect::<Vec<_>>().concat()
}

pub(crate) fn end_of_rib() -> Vec<u8> {
    raw::update(&[], &[], &[])
}

/// A length; all here are short.
fn octet(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Feed;
    use gingham_integration::bgp::frame;

    /// The messages in a row.
    fn updates(mut octets: &[u8]) -> Vec<raw::Update> {
        let mut updates = Vec::new();
        while let Some(message) = frame::split(octets).unwrap() {
            assert_eq!(message.kind, raw::UPDATE);
            updates.push(raw::Update::read(message.body).unwrap());
            octets = message.rest;
        }
        assert!(octets.is_empty());
        updates
    }

    #[test]
    fn many_prefixes_are_packed() {
        let prefixes: Vec<_> = (0..2_500).map(Feed::prefix).collect();
        let next_hop = Ipv4Addr::new(172, 16, 0, 253);
        let told = updates(&Voice::Reflector.announce(next_hop, &prefixes));
        assert_eq!(told.len(), 3);
        let announced: Vec<_> = told.iter().flat_map(|update| &update.announced).collect();
        assert_eq!(announced.len(), 2_500);
        assert_eq!(announced[257], "11.1.1.0/24");
        assert_eq!(told[2].attributes[&3], next_hop.octets());
        assert_eq!(updates(&withdraw(&prefixes)).len(), 3);
    }

    #[test]
    fn nothing_is_no_update() {
        let next_hop = Ipv4Addr::LOCALHOST;
        assert!(Voice::Node.announce(next_hop, &[]).is_empty());
        assert!(withdraw(&[]).is_empty());
        assert!(updates(&end_of_rib())[0].is_end_of_rib());
    }

    #[test]
    fn each_says_what_is_its_to_say() {
        let attributes = |voice: Voice| {
            let octets = voice.announce(Ipv4Addr::LOCALHOST, &[Feed::prefix(0)]);
            updates(&octets).remove(0).attributes
        };
        let (reflector, core, node) = (
            attributes(Voice::Reflector),
            attributes(Voice::Core),
            attributes(Voice::Node),
        );
        assert_eq!(reflector[&2], core[&2]);
        assert_eq!(core[&2], [2, 2, 0, 0, 0xFC, 0xBC, 0, 0, 0xFC, 0x5A]);
        assert!(node[&2].is_empty());
        assert!(node.contains_key(&5) && !core.contains_key(&5));
    }
}
