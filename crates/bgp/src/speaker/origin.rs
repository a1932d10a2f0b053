//! What this speaker originates.

use super::core::Core;
use crate::attributes::Attributes;
use crate::config::{Announcement, When};
use crate::rib::{Freshness, Import, Path, Provenance, Source, SourceKind};
use crate::{Nlri, PeerId};
use gingham_model::{Family, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

impl Core {
    /// Announces a prefix, or announces it differently; an aggregate while there is a part of it.
    pub(super) fn announce(&mut self, announcement: &Announcement) {
        let prefix = announcement.prefix;
        match announcement.when {
            When::Always => {
                self.aggregates.remove(&prefix);
                self.originate(announcement);
            }
            When::Contributed => {
                self.aggregates.insert(prefix, announcement.clone());
                self.originate_if_contributed(announcement);
            }
        }
    }

    pub(super) fn originate(&mut self, announcement: &Announcement) {
        let source = Arc::new(Source {
            peer: PeerId::LOCAL,
            kind: SourceKind::Local,
            router_id: self.config.router_id,
            address: IpAddr::V4(self.config.router_id.0),
            node: announcement.node.clone(),
        });
        let attributes = self.interner.intern(attributes(announcement));
        let path = Path {
            source,
            path_id: 0,
            received: attributes.clone(),
            import: Import::Accepted(attributes),
            provenance: Provenance::Own,
            freshness: Freshness::Fresh,
        };
        self.rib.update(announcement.prefix, path);
    }

    /// Announces a prefix no more.
    pub(super) fn withdraw(&mut self, prefix: Prefix) {
        self.aggregates.remove(&prefix);
        self.rib.withdraw(PeerId::LOCAL, Nlri::plain(prefix));
    }
}

/// The attributes of what is originated. An unspecified next hop is ours, whatever that is on a
/// session.
fn attributes(announcement: &Announcement) -> Attributes {
    let ours = match announcement.prefix.family() {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let mut attributes = Attributes::originated(announcement.next_hop.unwrap_or(ours));
    attributes.med = announcement.med;
    attributes.local_pref = announcement.local_pref;
    attributes.communities = sorted(&announcement.communities);
    attributes.large_communities = sorted(&announcement.large_communities);
    attributes
}

fn sorted<T: Copy + Ord>(list: &[T]) -> Box<[T]> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list.into_boxed_slice()
}
