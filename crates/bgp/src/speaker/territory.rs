//! The zone as the core knows it: which node is where, and what changes when blocks do.

use super::core::Core;
use super::import::Customs;
use super::peer::Peer;
use crate::PeerId;
use crate::config::{Scope, Settings, Territory};
use crate::rib::{Path, Source};
use gingham_model::{NodeName, Prefix};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

impl Core {
    /// The node a peer is: as it is configured, else as the territory knows one that may speak as a node.
    pub(super) fn node_of(&self, address: IpAddr, settings: &Settings) -> Option<NodeName> {
        let known = match settings.scope {
            Scope::Node | Scope::Fellow => self.nodes.get(&address),
            Scope::Anywhere | Scope::Outside => None,
        };
        settings.node.as_ref().or(known).cloned()
    }

    /// The territory was another before. Whoever is held to it is judged anew, but only where blocks
    /// changed: the paths of their holders, and whatever lies inside.
    pub(super) fn redraw(&mut self, before: &Territory) {
        if *before == *self.config.territory {
            return;
        }
        self.nodes = self.config.territory.nodes();
        let changed = before.differences(&self.config.territory);
        let holders = changed.iter().flat_map(|block| {
            let both = [before, &self.config.territory];
            both.into_iter().filter_map(|of| of.blocks.get(block))
        });
        let addresses: BTreeSet<IpAddr> = holders
            .flat_map(|holder| holder.addresses.iter().copied())
            .collect();
        let holders = addresses.iter().filter_map(|at| self.known.at(*at));
        for id in holders.collect::<Vec<PeerId>>() {
            if self.peers.get(&id).is_some_and(is_bound) {
                self.rename(id);
                self.reimport(id);
            }
        }
        for block in changed {
            self.reimport_inside(block);
        }
    }

    /// Says which node a peer is, if that is news.
    pub(super) fn rename(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let node = self.node_of(peer.address, &peer.settings);
        if let Some(peer) = self.peers.get_mut(&id)
            && peer.source.node != node
        {
            let known = Source::clone(&peer.source);
            peer.source = Arc::new(Source { node, ..known });
        }
    }

    /// Decides anew on every path of a peer, live or kept.
    pub(super) fn reimport(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(agreed) = peer.agreed() else {
            return;
        };
        let customs = Customs::of(&self.config, peer, agreed);
        let interner = &mut self.interner;
        self.rib.reimport(id, &mut |prefix, path| {
            customs.again(interner, prefix, path)
        });
    }

    fn reimport_inside(&mut self, block: Prefix) {
        let (config, peers, interner) = (&self.config, &self.peers, &mut self.interner);
        self.rib.reimport_inside(block, &mut |prefix, path: &Path| {
            let peer = peers.get(&path.source.peer).filter(|peer| is_bound(peer));
            let agreed = peer.and_then(|peer| Some((peer, peer.agreed()?)));
            match agreed {
                Some((peer, agreed)) => {
                    Customs::of(config, peer, agreed).again(interner, prefix, path)
                }
                None => path.clone(),
            }
        });
    }
}

/// Whether what a peer may say depends on the territory.
fn is_bound(peer: &Peer) -> bool {
    peer.settings.scope != Scope::Anywhere
}
