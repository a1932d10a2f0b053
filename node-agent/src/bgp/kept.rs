//! What was so before, for when the objects suddenly say nothing: a selector that matches nobody, a
//! zone without a reflector, a key that cannot be read. Pure: time is an argument.
//!
//! A label that goes is not believed at once. Two reflectors that lose theirs one shortly after the
//! other would each see the other one's still there, and both step down.

use super::part::{Part, Reflector};
use super::peers::Sessions;
use gingham_bgp::Asn;
use gingham_model::{NodeName, PeerName, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a reflector without its label is one still, while others have theirs.
const STEADY: Duration = Duration::from_secs(10);

/// What was so before, in one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    zone: Option<(Zone, Asn)>,
    reflectors: Vec<Reflector>,
    /// Since when some of them have no label, and whether anybody has one.
    unlabelled: BTreeMap<NodeName, Instant>,
    is_deserted: bool,
    peers: BTreeMap<PeerName, Sessions>,
}

impl Kept {
    /// As told by a file: who reflected in `zone`.
    pub fn before(zone: Zone, asn: Asn, reflectors: Vec<Reflector>) -> Self {
        Kept {
            zone: Some((zone, asn)),
            reflectors,
            ..Kept::default()
        }
    }

    /// These are labelled as reflectors now. Whoever has not been for long enough is none any more.
    pub fn observe(&mut self, labelled: &BTreeSet<&NodeName>, now: Instant) {
        let unlabelled = self.reflectors.iter().map(|reflector| &reflector.name);
        let unlabelled = unlabelled.filter(|name| !labelled.contains(name));
        let before = std::mem::take(&mut self.unlabelled);
        let since = |name: &NodeName| before.get(name).copied().unwrap_or(now);
        self.unlabelled = unlabelled.map(|name| (name.clone(), since(name))).collect();
        self.is_deserted = labelled.is_empty();
        if !self.is_deserted {
            let unlabelled = &self.unlabelled;
            let counts = |name: &NodeName| {
                let since = unlabelled.get(name);
                since.is_none_or(|since| now < *since + STEADY)
            };
            self.reflectors.retain(|reflector| counts(&reflector.name));
            let left: BTreeSet<&NodeName> = self.reflectors.iter().map(|one| &one.name).collect();
            self.unlabelled.retain(|name, _| left.contains(name));
        }
    }

    /// When to observe again although nothing happens.
    pub fn next(&self) -> Option<Instant> {
        let first = self.unlabelled.values().min().filter(|_| !self.is_deserted);
        first.map(|since| *since + STEADY)
    }

    /// The AS of `zone` as last known.
    pub fn asn(&self, zone: &Zone) -> Option<Asn> {
        let (known, asn) = self.zone.as_ref()?;
        (known == zone).then_some(*asn)
    }

    /// Who reflected, in whatever zone.
    pub fn known(&self) -> &[Reflector] {
        &self.reflectors
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
