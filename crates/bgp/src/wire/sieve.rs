//! The attributes of an UPDATE as octets, sorted by who is to look at them.
//!
//! The crate judges what this speaker acts on. The rest is not judged: optional transitive attributes
//! are passed on as they are, other optional ones and families nobody agreed upon are dropped
//! (RFC 4271 section 5, RFC 4760 section 7).

use super::faults::{Finding, update_error};
use super::{Codec, Disposition, Notification, PeerKind, family};
use crate::attributes::UnknownAttribute;
use bytes::Bytes;
use gingham_model::Family;
use rustbgpd_wire::constants::{attr_flags, attr_type};
use rustbgpd_wire::notification::update_subcode;

const CLASS: u8 = attr_flags::OPTIONAL | attr_flags::TRANSITIVE;

/// The attributes of one UPDATE.
#[derive(Debug, Default)]
pub(super) struct Sieved {
    /// An attribute section of what this speaker acts on.
    pub(super) known: Vec<u8>,
    /// What is passed on unread, by type code.
    pub(super) unknown: Vec<UnknownAttribute>,
    /// What was wrong so far.
    pub(super) findings: Vec<Finding>,
    /// Whether there is anything but MP_UNREACH_NLRI.
    pub(super) announces: bool,
    /// Whether there are reachable prefixes, of whatever family.
    pub(super) reaches: bool,
}

/// Optional attributes that are not transitive, whatever a peer's flags say: Traffic Engineering
/// (RFC 5543), AIGP (RFC 7311), BGPsec_Path (RFC 8205) and Edge Metadata are not passed on.
const NEVER_TRANSITIVE: [u8; 4] = [24, 26, 33, 42];

/// One attribute.
struct Raw<'a> {
    flags: u8,
    code: u8,
    value: &'a [u8],
    /// Flags, code, length and value: what a NOTIFICATION quotes.
    whole: &'a [u8],
}

/// Sorts the attribute section of an UPDATE. A section that stops making sense is handed on from
/// there: the crate says what that means.
///
/// # Errors
/// MP_REACH_NLRI or MP_UNREACH_NLRI twice (RFC 7606 section 3 g), or with a next hop that was not
/// agreed upon (section 7.11).
pub(super) fn sieve(section: &Bytes, codec: &Codec) -> Result<Sieved, Notification> {
    let mut sieved = Sieved::default();
    let mut seen = [false; 256];
    let mut rest: &[u8] = section;
    while let Some(raw) = next(&mut rest) {
        let again = seen
            .get_mut(usize::from(raw.code))
            .is_some_and(|seen| std::mem::replace(seen, true));
        sieved.announces |= raw.code != attr_type::MP_UNREACH_NLRI;
        match raw.code {
            attr_type::MP_REACH_NLRI | attr_type::MP_UNREACH_NLRI if again => {
                return Err(update_error(update_subcode::MALFORMED_ATTRIBUTE_LIST, &[]));
            }
            attr_type::MP_REACH_NLRI | attr_type::MP_UNREACH_NLRI => {
                sieved.multiprotocol(&raw, codec)?;
            }
            _ if is_known(&raw) => sieved.known(&raw, codec.kind),
            _ => sieved.unread(&raw, again),
        }
    }
    sieved.announces |= !rest.is_empty();
    sieved.known.extend_from_slice(rest);
    sieved.unknown.sort_by_key(|attribute| attribute.code);
    Ok(sieved)
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Raw<'a>> {
    let from = *rest;
    let (&[flags, code], after) = from.split_first_chunk::<2>()?;
    let (length, after) = if flags & attr_flags::EXTENDED_LENGTH == 0 {
        let (length, after) = after.split_first()?;
        (usize::from(*length), after)
    } else {
        let (length, after) = after.split_first_chunk::<2>()?;
        (usize::from(u16::from_be_bytes(*length)), after)
    };
    let (value, after) = after.split_at_checked(length)?;
    let (whole, _) = from.split_at_checked(from.len() - after.len())?;
    *rest = after;
    Some(Raw {
        flags,
        code,
        value,
        whole,
    })
}

/// Whether the speaker acts on it, or must refuse it because it claims to be well-known.
fn is_known(raw: &Raw<'_>) -> bool {
    let acted_on = matches!(
        raw.code,
        attr_type::ORIGIN
            ..=attr_type::CLUSTER_LIST
                | attr_type::EXTENDED_COMMUNITIES
                | attr_type::AS4_PATH
                | attr_type::AS4_AGGREGATOR
                | attr_type::LARGE_COMMUNITIES
    );
    acted_on || raw.flags & attr_flags::OPTIONAL == 0
}

impl Sieved {
    fn known(&mut self, raw: &Raw<'_>, kind: PeerKind) {
        self.known.extend_from_slice(raw.whole);
        // The crate leaves this bit of well-known attributes alone; RFC 4271 section 4.3 does not.
        let well_known = matches!(
            (raw.code, kind),
            (
                attr_type::ORIGIN
                    | attr_type::AS_PATH
                    | attr_type::NEXT_HOP
                    | attr_type::ATOMIC_AGGREGATE,
                _
            ) | (attr_type::LOCAL_PREF, PeerKind::Internal)
        );
        if well_known && raw.flags & attr_flags::PARTIAL != 0 {
            self.findings.push(Finding::new(
                raw.code,
                Disposition::TreatAsWithdraw,
                update_error(update_subcode::ATTRIBUTE_FLAGS_ERROR, raw.whole),
                format!("well-known attribute {} with the Partial bit", raw.code),
            ));
        }
    }

    fn unread(&mut self, raw: &Raw<'_>, again: bool) {
        if again {
            self.findings.push(Finding::new(
                raw.code,
                Disposition::AttributeDiscard,
                update_error(update_subcode::MALFORMED_ATTRIBUTE_LIST, &[]),
                format!("attribute {} again", raw.code),
            ));
        } else if raw.flags & CLASS == CLASS && !NEVER_TRANSITIVE.contains(&raw.code) {
            self.unknown.push(UnknownAttribute {
                code: raw.code,
                value: raw.value.into(),
            });
        }
    }

    fn multiprotocol(&mut self, raw: &Raw<'_>, codec: &Codec) -> Result<(), Notification> {
        self.reaches |= raw.code == attr_type::MP_REACH_NLRI && raw.has_nlri();
        match raw.family() {
            Some(found) if !found.is_some_and(|family| codec.families.contains(&family)) => {}
            Some(Some(Family::V4)) if raw.next_hop_length() > 4 && !codec.extended_next_hop => {
                let subcode = update_subcode::OPTIONAL_ATTRIBUTE_ERROR;
                return Err(update_error(subcode, raw.whole));
            }
            _ => self.known.extend_from_slice(raw.whole),
        }
        Ok(())
    }
}

/// Of MP_REACH_NLRI and MP_UNREACH_NLRI.
impl Raw<'_> {
    /// `None` when the attribute is too malformed to tell, `Some(None)` for a family we do not know.
    fn family(&self) -> Option<Option<Family>> {
        let &[high, low, safi] = self.value.first_chunk::<3>()?;
        let flags = self.flags & (CLASS | attr_flags::PARTIAL);
        (flags == attr_flags::OPTIONAL)
            .then(|| family::of_numbers(u16::from_be_bytes([high, low]), safi))
    }

    fn next_hop_length(&self) -> usize {
        let length = self.value.get(3).copied().map_or(0, usize::from);
        if self.code == attr_type::MP_REACH_NLRI {
            length
        } else {
            0
        }
    }

    fn has_nlri(&self) -> bool {
        self.value.len() > 5 + self.next_hop_length()
    }
}
