//! The state machine of one neighbour: a pure function of events, with time as an argument.
//!
//! ```text
//!                         ┌──────────── Event ◄── rim: dialled, accepted, bytes, closed, deadline
//!  Idle ─► Connect/Active ─► OpenSent ─► OpenConfirm ─► Established
//!                         └──────────► [Action] ──► rim: dial, send, close; core: up, update, down
//! ```
//!
//! One [`Machine`] owns both connections a neighbour may have at a time and resolves their collision
//! (RFC 4271 section 6.8). It never touches a socket: the same events give the same actions, so a
//! recorded session can be replayed.

mod check;
mod collision;
mod connection;
mod machine;
mod negotiate;
mod notice;
pub mod record;
mod retention;
mod timers;

pub use machine::Machine;

use crate::config::AsnWidth;
use crate::wire::{Codec, LongLivedOffer, Notification, Update};
use crate::{Asn, Moment, RouterId};
use bytes::Bytes;
use gingham_model::Family;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// One TCP connection; never given twice while the speaker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Ours.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

/// What a machine is to bring about: derived from [`crate::config`], the same for a neighbour and for a
/// peer out of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Our AS.
    pub local_asn: Asn,
    /// Our identifier.
    pub router_id: RouterId,
    /// The AS the peer must be in.
    pub peer_asn: Asn,
    /// Who dials.
    pub connect: crate::config::Connect,
    /// The hold time we offer; zero for none.
    pub hold: Duration,
    /// Families offered, with what Add-Path may do in each.
    pub families: BTreeMap<Family, crate::config::FamilySettings>,
    /// Width of AS numbers offered.
    pub asn_width: AsnWidth,
    /// Whether extended messages are offered.
    pub messages: crate::config::MessageSize,
    /// Graceful restart as offered.
    pub restart: crate::config::GracefulRestart,
    /// Families whose forwarding state outlived our own restart: the F bits we send. Empty after a
    /// start with nothing kept.
    pub forwarding: BTreeSet<Family>,
    /// Until when we say we are restarting (the R bit); `Moment::START` for never.
    pub restarting_until: Moment,
}

/// The state of the connection that got furthest (RFC 4271 section 8.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the RFC's own names")]
pub enum State {
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// The neighbour is wanted.
    Start,
    /// The neighbour is not wanted any more, or to be reset: say this to it.
    Stop(Farewell),
    /// A dial asked for by [`Action::Dial`] led to a connection.
    Dialled(ConnectionId, Ends),
    /// It did not.
    DialFailed(String),
    /// The peer dialled.
    Accepted(ConnectionId, Ends),
    /// A whole message, or a header that cannot be one (see [`crate::wire::split`]).
    Frame(ConnectionId, #[serde(with = "hex")] Bytes),
    /// The peer closed, or the kernel gave up.
    Closed(ConnectionId, String),
    /// Nothing could be written since now: the peer does not read.
    Blocked(ConnectionId),
    /// Something could.
    Unblocked(ConnectionId),
    /// The moment of [`Machine::deadline`] has come.
    Deadline,
}

/// Why we end a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Farewell {
    /// Cease/2 with a text (RFC 9003); stays down until the next start.
    Shutdown(String),
    /// Cease/4 with a text; dials again.
    Reset(String),
    /// Cease/9 around Cease/2 (RFC 8538), or Cease/2 for a peer that does not know the former: routes
    /// are not to be kept; stays down until the next start.
    HardReset(String),
    /// Cease/3: the neighbour was taken out of the configuration; stays down.
    Deconfigured,
    /// Cease/6: a setting changed that a session cannot follow; dials again.
    ConfigurationChange,
    /// Cease/1: too many prefixes (RFC 4486), of this family, above this limit; comes back after five
    /// minutes.
    MaxPrefixes(Family, u32),
    /// Cease/10: BFD says the path is dead (RFC 9384); routes are dropped now.
    /// Dials again; means nothing while no session is up.
    BfdDown,
    /// The process ends without a word: closes the connection only, so that the peer keeps our routes;
    /// stays down.
    Restart,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection. A dial that still runs may be dropped: it was given up.
    Dial,
    /// Write this message, ahead of any update that was not begun.
    Send(ConnectionId, Bytes),
    /// Close, once everything sent is written; soon all the same if the peer does not read.
    Close(ConnectionId),
    /// The session is established.
    Up(Box<Negotiated>),
    /// The peer said this.
    Update(Update),
    /// The peer asks for our routes again, or brackets its own (only what was negotiated).
    Refresh(Family, crate::wire::RefreshPart),
    /// The session was established and is no more.
    Down(Down),
    /// A try failed before it was established; for the log and `peers`.
    Failed(String),
}

/// What both ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The connection that won.
    pub connection: ConnectionId,
    /// Its ends.
    pub ends: Ends,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// The peer's identifier.
    pub peer_router_id: RouterId,
    /// How messages are written.
    pub codec: Codec,
    /// The hold time; `None` when one end offered 0.
    pub hold: Option<Duration>,
    /// Whether and how routes can be asked for again.
    pub refresh: RefreshKind,
    /// Graceful restart, when both offer it.
    pub restart: Option<PeerRestart>,
    /// How long routes of the peer may be kept after the restart time, by family, and whether the peer
    /// kept forwarding; only where both offer it (RFC 9494).
    pub long_lived: BTreeMap<Family, LongLivedOffer>,
    /// Codes of the capabilities the peer sent.
    pub capabilities: BTreeSet<u8>,
}

/// How routes can be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshKind {
    /// Not at all.
    None,
    /// RFC 2918.
    Plain,
    /// RFC 7313.
    Enhanced,
}

/// What the peer offered about restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRestart {
    /// It has restarted: its End-of-RIB is to come, ours need not wait for it.
    pub restarting: bool,
    /// Both ends set N (RFC 8538).
    pub notification: bool,
    /// How long it may take to come back.
    pub time: Duration,
    /// Families of the agreement, and whether the peer kept forwarding.
    pub families: BTreeMap<Family, bool>,
}

/// How a session ended, and what that means for the peer's routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Why.
    pub cause: Cause,
    /// Families whose routes are kept, and for how long; those of other families go now.
    pub keep: BTreeMap<Family, Keep>,
}

/// How long the routes of a lost peer are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// As stale (RFC 4724), from now.
    pub stale: Duration,
    /// As long-lived stale (RFC 9494), after that; zero for not at all.
    pub long_lived: Duration,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The connection went away without a word.
    Closed(String),
    /// Nothing was heard for the hold time.
    HoldTimer,
    /// Nothing could be written for the send hold time (RFC 9687).
    SendHoldTimer,
    /// We sent this because of what the peer did.
    Sent(Notification),
    /// The peer sent this.
    Received(Notification),
    /// We were told to.
    Stopped(Farewell),
    /// A new connection of the same peer took its place (RFC 4724 section 4.2).
    Replaced,
}

/// One line for the log.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Closed(why) => write!(f, "connection closed: {why}"),
            Cause::HoldTimer => f.write_str("hold timer expired"),
            Cause::SendHoldTimer => f.write_str("send hold timer expired"),
            Cause::Sent(notification) => write!(f, "sent {notification}"),
            Cause::Received(notification) => write!(f, "received {notification}"),
            Cause::Stopped(farewell) => farewell.fmt(f),
            Cause::Replaced => f.write_str("replaced by a new connection of the peer"),
        }
    }
}

/// One line for the log.
impl fmt::Display for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Farewell::Shutdown(text) => write!(f, "shut down: {text:?}"),
            Farewell::Reset(text) => write!(f, "reset: {text:?}"),
            Farewell::HardReset(text) => write!(f, "hard reset: {text:?}"),
            Farewell::Deconfigured => f.write_str("taken out of the configuration"),
            Farewell::ConfigurationChange => f.write_str("configuration changed"),
            Farewell::MaxPrefixes(family, limit) => {
                write!(f, "more than {limit} {family} prefixes")
            }
            Farewell::BfdDown => f.write_str("BFD down"),
            Farewell::Restart => f.write_str("this speaker restarts"),
        }
    }
}

/// Bytes as hexadecimal text: how recordings keep messages.
mod hex {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Write as _;

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            write!(text, "{byte:02x}").map_err(serde::ser::Error::custom)?;
        }
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        let octet = |at: usize| {
            text.get(at..at + 2)
                .and_then(|two| u8::from_str_radix(two, 16).ok())
        };
        let octets: Option<Vec<u8>> = (0..text.len()).step_by(2).map(octet).collect();
        octets
            .map(Bytes::from)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not hexadecimal")))
    }
}
