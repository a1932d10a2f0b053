//! What was so before, for when the objects suddenly say nothing: a selector that matches nobody, a
//! zone without a reflector, a key that cannot be read. Pure.

use super::part::{Part, Reflector};
use super::peers::Sessions;
use gingham_bgp::Asn;
use gingham_model::{PeerName, Zone};
use std::collections::BTreeMap;

/// What was so before, in one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    zone: Option<(Zone, Asn)>,
    reflectors: Vec<Reflector>,
    peers: BTreeMap<PeerName, Sessions>,
}

impl Kept {
    /// As told by a file: who reflected in `zone`.
    pub fn before(zone: Zone, asn: Asn, reflectors: Vec<Reflector>) -> Self {
        Kept {
            zone: Some((zone, asn)),
            reflectors,
            peers: BTreeMap::new(),
        }
    }

    /// The AS of `zone` as last known.
    pub fn asn(&self, zone: &Zone) -> Option<Asn> {
        let (known, asn) = self.zone.as_ref()?;
        (known == zone).then_some(*asn)
    }

    /// Who reflected in `zone`; nobody of another one.
    pub fn reflectors(&self, zone: &Zone) -> &[Reflector] {
        self.asn(zone).map_or(&[], |_| &self.reflectors)
    }

    /// The sessions a BGPPeer stood for in `zone`.
    pub fn sessions(&self, zone: &Zone, peer: &PeerName) -> Option<&Sessions> {
        self.asn(zone).and_then(|_| self.peers.get(peer))
    }

    /// This is so now.
    pub fn keep(&mut self, part: &Part, peers: BTreeMap<PeerName, Sessions>) {
        self.zone = Some((part.zone.clone(), part.asn));
        self.reflectors.clone_from(&part.reflectors);
        self.peers = peers;
    }
}
