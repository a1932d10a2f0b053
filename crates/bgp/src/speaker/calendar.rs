//! Which peer needs attention when.

use crate::{Moment, PeerId};
use std::collections::BTreeSet;

/// The next deadline of every peer.
#[derive(Debug, Default)]
pub(super) struct Calendar(BTreeSet<(Moment, PeerId)>);

impl Calendar {
    /// A peer that was down for `from` is down for `to` now.
    pub(super) fn move_to(&mut self, peer: PeerId, from: Option<Moment>, to: Option<Moment>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.0.remove(&(from, peer));
        }
        if let Some(to) = to {
            self.0.insert((to, peer));
        }
    }

    /// The first moment anybody is down for.
    pub(super) fn first(&self) -> Option<Moment> {
        self.0.first().map(|(at, _)| *at)
    }

    /// A peer that is due at `now`.
    pub(super) fn due(&self, now: Moment) -> Option<PeerId> {
        self.0
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, peer)| *peer)
    }
}
