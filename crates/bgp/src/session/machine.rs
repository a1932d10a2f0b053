//! The state machine: which event leads where. What a message does is in `receive`, how two
//! connections become one session in `settle`, how one ends in `ending`.

mod ending;
mod receive;
mod settle;

use super::collision::{Side, Verdict};
use super::connection::{Connection, Phase};
use super::timers::{self, Jitter};
use super::{Action, Cause, ConnectionId, Ends, Event, Negotiated, Plan, State};
use super::{negotiate, notice};
use crate::Moment;
use crate::config::Connect;
use crate::wire;
use bytes::Bytes;

/// One neighbour, both of its connections included.
#[derive(Clone, Debug)]
pub struct Machine {
    plan: Plan,
    will: Will,
    dial: Dial,
    /// Tries in a row that did not lead to a session.
    failures: u32,
    jitter: Jitter,
    /// At most one established; at most one of either side on the way there.
    connections: Vec<Connection>,
    /// The moment of the event in hand.
    now: Moment,
    /// What it has led to so far.
    actions: Vec<Action>,
}

/// Whether a session is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Will {
    /// Not until the next start.
    Stopped,
    /// Not until then: the peer announced too many prefixes.
    Resting(Moment),
    /// Now.
    Wanted,
}

/// What becomes of our own dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dial {
    /// Nothing: it is not our turn, or a connection is alive.
    Off,
    /// It is next tried then (ConnectRetryTimer).
    At(Moment),
    /// It runs, until then.
    Running(Moment),
}

impl Machine {
    /// A neighbour that is not wanted yet. Equal plans, seeds and events give equal actions.
    pub fn new(plan: Plan, seed: u64) -> Machine {
        Machine {
            plan,
            will: Will::Stopped,
            dial: Dial::Off,
            failures: 0,
            jitter: Jitter::new(seed),
            connections: Vec::new(),
            now: Moment::START,
            actions: Vec::new(),
        }
    }

    /// What is to be done, in this order, because of `event`. Events of a connection that is unknown,
    /// or that an earlier [`Action::Close`] ended, lead to nothing.
    pub fn handle(&mut self, now: Moment, event: &Event) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Start => self.start(),
            Event::Stop(farewell) => self.stop(farewell),
            Event::Dialled(id, ends) => self.dialled(*id, *ends),
            Event::DialFailed(why) => self.dial_failed(why),
            Event::Accepted(id, ends) => self.accepted(*id, *ends),
            Event::Frame(id, frame) => self.receive(*id, frame),
            Event::Closed(id, why) => self.closed(*id, why),
            Event::Blocked(id) => self.blocked(*id, Some(now)),
            Event::Unblocked(id) => self.blocked(*id, None),
            Event::Deadline => self.expire(),
        }
        self.settle();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Deadline`] is due; `None` while only other events can change anything.
    pub fn deadline(&self) -> Option<Moment> {
        let rest = match self.will {
            Will::Resting(until) => Some(until),
            _ => None,
        };
        let dial = match self.dial {
            Dial::Off => None,
            Dial::At(at) | Dial::Running(at) => Some(at),
        };
        let collision = match self.verdict() {
            Verdict::Wait(_, until) => Some(until),
            _ => None,
        };
        let connections = self.connections.iter().map(Connection::deadline);
        let timers = connections.chain([rest, dial, collision]);
        timers.flatten().min()
    }

    /// The state of the connection that got furthest.
    pub fn state(&self) -> State {
        let furthest = self.connections.iter().map(Connection::state).max();
        furthest.unwrap_or(match (self.will, self.dial) {
            (Will::Wanted, Dial::Running(_)) => State::Connect,
            (Will::Wanted, _) => State::Active,
            _ => State::Idle,
        })
    }

    /// What both ends agreed on, while the session is up.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.connections.iter().find_map(Connection::established)
    }

    /// The plan of the next OPEN.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// From now on OPENs are sent by this plan. A session that is up keeps what it agreed on.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    fn start(&mut self) {
        if self.will != Will::Wanted {
            self.will = Will::Wanted;
            self.failures = 0;
            self.dial = Dial::At(self.now);
            self.dial_if_due();
        }
    }

    fn dialled(&mut self, id: ConnectionId, ends: Ends) {
        if self.find(id).is_some() {
            return;
        }
        self.dial = Dial::Off;
        // A dial that comes too late is dropped before it says anything. Past OpenSent the other
        // connection may be established at the peer, which would then close this one.
        let mut others = self.connections.iter();
        let rival = others.any(|other| other.side == Side::Dialled || other.negotiated().is_some());
        match self.will == Will::Wanted && !rival {
            true => self.open(id, ends, Side::Dialled),
            false => self.actions.push(Action::Close(id)),
        }
    }

    fn dial_failed(&mut self, why: &str) {
        if let Dial::Running(_) = self.dial {
            self.dial = Dial::Off;
            self.actions.push(Action::Failed(why.to_owned()));
        }
    }

    fn accepted(&mut self, id: ConnectionId, ends: Ends) {
        if self.find(id).is_some() {
            return;
        }
        if self.will != Will::Wanted || self.plan.connect == Connect::Active {
            return self.refuse(id, &notice::rejected());
        }
        if !self.admits_replacement() {
            return self.refuse(id, &notice::collision());
        }
        // A peer dials one connection at a time: it has lost the one before.
        let previous = self
            .connections
            .iter()
            .find(|other| other.side == Side::Accepted && other.established().is_none());
        if let Some(previous) = previous.map(|connection| connection.id) {
            self.take(previous);
            self.actions.push(Action::Close(previous));
        }
        self.open(id, ends, Side::Accepted);
    }

    /// Whether an accepted connection may take the place of what there is. A session that is up
    /// yields to one only where a restart is possible (RFC 4724 section 4.2), and not right after it
    /// came up: the connection may then be left over from the collision that made the session.
    fn admits_replacement(&self) -> bool {
        let sessions = self.connections.iter();
        let mut sessions = sessions.filter_map(|connection| match &connection.phase {
            Phase::Established(negotiated, since) => Some((negotiated, *since)),
            _ => None,
        });
        sessions.all(|(negotiated, since)| {
            negotiated.restart.is_some() && self.now.since(since) >= timers::COLLISION_WINDOW
        })
    }

    fn open(&mut self, id: ConnectionId, ends: Ends, side: Side) {
        let open = negotiate::open(&self.plan, self.now);
        self.send(id, wire::encode_open(&open));
        let mut connection = Connection::new(id, ends, side, open);
        connection.heard(self.now);
        self.connections.push(connection);
    }

    fn closed(&mut self, id: ConnectionId, why: &str) {
        if let Some(connection) = self.take(id) {
            self.ended(&connection, Cause::Closed(why.to_owned()));
        }
    }

    fn blocked(&mut self, id: ConnectionId, since: Option<Moment>) {
        if let Some(connection) = self.find(id) {
            connection.blocked_since = since.map(|now| connection.blocked_since.unwrap_or(now));
        }
    }

    fn expire(&mut self) {
        if matches!(self.will, Will::Resting(until) if until <= self.now) {
            self.start();
        }
        let ids: Vec<ConnectionId> = self.connections.iter().map(|open| open.id).collect();
        for id in ids {
            self.expire_connection(id);
        }
        if matches!(self.dial, Dial::Running(until) if until <= self.now) {
            self.dial_failed("the dial timed out");
        }
        self.dial_if_due();
    }

    fn expire_connection(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.find(id) else {
            return;
        };
        let due = |timer: Option<Moment>| timer.is_some_and(|at| at <= now);
        if due(connection.hold_until) {
            self.end(id, Some(&notice::hold_timer()), Cause::HoldTimer);
        } else if due(connection.send_hold_until()) {
            self.end(id, Some(&notice::send_hold_timer()), Cause::SendHoldTimer);
        } else if due(connection.keepalive_at) {
            self.keep_alive(id);
        }
    }

    /// Sends a KEEPALIVE and sets the time of the next.
    fn keep_alive(&mut self, id: ConnectionId) {
        let now = self.now;
        let found = self.connections.iter_mut().find(|open| open.id == id);
        if let Some(connection) = found {
            let hold = connection.negotiated().and_then(|agreed| agreed.hold);
            connection.keepalive_at = hold.map(|hold| now + self.jitter.keepalive(hold));
            self.send(id, wire::encode_keepalive());
        }
    }

    /// A connection that is alive holds our own dialling back: it would only collide.
    fn dial_if_due(&mut self) {
        if !matches!(self.dial, Dial::At(at) if at <= self.now) {
            return;
        }
        self.dial = Dial::Off;
        if self.plan.connect != Connect::Passive && self.connections.is_empty() {
            self.dial = Dial::Running(self.now + timers::DIAL);
            self.actions.push(Action::Dial);
        }
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|open| open.id == id)
    }

    fn take(&mut self, id: ConnectionId) -> Option<Connection> {
        let at = self.connections.iter().position(|open| open.id == id)?;
        Some(self.connections.remove(at))
    }

    fn send(&mut self, id: ConnectionId, message: Bytes) {
        self.actions.push(Action::Send(id, message));
    }
}
