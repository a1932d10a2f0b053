//! What a peer is told: when it joins its groups, when it asks again, and when a restart is over.

use super::core::{Core, Effect};
use super::import::cluster;
use super::peer::{self, Peer};
use crate::config::Config;
use crate::export::{Audience, Borders, Profile};
use crate::rib::SourceKind;
use crate::session::{Negotiated, RefreshKind};
use crate::wire::{Codec, RefreshPart};
use crate::{Moment, PeerId, wire};
use gingham_model::Family;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

impl Core {
    /// Tells a peer everything, End-of-RIB included.
    pub(super) fn tell(&mut self, id: PeerId) {
        for family in self.agreed(id) {
            let borders = Borders {
                before: None,
                after: Some(wire::encode_end_of_rib(family)),
            };
            self.join(id, family, borders);
        }
    }

    /// A ROUTE-REFRESH of the peer.
    pub(super) fn refresh(
        &mut self,
        now: Moment,
        id: PeerId,
        (family, part): (Family, RefreshPart),
    ) {
        match part {
            RefreshPart::Request => self.tell_again(id, family),
            RefreshPart::Begin => self.begin_refresh(now, id, family),
            RefreshPart::End => self.end_refresh(id, family),
        }
    }

    fn tell_again(&mut self, id: PeerId, family: Family) {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        let Some(session) = session else {
            return;
        };
        // What a restart defers is told when it is over.
        if self.deferred.is_some() {
            return;
        }
        let enhanced = session.negotiated.refresh == RefreshKind::Enhanced;
        let border = |part| enhanced.then(|| wire::encode_refresh(family, part));
        let borders = Borders {
            before: border(RefreshPart::Begin),
            after: border(RefreshPart::End),
        };
        self.join(id, family, borders);
    }

    /// Puts a peer into the group its profile belongs to, or tells it everything again if it is there.
    pub(super) fn join(&mut self, id: PeerId, family: Family, borders: Borders) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(session) = &peer.session else {
            return;
        };
        let connection = session.negotiated.connection;
        let profile = Arc::new(profile(&self.config, peer, &session.negotiated, family));
        let before = session.groups.get(&family).cloned();
        self.spread.open(&self.rib, &profile);
        let cursor = match before.filter(|before| *before != profile) {
            Some(before) => self.spread.change(id, (&before, &profile), borders),
            None => self.spread.join(id, &profile, borders),
        };
        let Some(cursor) = cursor else {
            return;
        };
        let session = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.session.as_mut());
        if let Some(session) = session {
            session.groups.insert(family, profile);
        }
        self.effects
            .push(Effect::Follow(connection, family, cursor));
    }

    /// Moves a peer whose profile has changed into the groups it belongs to now.
    pub(super) fn regroup(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(session) = &peer.session else {
            return;
        };
        let moved = session.groups.iter().filter(|(family, group)| {
            profile(&self.config, peer, &session.negotiated, **family) != ***group
        });
        let moved: Vec<Family> = moved.map(|(family, _)| *family).collect();
        for family in moved {
            self.join(id, family, Borders::default());
        }
    }

    /// The restart is over: every peer is told what there is.
    pub(super) fn end_deferral(&mut self) {
        self.deferred = None;
        self.sessions.defer(false);
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            self.tell(id);
        }
    }

    /// The families agreed upon with a peer; none while its session is down.
    pub(super) fn agreed(&self, id: PeerId) -> BTreeSet<Family> {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        session.map_or_else(BTreeSet::new, |session| {
            session.negotiated.codec.families.clone()
        })
    }
}

/// Everything that decides what a peer is told of a family. What does not is made equal, so that peers
/// share groups.
fn profile(config: &Config, peer: &Peer, negotiated: &Negotiated, family: Family) -> Profile {
    let settings = &peer.settings;
    let of_family = peer::families(settings, peer.address);
    let of_family = of_family.get(&family).copied().unwrap_or_default();
    let adds_paths = negotiated.codec.add_path_out.contains(&family);
    Profile {
        family,
        audience: match peer.source.kind {
            SourceKind::External => Audience::External {
                local_asn: config.asn,
                peer_asn: negotiated.peer_asn,
            },
            SourceKind::Client => Audience::Client {
                cluster: cluster(config),
            },
            SourceKind::Internal | SourceKind::Local => Audience::Internal {
                cluster: cluster(config),
            },
        },
        codec: Codec {
            families: BTreeSet::from([family]),
            add_path_in: BTreeSet::new(),
            add_path_out: adds_paths.then_some(family).into_iter().collect(),
            ..negotiated.codec.clone()
        },
        paths: if adds_paths {
            of_family.add_path.send.max(1)
        } else {
            1
        },
        own_next_hop: of_family
            .own_next_hop
            .or_else(|| own_next_hop(negotiated, family)),
        next_hop: settings.next_hop,
        long_lived: negotiated.long_lived.contains_key(&family),
        filter: settings
            .export
            .as_ref()
            .and_then(|name| config.filters.get(name))
            .map(|filter| Arc::new(filter.clone())),
    }
}

/// Our address on the session, where it can stand as a next hop of the family (RFC 8950 lets IPv4
/// prefixes have IPv6 ones).
fn own_next_hop(negotiated: &Negotiated, family: Family) -> Option<IpAddr> {
    let own = negotiated.ends.local.ip();
    let fits =
        Family::of(own) == family || (negotiated.codec.extended_next_hop && family == Family::V4);
    fits.then_some(own)
}
