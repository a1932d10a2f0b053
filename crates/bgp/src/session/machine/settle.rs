//! From one or two connections to one session.

use super::{Dial, Machine, Will};
use crate::config::Connect;
use crate::session::collision::{self, Side, Stage, Verdict};
use crate::session::connection::{Connection, Phase};
use crate::session::{Action, ConnectionId, notice};

impl Machine {
    /// Brings about what the connections there are allow: a collision is resolved, a connection
    /// confirmed, the session established, the next dial set.
    pub(super) fn settle(&mut self) {
        let waiting = match self.verdict() {
            Verdict::Undecided => None,
            Verdict::Wait(side, _) => Some(side),
            Verdict::Close(side) => {
                self.refuse_side(side);
                None
            }
        };
        let ready = self
            .connections
            .iter()
            .filter(|open| Some(open.side) != waiting);
        let ready: Vec<ConnectionId> = ready.map(|open| open.id).collect();
        for id in ready {
            self.confirm(id);
        }
        self.set_dial();
    }

    /// What is to be done about the two connections on their way, if there are two.
    pub(super) fn verdict(&self) -> Verdict {
        let stage = |side: Side| -> Option<Stage> {
            let mut of_side = self.connections.iter().filter(|open| open.side == side);
            of_side.find_map(Connection::stage)
        };
        let peer = self.connections.iter().find_map(Connection::negotiated);
        let (Some(dialled), Some(accepted), Some(peer)) =
            (stage(Side::Dialled), stage(Side::Accepted), peer)
        else {
            return Verdict::Undecided;
        };
        let winner = collision::winner(
            (self.plan.router_id, self.plan.local_asn),
            (peer.peer_router_id, peer.peer_asn),
        );
        collision::judge(winner, dialled, accepted, self.now)
    }

    fn refuse_side(&mut self, side: Side) {
        let mut on_their_way = self
            .connections
            .iter()
            .filter(|open| open.stage().is_some());
        if let Some(loser) = on_their_way.find(|open| open.side == side) {
            self.refuse(loser.id, &notice::collision());
        }
    }

    /// Answers an OPEN with our KEEPALIVE; with the peer's as well, the session is up.
    fn confirm(&mut self, id: ConnectionId) {
        let Some(connection) = self.find(id) else {
            return;
        };
        let Phase::OpenConfirm(confirmation) = &mut connection.phase else {
            return;
        };
        if !confirmation.sent {
            confirmation.sent = true;
            self.keep_alive(id);
        }
        if self.find(id).is_some_and(|open| open.is_complete()) {
            self.establish(id);
        }
    }

    /// The session is up on this connection; another one there may be is closed.
    pub(super) fn establish(&mut self, id: ConnectionId) {
        let others = self.connections.iter().filter(|other| other.id != id);
        let others: Vec<ConnectionId> = others.map(|other| other.id).collect();
        for other in others {
            self.refuse(other, &notice::collision());
        }
        let now = self.now;
        let Some(connection) = self.find(id) else {
            return;
        };
        let Phase::OpenConfirm(confirmation) = &connection.phase else {
            return;
        };
        let negotiated = confirmation.negotiated.clone();
        connection.phase = Phase::Established(negotiated.clone(), now);
        connection.heard(now);
        self.failures = 0;
        self.dial = Dial::Off;
        self.actions.push(Action::Up(negotiated));
    }

    /// Where nothing is alive and nothing is planned, the next dial is.
    fn set_dial(&mut self) {
        let idle = self.connections.is_empty() && self.dial == Dial::Off;
        if idle && self.will == Will::Wanted && self.plan.connect != Connect::Passive {
            self.dial = Dial::At(self.now + self.jitter.retry(self.failures));
            self.failures = self.failures.saturating_add(1);
        }
    }
}
