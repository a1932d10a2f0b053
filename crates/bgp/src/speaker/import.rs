//! What becomes of a path a peer announces: taken as it is, changed, or kept out with a reason.

use super::peer::Peer;
use super::scope::Claim;
use crate::attributes::{Attributes, Community, Interned, Interner};
use crate::config::{Config, Settings};
use crate::policy::{Decision, Filter, Subject};
use crate::rib::{Freshness, Import, Path, Provenance, Refusal, Source, SourceKind};
use crate::session::Negotiated;
use crate::{Nlri, RouterId};
use gingham_model::Prefix;
use std::net::IpAddr;
use std::sync::Arc;

/// What import looks at besides the path.
pub(super) struct Customs<'a> {
    config: &'a Config,
    negotiated: &'a Negotiated,
    source: &'a Arc<Source>,
    filter: Option<&'a Filter>,
    settings: &'a Settings,
}

impl<'a> Customs<'a> {
    /// What decides on the paths of a peer, in a session that agreed on this.
    pub(super) fn of(config: &'a Config, peer: &'a Peer, negotiated: &'a Negotiated) -> Self {
        let name = peer.settings.import.as_ref();
        Customs {
            config,
            negotiated,
            source: &peer.source,
            filter: name.and_then(|name| config.filters.get(name)),
            settings: &peer.settings,
        }
    }

    /// Decides on one path: what no filter can allow, then the scope of the peer, then its filter.
    pub(super) fn admit(&self, interner: &mut Interner, nlri: Nlri, received: &Interned) -> Path {
        let claim = Claim {
            prefix: nlri.prefix,
            next_hop: received.next_hop,
            peer: self.source.address,
        };
        let (provenance, beyond) = claim.judge(self.settings.scope, &self.config.territory);
        let import = match self.refusal(received).or(beyond) {
            Some(refusal) => Import::Refused(refusal),
            None => self.filter(interner, (nlri, provenance), received),
        };
        Path {
            source: Arc::clone(self.source),
            path_id: nlri.path_id,
            received: received.clone(),
            import,
            provenance,
            freshness: Freshness::Fresh,
        }
    }

    /// Decides anew on a path that is held.
    pub(super) fn again(&self, interner: &mut Interner, prefix: Prefix, path: &Path) -> Path {
        let nlri = Nlri {
            prefix,
            path_id: path.path_id,
        };
        Path {
            freshness: path.freshness,
            ..self.admit(interner, nlri, &path.received)
        }
    }

    fn filter(
        &self,
        interner: &mut Interner,
        (nlri, provenance): (Nlri, Provenance),
        path: &Interned,
    ) -> Import {
        let Some(filter) = self.filter else {
            return match self.source.kind {
                SourceKind::External => Import::Refused(Refusal::NoFilter),
                _ => Import::Accepted(path.clone()),
            };
        };
        let path = &self.graceful_shutdown(interner, path);
        let subject = Subject {
            nlri,
            attributes: path,
            peer: self.source.peer,
            origin_node: self.source.node.as_ref(),
            provenance,
        };
        match filter.decide(&subject) {
            Decision::Accept => Import::Accepted(path.clone()),
            Decision::Change(changed) => Import::Accepted(interner.intern(*changed)),
            Decision::Reject(rule) => Import::Refused(Refusal::Filter(rule)),
        }
    }

    /// An external path about to go away is taken last, unless a filter sets its preference (RFC 8326
    /// section 4.2).
    fn graceful_shutdown(&self, interner: &mut Interner, path: &Interned) -> Interned {
        let going = path.has(Community::GRACEFUL_SHUTDOWN);
        if self.source.kind != SourceKind::External || !going {
            return path.clone();
        }
        interner.intern(Attributes {
            local_pref: Some(0),
            ..(**path).clone()
        })
    }

    /// What no filter can allow.
    fn refusal(&self, path: &Attributes) -> Option<Refusal> {
        let own = self.config.asn;
        let seen = path.as_path.numbers().filter(|asn| *asn == own).count();
        if seen > usize::from(self.settings.allow_own_asn) {
            return Some(Refusal::AsLoop);
        }
        if path.originator == Some(self.config.router_id) {
            return Some(Refusal::OwnOriginator);
        }
        if path.cluster_list.contains(&cluster(self.config)) {
            return Some(Refusal::ClusterLoop);
        }
        let external = self.source.kind == SourceKind::External;
        if external && path.as_path.first() != Some(self.negotiated.peer_asn) {
            return Some(Refusal::FirstAs);
        }
        (self.is_ours(path.next_hop) || !forwards(path.next_hop)).then_some(Refusal::NextHop)
    }

    /// Whether the peer knows this address as ours (RFC 4271 section 5.1.3).
    fn is_ours(&self, next_hop: IpAddr) -> bool {
        let mut told = self.settings.families.values();
        next_hop == self.negotiated.ends.local.ip()
            || told.any(|family| family.own_next_hop == Some(next_hop))
    }
}

/// The cluster this speaker reflects for (RFC 4456).
pub(super) fn cluster(config: &Config) -> RouterId {
    config.cluster_id.unwrap_or(config.router_id)
}

/// Whether a packet can be sent there (RFC 4271 section 6.3: a valid IP host address).
fn forwards(next_hop: IpAddr) -> bool {
    let never = next_hop.is_unspecified() || next_hop.is_loopback() || next_hop.is_multicast();
    let broadcast = matches!(next_hop, IpAddr::V4(address) if address.octets()[0] >= 240);
    !never && !broadcast
}
