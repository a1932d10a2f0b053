//! After a restart nobody is told anything until everybody has said what they have (RFC 4724 section
//! 4.1): an End-of-RIB that came too early would make peers forget what is still to come.

use super::core::Core;
use super::peer::Session;
use crate::config::Scope;
use crate::{Moment, PeerId};
use gingham_model::{Family, NodeName};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What is waited for, besides the peers that are known.
#[derive(Debug)]
pub(super) struct Deferral {
    /// How long at most.
    pub(super) until: Moment,
    /// Nodes that have yet to dial in and say what they have, by the family of their session.
    callers: BTreeSet<(NodeName, Family)>,
}

impl Deferral {
    pub(super) fn new(until: Moment) -> Self {
        Deferral {
            until,
            callers: BTreeSet::new(),
        }
    }
}

impl Core {
    /// Looks anew which nodes are to be waited for: all others of the territory that dial in from a
    /// range of nodes.
    pub(super) fn await_callers(&mut self) {
        if self.deferred.is_none() {
            return;
        }
        let missing = self.nodes.iter().filter(|(address, node)| {
            let ours = self.config.territory.node.as_ref() == Some(node);
            !ours && self.is_expected(**address)
        });
        let callers = missing.map(|(address, node)| (node.clone(), Family::of(*address)));
        let callers = callers.collect();
        if let Some(deferral) = &mut self.deferred {
            deferral.callers = callers;
        }
    }

    /// Whether a node would call from this address, and has not said everything.
    fn is_expected(&self, address: IpAddr) -> bool {
        let range = self.config.range_of(address);
        let of_nodes = range.is_some_and(|range| range.settings.scope == Scope::Node);
        of_nodes && !self.known.at(address).is_some_and(|id| self.is_through(id))
    }

    /// A session is up, or a part of what its peer has is there.
    pub(super) fn heard(&mut self, id: PeerId) {
        if self.deferred.is_none() {
            return;
        }
        if self.is_through(id)
            && let Some(peer) = self.peers.get(&id)
            && let Some(node) = self.nodes.get(&peer.address)
            && let Some(deferral) = &mut self.deferred
        {
            let family = Family::of(peer.address);
            deferral.callers.remove(&(node.clone(), family));
        }
        self.check_deferral();
    }

    /// Ends the deferral once every peer that is up, or should be, has said what it has. A peer that
    /// restarts itself is not waited for (RFC 4724 section 4.1).
    pub(super) fn check_deferral(&mut self) {
        let Some(deferral) = &self.deferred else {
            return;
        };
        let all = deferral.callers.is_empty() && self.peers.keys().all(|id| self.is_through(*id));
        if all {
            tracing::info!("every peer has said what it has, peers are told what there is");
            self.end_deferral();
        }
    }

    fn is_through(&self, id: PeerId) -> bool {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        session.is_some_and(is_through)
    }
}

/// Whether a session has brought everything that is to come at its beginning.
fn is_through(session: &Session) -> bool {
    let restarting = session
        .negotiated
        .restart
        .as_ref()
        .is_some_and(|restart| restart.restarting);
    restarting || session.negotiated.codec.families.is_subset(&session.ended)
}
