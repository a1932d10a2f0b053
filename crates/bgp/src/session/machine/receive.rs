//! What a message does.

use super::Machine;
use crate::session::check::check;
use crate::session::connection::{Confirmation, Phase};
use crate::session::{Action, Cause, ConnectionId, RefreshKind, negotiate, timers};
use crate::wire::{Message, Open, Refresh, RefreshPart, Update};
use bytes::Bytes;

impl Machine {
    pub(super) fn receive(&mut self, id: ConnectionId, frame: &Bytes) {
        let Some(connection) = self.find(id) else {
            return;
        };
        match connection.read(frame) {
            Err(error) => self.fail(id, error),
            Ok(Message::Open(open)) => self.opened(id, &open),
            Ok(Message::Keepalive) => self.kept_alive(id),
            Ok(Message::Notification(said)) => self.end(id, None, Cause::Received(said)),
            Ok(Message::Update(update)) => self.updated(id, update),
            Ok(Message::Refresh(refresh)) => self.refreshed(id, refresh),
        }
    }

    fn opened(&mut self, id: ConnectionId, theirs: &Open) {
        let (peer_asn, now) = (self.plan.peer_asn, self.now);
        let Some(connection) = self.find(id) else {
            return;
        };
        let Phase::OpenSent(ours) = &connection.phase else {
            return;
        };
        if let Err(error) = check(peer_asn, ours, theirs) {
            return self.fail(id, error);
        }
        let negotiated = negotiate::negotiate(ours, theirs, id, connection.ends);
        connection.phase = Phase::OpenConfirm(Confirmation {
            negotiated: Box::new(negotiated),
            sent: false,
            heard: false,
            patience: now + timers::COLLISION_WAIT,
        });
        connection.heard(now);
        self.replace_session(id);
    }

    /// A valid OPEN on a new connection shows that the peer has given up the session there was
    /// (RFC 4724 section 4.2); it is closed without a word.
    fn replace_session(&mut self, by: ConnectionId) {
        let others = self.connections.iter().filter(|other| other.id != by);
        let old = others.filter(|other| other.established().is_some());
        let old: Vec<ConnectionId> = old.map(|other| other.id).collect();
        for id in old {
            self.end(id, None, Cause::Replaced);
        }
    }

    fn kept_alive(&mut self, id: ConnectionId) {
        let now = self.now;
        if let Some(connection) = self.find(id) {
            connection.heard(now);
            if let Phase::OpenConfirm(confirmation) = &mut connection.phase {
                confirmation.heard = true;
            }
        }
    }

    fn updated(&mut self, id: ConnectionId, update: Update) {
        self.insist(id);
        let now = self.now;
        if let Some(connection) = self.find(id) {
            connection.heard(now);
            self.actions.push(Action::Update(update));
        }
    }

    fn refreshed(&mut self, id: ConnectionId, refresh: Refresh) {
        self.insist(id);
        let (Some(negotiated), Some(family)) = (self.negotiated(), refresh.family) else {
            return;
        };
        // A request needs our capability only, which every OPEN of ours carries; borders need both.
        let agreed = match refresh.part {
            RefreshPart::Request => true,
            RefreshPart::Begin | RefreshPart::End => negotiated.refresh == RefreshKind::Enhanced,
        };
        if agreed && negotiated.codec.families.contains(&family) {
            self.actions.push(Action::Refresh(family, refresh.part));
        }
    }

    /// The peer speaks as on an established session: it has made up its mind about a collision.
    fn insist(&mut self, id: ConnectionId) {
        if self.find(id).is_some_and(|open| open.is_complete()) {
            self.establish(id);
        }
    }
}
