//! What becomes of a path a peer announces: taken as it is, changed, or kept out with a reason.

use crate::attributes::{Attributes, Community, Interned, Interner};
use crate::config::{Config, Settings};
use crate::policy::{Decision, Filter, Subject};
use crate::rib::{Import, Refusal, Source, SourceKind};
use crate::session::Negotiated;
use crate::{Nlri, RouterId};
use std::net::IpAddr;

/// What import looks at besides the path.
pub(super) struct Customs<'a> {
    pub(super) config: &'a Config,
    pub(super) negotiated: &'a Negotiated,
    pub(super) source: &'a Source,
    pub(super) filter: Option<&'a Filter>,
    pub(super) settings: &'a Settings,
}

impl Customs<'_> {
    /// Decides on one path.
    pub(super) fn import(&self, interner: &mut Interner, nlri: Nlri, path: &Interned) -> Import {
        if let Some(refusal) = self.refusal(path) {
            return Import::Refused(refusal);
        }
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
