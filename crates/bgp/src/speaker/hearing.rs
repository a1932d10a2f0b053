//! What a peer says of its paths: taken into the RIB, counted, and limited.

use super::core::Core;
use super::import::Customs;
use super::peer;
use crate::config::Excess;
use crate::rib::Import;
use crate::session::{Event, Farewell};
use crate::wire::{Reach, Update};
use crate::{Moment, PeerId};

impl Core {
    /// An UPDATE.
    pub(super) fn update(&mut self, now: Moment, id: PeerId, update: Update) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.counters.updates_in += 1;
        for fault in &update.faults {
            peer.counters.fault(fault.disposition);
            tracing::warn!(
                peer = peer.name,
                attribute = fault.attribute,
                disposition = ?fault.disposition,
                detail = fault.detail,
                "malformed attribute"
            );
        }
        for nlri in &update.withdrawn {
            self.rib.withdraw(id, *nlri);
        }
        for reach in update.announced {
            self.announced(id, reach);
        }
        if let Some(family) = update.end_of_rib {
            self.end_of_rib(id, family);
        }
        self.check_limits(now, id);
    }

    fn announced(&mut self, id: PeerId, reach: Reach) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(session) = &peer.session else {
            return;
        };
        let customs = Customs::of(&self.config, peer, &session.negotiated);
        let received = self.interner.intern(reach.attributes);
        let mut refused = Vec::new();
        for nlri in reach.nlri {
            let path = customs.admit(&mut self.interner, nlri, &received);
            if let Import::Refused(refusal) = &path.import {
                refused.push(refusal.clone());
            }
            self.rib.update(nlri.prefix, path);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            refused.iter().for_each(|why| peer.counters.refuse(why));
        }
    }

    /// Max-prefix (RFC 4486): the session ends, or the log says so. While what a restart left waits to
    /// be confirmed, there may be as much again.
    fn check_limits(&mut self, now: Moment, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let families = peer::families(&peer.settings, peer.address);
        for (family, settings) in families {
            let Some(limit) = settings.max_prefixes else {
                continue;
            };
            let held = self.rib.count(id, family);
            let times = 1 + usize::from(self.is_retained(id, family));
            if held <= times * limit.count as usize {
                continue;
            }
            tracing::warn!(peer = peer.name, %family, held, limit = limit.count, "too many prefixes");
            if limit.then == Excess::Reset {
                let farewell = Farewell::MaxPrefixes(family, limit.count);
                return self.event(now, id, &Event::Stop(farewell));
            }
        }
    }
}
