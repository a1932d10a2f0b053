//! How connections and sessions end.

use super::{Dial, Machine, Will};
use crate::session::connection::Connection;
use crate::session::{Action, Cause, ConnectionId, Down, Farewell, notice, retention, timers};
use crate::wire::{self, Notification};

impl Machine {
    /// The neighbour is not wanted any more, or is to be reset.
    pub(super) fn stop(&mut self, farewell: &Farewell) {
        // The path of a peer that is not up is nobody's business yet.
        if *farewell == Farewell::BfdDown && self.negotiated().is_none() {
            return;
        }
        let connections: Vec<ConnectionId> = self.connections.iter().map(|open| open.id).collect();
        for id in connections {
            let negotiated = self.find(id).and_then(|open| open.established());
            let notification = notice::farewell(farewell, negotiated);
            self.end(id, notification.as_ref(), Cause::Stopped(farewell.clone()));
        }
        let will = match farewell {
            Farewell::Reset(_) | Farewell::ConfigurationChange | Farewell::BfdDown => Will::Wanted,
            Farewell::MaxPrefixes(..) => Will::Resting(self.now + timers::REST),
            Farewell::Shutdown(_)
            | Farewell::HardReset(_)
            | Farewell::Deconfigured
            | Farewell::Restart => Will::Stopped,
        };
        // A reset ends a rest, but starts nothing that was stopped.
        if self.will != Will::Stopped {
            self.will = will;
        }
        if self.will != Will::Wanted {
            self.dial = Dial::Off;
        }
    }

    /// Ends a connection from our side, with a last word if there is one.
    pub(super) fn end(&mut self, id: ConnectionId, word: Option<&Notification>, cause: Cause) {
        if let Some(connection) = self.take(id) {
            if let Some(word) = word {
                self.send(id, wire::encode_notification(word));
            }
            self.actions.push(Action::Close(id));
            self.ended(&connection, cause);
        }
    }

    /// Ends a connection because of what the peer did.
    pub(super) fn fail(&mut self, id: ConnectionId, error: Notification) {
        self.end(id, Some(&error.clone()), Cause::Sent(error));
    }

    /// Closes a connection that is not to become, or to replace, the session. Nothing has failed.
    pub(super) fn refuse(&mut self, id: ConnectionId, word: &Notification) {
        self.take(id);
        self.send(id, wire::encode_notification(word));
        self.actions.push(Action::Close(id));
    }

    /// Says what the end of `connection` means. A try that failed is told only if no other is left.
    pub(super) fn ended(&mut self, connection: &Connection, cause: Cause) {
        match connection.established() {
            Some(negotiated) => {
                let keep = retention::kept(negotiated, &cause);
                self.actions.push(Action::Down(Down { cause, keep }));
            }
            None if self.connections.is_empty() && !matches!(cause, Cause::Stopped(_)) => {
                self.actions.push(Action::Failed(cause.to_string()));
            }
            None => {}
        }
    }
}
