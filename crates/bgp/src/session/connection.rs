//! One TCP connection of a neighbour: how far it got, and its timers.

use super::collision::{Side, Stage};
use super::{ConnectionId, Ends, Negotiated, State, notice, timers};
use crate::Moment;
use crate::wire::{self, Codec, HEADER, Message, Notification, Open, PeerKind};
use bytes::Bytes;

/// Message types (RFC 4271 section 4.1, RFC 2918).
const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
const REFRESH: u8 = 5;

/// Error code of a message header (RFC 4271 section 6.1).
const HEADER_ERROR: u8 = 1;

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) ends: Ends,
    pub(super) side: Side,
    pub(super) phase: Phase,
    /// When the peer has been silent for too long.
    pub(super) hold_until: Option<Moment>,
    /// When the next KEEPALIVE is due.
    pub(super) keepalive_at: Option<Moment>,
    /// Since when nothing could be written.
    pub(super) blocked_since: Option<Moment>,
}

/// How far a connection got.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// We sent this OPEN.
    OpenSent(Box<Open>),
    /// Both OPENs were exchanged.
    OpenConfirm(Confirmation),
    /// Both KEEPALIVEs too, at that moment.
    Established(Box<Negotiated>, Moment),
}

/// What is known of a connection in OpenConfirm.
#[derive(Clone, Debug)]
pub(super) struct Confirmation {
    pub(super) negotiated: Box<Negotiated>,
    /// Whether our KEEPALIVE was sent: the peer may take the session as established from then on.
    pub(super) sent: bool,
    /// Whether the peer's has come.
    pub(super) heard: bool,
    /// How long it waits for a connection that would win a collision against it.
    pub(super) patience: Moment,
}

impl Connection {
    /// A connection on which `open` is sent now.
    pub(super) fn new(id: ConnectionId, ends: Ends, side: Side, open: Open) -> Self {
        Connection {
            id,
            ends,
            side,
            phase: Phase::OpenSent(Box::new(open)),
            hold_until: None,
            keepalive_at: None,
            blocked_since: None,
        }
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::OpenSent(_) => State::OpenSent,
            Phase::OpenConfirm(_) => State::OpenConfirm,
            Phase::Established(..) => State::Established,
        }
    }

    /// How far it got on the way to being established; `None` once it is.
    pub(super) fn stage(&self) -> Option<Stage> {
        match &self.phase {
            Phase::OpenSent(_) => Some(Stage::OpenSent),
            Phase::OpenConfirm(confirmation) => Some(Stage::OpenConfirm(confirmation.patience)),
            Phase::Established(..) => None,
        }
    }

    /// What both ends agreed on, once the peer's OPEN has come.
    pub(super) fn negotiated(&self) -> Option<&Negotiated> {
        match &self.phase {
            Phase::OpenSent(_) => None,
            Phase::OpenConfirm(confirmation) => Some(&confirmation.negotiated),
            Phase::Established(negotiated, _) => Some(negotiated),
        }
    }

    /// What both ends agreed on, if the session is up.
    pub(super) fn established(&self) -> Option<&Negotiated> {
        match &self.phase {
            Phase::Established(negotiated, _) => Some(negotiated),
            _ => None,
        }
    }

    /// Whether nothing but a verdict on a collision keeps it from being established.
    pub(super) fn is_complete(&self) -> bool {
        matches!(&self.phase, Phase::OpenConfirm(c) if c.sent && c.heard)
    }

    /// The peer was heard: the hold timer starts again (RFC 4271 section 8.2.2).
    pub(super) fn heard(&mut self, now: Moment) {
        let hold = self.negotiated().and_then(|negotiated| negotiated.hold);
        match (hold, &self.phase) {
            (Some(hold), _) => self.hold_until = Some(now + hold),
            // Without a hold time a session lives for ever, but it need not take for ever to come up.
            (None, Phase::Established(..)) => self.hold_until = None,
            (None, _) => self.hold_until = Some(now + timers::OPEN),
        }
    }

    /// When the peer has refused to read for too long (RFC 9687): of an established session only,
    /// the others end sooner.
    pub(super) fn send_hold_until(&self) -> Option<Moment> {
        let negotiated = self.established()?;
        Some(self.blocked_since? + timers::send_hold(negotiated.hold))
    }

    /// When it has something to do next.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let timers = [self.hold_until, self.keepalive_at, self.send_hold_until()];
        timers.into_iter().flatten().min()
    }

    /// The message in `frame`; or what the peer is to be told, which for a message that has no place
    /// in this state is not about its contents.
    pub(super) fn read(&self, frame: &Bytes) -> Result<Message, Notification> {
        let message = match self.negotiated() {
            Some(negotiated) => wire::decode(frame, &negotiated.codec),
            // The kind of the peer matters in an UPDATE only, which has no place before its OPEN.
            None => wire::decode(frame, &Codec::opening(PeerKind::External)),
        };
        match (&message, frame.get(HEADER - 1)) {
            (Err(error), _) if error.code == HEADER_ERROR => message,
            (_, Some(message_type)) if !self.expects(*message_type) => {
                Err(notice::unexpected(self.fsm_subcode(), *message_type))
            }
            _ => message,
        }
    }

    fn expects(&self, message_type: u8) -> bool {
        match &self.phase {
            Phase::OpenSent(_) => matches!(message_type, OPEN | NOTIFICATION),
            // A peer that heard our KEEPALIVE may begin while we still wait for a collision's end.
            Phase::OpenConfirm(c) if c.sent && c.heard => message_type != OPEN,
            Phase::OpenConfirm(_) => matches!(message_type, KEEPALIVE | NOTIFICATION),
            Phase::Established(..) => {
                matches!(message_type, UPDATE | NOTIFICATION | KEEPALIVE | REFRESH)
            }
        }
    }

    /// The subcode of a finite state machine error in this state (RFC 6608 section 3).
    fn fsm_subcode(&self) -> u8 {
        match self.phase {
            Phase::OpenSent(_) => 1,
            Phase::OpenConfirm(_) => 2,
            Phase::Established(..) => 3,
        }
    }
}
