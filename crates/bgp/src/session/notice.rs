//! The notifications a session sends by itself, by the names the RFCs give them.

use super::retention::outlives;
use super::{Farewell, Negotiated};
use crate::wire::Notification;
use bytes::Bytes;
use gingham_model::Family;

/// OPEN message error subcodes (RFC 4271 section 6.2, RFC 5492).
pub(super) const BAD_PEER_AS: u8 = 2;
pub(super) const BAD_BGP_IDENTIFIER: u8 = 3;
pub(super) const UNACCEPTABLE_HOLD_TIME: u8 = 6;
pub(super) const UNSUPPORTED_CAPABILITY: u8 = 7;

/// Error codes (RFC 4271 section 4.5, RFC 9687).
const OPEN_ERROR: u8 = 2;
const HOLD_TIMER_EXPIRED: u8 = 4;
const FSM_ERROR: u8 = 5;
const CEASE: u8 = 6;
const SEND_HOLD_TIMER_EXPIRED: u8 = 8;

/// Cease subcodes (RFC 4486, RFC 9384).
const MAX_PREFIXES: u8 = 1;
const SHUTDOWN: u8 = 2;
const DECONFIGURED: u8 = 3;
const RESET: u8 = 4;
const REJECTED: u8 = 5;
const CONFIGURATION_CHANGE: u8 = 6;
const COLLISION: u8 = 7;
const BFD_DOWN: u8 = 10;

/// The number of a family on the wire (IANA address family numbers).
pub(super) fn afi(family: Family) -> u8 {
    match family {
        Family::V4 => 1,
        Family::V6 => 2,
    }
}

/// An OPEN that cannot be accepted.
pub(super) fn open_error(subcode: u8) -> Notification {
    Notification::new(OPEN_ERROR, subcode)
}

/// Nothing was heard for the hold time.
pub(super) fn hold_timer() -> Notification {
    Notification::new(HOLD_TIMER_EXPIRED, 0)
}

/// Nothing could be written for the send hold time.
pub(super) fn send_hold_timer() -> Notification {
    Notification::new(SEND_HOLD_TIMER_EXPIRED, 0)
}

/// A message of this type in a state that has no place for it; `subcode` is the state's (RFC 6608).
pub(super) fn unexpected(subcode: u8, message_type: u8) -> Notification {
    let mut error = Notification::new(FSM_ERROR, subcode);
    error.data = Bytes::copy_from_slice(&[message_type]);
    error
}

/// The other connection of this peer is kept.
pub(super) fn collision() -> Notification {
    Notification::new(CEASE, COLLISION)
}

/// A connection of this peer is not wanted.
pub(super) fn rejected() -> Notification {
    Notification::new(CEASE, REJECTED)
}

/// What a peer is told for a farewell; `None` where it is to be told nothing. Where both ends keep
/// routes through a notification and these are to go, it travels inside a hard reset (RFC 8538
/// section 3.1).
pub(super) fn farewell(
    farewell: &Farewell,
    negotiated: Option<&Negotiated>,
) -> Option<Notification> {
    let plain = match farewell {
        Farewell::Shutdown(text) | Farewell::HardReset(text) => {
            Notification::new(CEASE, SHUTDOWN).with_text(text)
        }
        Farewell::Reset(text) => Notification::new(CEASE, RESET).with_text(text),
        Farewell::Deconfigured => Notification::new(CEASE, DECONFIGURED),
        Farewell::ConfigurationChange => Notification::new(CEASE, CONFIGURATION_CHANGE),
        Farewell::MaxPrefixes(family, limit) => max_prefixes(*family, *limit),
        Farewell::BfdDown => Notification::new(CEASE, BFD_DOWN),
        Farewell::Restart => return None,
    };
    let restart = negotiated.and_then(|negotiated| negotiated.restart.as_ref());
    let survives = restart.is_some_and(|restart| restart.notification);
    Some(match survives && !outlives(farewell) {
        true => plain.into_hard_reset(),
        false => plain,
    })
}

/// RFC 4486 section 4: AFI, SAFI and the limit that was passed.
fn max_prefixes(family: Family, limit: u32) -> Notification {
    let mut notification = Notification::new(CEASE, MAX_PREFIXES);
    let front = [0, afi(family), 1];
    notification.data = front.into_iter().chain(limit.to_be_bytes()).collect();
    notification
}
