//! Routes that outlive their session (RFC 4724, RFC 9494), and routes said all over again (RFC 7313).

use super::core::Core;
use super::peer::{Retained, Session};
use crate::session::Down;
use crate::{Moment, PeerId};
use gingham_model::Family;
use std::time::Duration;

impl Core {
    /// A session is lost: its routes go, or are kept for as long as was agreed.
    pub(super) fn down(&mut self, now: Moment, id: PeerId, down: &Down) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(session) = peer.session.take() else {
            return;
        };
        peer.counters.lost += 1;
        peer.last_error = Some(down.cause.to_string());
        tracing::warn!(peer = peer.name, cause = %down.cause, kept = ?down.keep, "session lost");
        for (family, profile) in &session.groups {
            tracing::debug!(peer = peer.name, %family, "no longer told");
            self.spread.leave(id, profile);
        }
        for &family in &session.negotiated.codec.families {
            match down.keep.get(&family) {
                Some(keep) => {
                    // What waited to be confirmed was not (RFC 4724 section 4.2). What a refresh had
                    // yet to repeat is no older than the rest.
                    if self.is_retained(id, family) {
                        self.rib.sweep(id, family);
                    }
                    self.rib.mark_stale(id, family);
                    let stale = Retained::Stale(now + keep.stale, keep.long_lived);
                    self.retain(id, family, Some(stale));
                }
                None => {
                    self.rib.flush(id, family);
                    self.retain(id, family, None);
                }
            }
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.before = Some(session.negotiated);
        }
        self.note_session(id);
        self.check_deferral();
    }

    /// A peer is back: what it kept forwarding for waits for its End-of-RIB, the rest goes.
    pub(super) fn confirm_retained(&mut self, now: Moment, id: PeerId) {
        let patience = Duration::from_secs(self.config.graceful_restart.stale_path_seconds.into());
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(session) = &peer.session else {
            return;
        };
        let retained = peer.retained.iter();
        let judged: Vec<(Family, bool)> = retained
            .map(|(family, retained)| (*family, kept_forwarding(session, *family, *retained)))
            .collect();
        for (family, forwarding) in judged {
            if forwarding {
                self.retain(id, family, Some(Retained::Returning(now + patience)));
            } else {
                self.rib.flush(id, family);
                self.retain(id, family, None);
            }
        }
    }

    /// What is kept has been kept for long enough.
    pub(super) fn expire_retained(&mut self, now: Moment, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        for (family, retained) in peer.retained.clone() {
            match retained {
                Retained::Stale(until, long) if until <= now && !long.is_zero() => {
                    self.rib.long_lived(id, family);
                    self.retain(id, family, Some(Retained::LongLived(until + long)));
                }
                Retained::Stale(until, _) | Retained::LongLived(until) if until <= now => {
                    self.rib.flush(id, family);
                    self.retain(id, family, None);
                }
                Retained::Returning(until) if until <= now => {
                    self.rib.sweep(id, family);
                    self.retain(id, family, None);
                }
                _ => {}
            }
        }
    }

    /// The peer has said everything (RFC 4724 section 2).
    pub(super) fn end_of_rib(&mut self, id: PeerId, family: Family) {
        if let Some(session) = self.session(id) {
            session.ended.insert(family);
        }
        self.note_session(id);
        self.rib.sweep(id, family);
        self.retain(id, family, None);
        self.heard(id);
    }

    /// The peer begins to say everything again.
    pub(super) fn begin_refresh(&mut self, now: Moment, id: PeerId, family: Family) {
        let patience = Duration::from_secs(self.config.graceful_restart.stale_path_seconds.into());
        self.rib.mark_stale(id, family);
        if let Some(session) = self.session(id) {
            session.refreshing.insert(family, now + patience);
        }
    }

    /// The peer has said everything again. Without a beginning an end says nothing (RFC 7313 section 4).
    pub(super) fn end_refresh(&mut self, id: PeerId, family: Family) {
        let begun = self.session(id).and_then(|s| s.refreshing.remove(&family));
        if begun.is_some() {
            self.rib.sweep(id, family);
        }
    }

    /// A peer that began a refresh and never ended it is taken by its word so far.
    pub(super) fn expire_refreshes(&mut self, now: Moment, id: PeerId) {
        let Some(session) = self.session(id) else {
            return;
        };
        let late = session
            .refreshing
            .iter()
            .filter(|(_, until)| **until <= now);
        let late: Vec<Family> = late.map(|(family, _)| *family).collect();
        for family in late {
            self.end_refresh(id, family);
        }
    }

    /// Whether there are routes that no session stands by.
    pub(super) fn is_retained(&self, id: PeerId, family: Family) -> bool {
        let peer = self.peers.get(&id);
        peer.is_some_and(|peer| peer.retained.contains_key(&family))
    }

    fn retain(&mut self, id: PeerId, family: Family, retained: Option<Retained>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let before = match retained {
            Some(retained) => peer.retained.insert(family, retained),
            None => peer.retained.remove(&family),
        };
        if before.is_some() || retained.is_some() {
            tracing::info!(peer = peer.name, %family, ?before, now = ?retained, "routes kept without a session");
        }
    }

    fn session(&mut self, id: PeerId) -> Option<&mut Session> {
        self.peers.get_mut(&id)?.session.as_mut()
    }
}

/// Whether a peer that is back went on forwarding meanwhile: the F bit of graceful restart (RFC 4724
/// section 4.2), or, once its routes are long-lived stale, that of the other (RFC 9494 section 4.2).
fn kept_forwarding(session: &Session, family: Family, retained: Retained) -> bool {
    let negotiated = &session.negotiated;
    match retained {
        Retained::LongLived(_) => negotiated
            .long_lived
            .get(&family)
            .is_some_and(|offer| offer.forwarding),
        Retained::Stale(..) | Retained::Returning(_) => negotiated
            .restart
            .as_ref()
            .is_some_and(|restart| restart.families.get(&family) == Some(&true)),
    }
}
