//! Who is known by which address, and how many peers each range has.

use super::peer::Origin;
use crate::PeerId;
use std::collections::HashMap;
use std::net::IpAddr;

/// The addresses of all peers.
#[derive(Debug, Default)]
pub(super) struct Known {
    peers: HashMap<IpAddr, PeerId>,
    callers: HashMap<String, usize>,
}

impl Known {
    /// The peer at an address.
    pub(super) fn at(&self, address: IpAddr) -> Option<PeerId> {
        self.peers.get(&address).copied()
    }

    /// How many peers came out of a range.
    pub(super) fn callers(&self, range: &str) -> usize {
        self.callers.get(range).copied().unwrap_or(0)
    }

    /// A peer is there.
    pub(super) fn add(&mut self, peer: PeerId, address: IpAddr, origin: &Origin) {
        self.peers.insert(address, peer);
        if let Origin::Range(range) = origin {
            *self.callers.entry(range.clone()).or_default() += 1;
        }
    }

    /// A peer is gone; another may have its address by now.
    pub(super) fn remove(&mut self, peer: PeerId, address: IpAddr, origin: &Origin) {
        if self.at(address) == Some(peer) {
            self.peers.remove(&address);
        }
        if let Origin::Range(range) = origin
            && let Some(callers) = self.callers.get_mut(range)
        {
            *callers = callers.saturating_sub(1);
        }
    }
}
