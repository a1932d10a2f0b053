//! Messages as bytes and as values. The only module that names the codec crate.
//!
//! ```text
//! stream ──split──► frame ──decode──► Message            Message ──encode──► frame
//!                     │                                  Reach, Unreach ──pack──► frames, full ones
//!                     └─► Notification: what the peer is to be told
//! ```

mod attributes;
mod family;
mod faults;
mod frame;
mod notification;
mod open;
mod pack;
mod refresh;
mod sieve;
mod update;

pub use frame::{HEADER, MAX_EXTENDED, MAX_STANDARD, encode_keepalive, length, split};
pub use notification::encode_notification;
pub use open::encode_open;
pub use pack::{PackError, encode_end_of_rib, pack_reach, pack_unreach};
pub use refresh::encode_refresh;

use crate::attributes::Attributes;
use crate::config::AsnWidth;
use crate::{Asn, Nlri, RouterId};
use bytes::Bytes;
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Reads one frame as [`split`] gave it.
///
/// # Errors
/// What the peer is to be told before the connection is closed: the code, subcode and data of
/// RFC 4271 section 6 as revised by RFC 7606 and RFC 7313. Whether an OPEN is of the right peer and
/// its hold time is acceptable is for the session to say.
pub fn decode(frame: &Bytes, codec: &Codec) -> Result<Message, Notification> {
    use rustbgpd_wire::MessageType;
    let (kind, body) = frame::open(frame, codec.max_length)?;
    match kind {
        MessageType::Open => open::decode(body).map(Message::Open),
        MessageType::Update => update::decode(body, codec).map(Message::Update),
        MessageType::Notification => notification::decode(body).map(Message::Notification),
        MessageType::RouteRefresh => refresh::decode(frame, &body).map(Message::Refresh),
        // Framing refuses every type but these five.
        _ => Ok(Message::Keepalive),
    }
}

/// Whether a peer is in our AS.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum PeerKind {
    /// In ours.
    Internal,
    /// In another.
    External,
}

/// How the two ends of a session agreed to write. Both directions of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// Whether the peer is in our AS: RFC 7606 treats some faults of the two differently.
    pub kind: PeerKind,
    /// Width of AS numbers in AS_PATH.
    pub asn_width: AsnWidth,
    /// The longest message: 4096, or 65535 (RFC 8654).
    pub max_length: u16,
    /// The families agreed upon; others in an UPDATE are ignored.
    pub families: BTreeSet<Family>,
    /// Families whose NLRI come with a path identifier (RFC 7911).
    pub add_path_in: BTreeSet<Family>,
    /// Families whose NLRI we write with a path identifier.
    pub add_path_out: BTreeSet<Family>,
    /// Whether IPv4 prefixes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
}

impl Codec {
    /// What holds until OPENs have been exchanged.
    pub fn opening(kind: PeerKind) -> Codec {
        Codec {
            kind,
            asn_width: AsnWidth::Two,
            max_length: MAX_STANDARD,
            families: BTreeSet::from([Family::V4]),
            add_path_in: BTreeSet::new(),
            add_path_out: BTreeSet::new(),
            extended_next_hop: false,
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// RFC 4271 section 4.2.
    Open(Open),
    /// RFC 4271 section 4.3.
    Update(Update),
    /// RFC 4271 section 4.5.
    Notification(Notification),
    /// RFC 4271 section 4.4.
    Keepalive,
    /// RFC 2918, RFC 7313.
    Refresh(Refresh),
}

/// OPEN: who the sender is and what it offers. Capabilities we do not know are numbers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its AS, four octets wide where it can (RFC 6793).
    pub asn: Asn,
    /// The hold time it offers, in seconds.
    pub hold_seconds: u16,
    /// Its identifier.
    pub router_id: RouterId,
    /// What it can.
    pub capabilities: Capabilities,
}

/// Capabilities (RFC 5492).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Multiprotocol families (RFC 4760). A peer that sends no such capability speaks IPv4: `decode`
    /// fills that in.
    pub families: BTreeSet<Family>,
    /// Whether AS numbers of four octets are understood.
    pub asn_width: AsnWidth,
    /// Route refresh (RFC 2918).
    pub refresh: bool,
    /// Enhanced route refresh (RFC 7313).
    pub enhanced_refresh: bool,
    /// Extended messages (RFC 8654).
    pub extended_messages: bool,
    /// IPv6 next hops for IPv4 unicast (RFC 8950).
    pub extended_next_hop: bool,
    /// Add-Path by family (RFC 7911).
    pub add_path: BTreeMap<Family, AddPathOffer>,
    /// Graceful restart (RFC 4724).
    pub restart: Option<RestartOffer>,
    /// Long-lived stale time by family (RFC 9494).
    pub long_lived: BTreeMap<Family, LongLivedOffer>,
    /// Codes of all capabilities received, for listings. Not written.
    pub codes: BTreeSet<u8>,
}

/// One family of Add-Path as its sender offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddPathOffer {
    /// The sender can take several paths.
    pub receive: bool,
    /// The sender can send several.
    pub send: bool,
}

/// Graceful restart as its sender offers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartOffer {
    /// R: the sender has restarted.
    pub restarting: bool,
    /// N: a NOTIFICATION but Cease/Hard Reset keeps routes too (RFC 8538).
    pub notification: bool,
    /// How long its routes may be kept before it is back.
    pub time: Duration,
    /// Families, and whether F is set: forwarding went on.
    pub families: BTreeMap<Family, bool>,
}

/// One family of long-lived graceful restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLivedOffer {
    /// F: forwarding went on.
    pub forwarding: bool,
    /// How long its routes may be kept after the restart time.
    pub time: Duration,
}

/// What an UPDATE says once every fault in it has been dealt with (RFC 7606).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// No longer reachable; announced prefixes of an UPDATE that had to be treated as withdrawn are here.
    pub withdrawn: Vec<Nlri>,
    /// Reachable: at most one set for IPv4 in the body and one for MP_REACH_NLRI, which differ by next
    /// hop.
    pub announced: Vec<Reach>,
    /// The End-of-RIB marker of a family (RFC 4724 section 2).
    pub end_of_rib: Option<Family>,
    /// What was wrong and was survived.
    pub faults: Vec<Fault>,
}

/// Prefixes and what all of them have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The attributes, next hop included.
    pub attributes: Attributes,
    /// The prefixes, of one family.
    pub nlri: Vec<Nlri>,
}

/// A malformed attribute that did not end the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Type code of the attribute, 0 where its header was unreadable.
    pub attribute: u8,
    /// What was done.
    pub disposition: Disposition,
    /// What was wrong.
    pub detail: String,
}

/// RFC 7606 section 2, without the reset: that is a [`Notification`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// The attribute was left out.
    AttributeDiscard,
    /// The prefixes were taken as withdrawn.
    TreatAsWithdraw,
}

/// NOTIFICATION: why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Data, for Cease/2 and Cease/4 a shutdown text (RFC 9003).
    pub data: Bytes,
}

/// ROUTE-REFRESH (RFC 2918) and its borders (RFC 7313).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Whose routes; `None` is a family we do not know, to be ignored.
    pub family: Option<Family>,
    /// Which of the three.
    pub part: RefreshPart,
}

/// The subtype of a ROUTE-REFRESH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshPart {
    /// Send all again.
    Request,
    /// BoRR: what follows is all of it.
    Begin,
    /// EoRR: what was not repeated is gone.
    End,
}
