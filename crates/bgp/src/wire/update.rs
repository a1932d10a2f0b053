//! UPDATE (RFC 4271 section 4.3): what is left of it once its faults are dealt with (RFC 7606).

use super::faults::{Finding, withdrawing};
use super::sieve::{Sieved, sieve};
use super::{Codec, Notification, PeerKind, Reach, Update, attributes, family};
use crate::Nlri;
use crate::attributes::{Attributes, UnknownAttribute};
use crate::config::AsnWidth;
use bytes::Bytes;
use gingham_model::{Family, Prefix};
use rustbgpd_wire::validate::validate_update_attributes_with_context;
use rustbgpd_wire::{
    self as wire, Ipv4NlriEntry, NlriEntry, ParsedUpdate, PathAttribute, RevisedParsedUpdate, Safi,
    UpdateMessage, UpdateValidationOptions,
};
use std::net::IpAddr;

/// An UPDATE as it was read, before anything is concluded from its faults.
#[derive(Debug, Default)]
struct Contents {
    withdrawn: Vec<Nlri>,
    /// In the body, of IPv4; their next hop is an attribute.
    body: Vec<Nlri>,
    /// In MP_REACH_NLRI, which has a next hop of its own.
    reach: Option<(IpAddr, Vec<Nlri>)>,
    /// The family of MP_UNREACH_NLRI.
    unreach: Option<Family>,
    attributes: Vec<PathAttribute>,
}

/// Reads the body of an UPDATE.
///
/// # Errors
/// Only where prefixes cannot be trusted: lengths that contradict each other, prefixes that cannot
/// be read, faults in MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 7606 sections 3 and 5).
pub(super) fn decode(mut body: Bytes, codec: &Codec) -> Result<Update, Notification> {
    let length = body.len();
    let message = UpdateMessage::decode(&mut body, length)?;
    if length == EMPTY {
        return Ok(Update {
            end_of_rib: Some(Family::V4).filter(|family| codec.families.contains(family)),
            ..Update::default()
        });
    }
    let mut sieved = sieve(&message.path_attributes, codec)?;
    let judged = UpdateMessage {
        path_attributes: std::mem::take(&mut sieved.known).into(),
        ..message
    };
    let parsed = parse(&judged, codec)?;
    sieved.reaches |= !parsed.update.announced.is_empty();
    for malformed in parsed.malformed {
        sieved.findings.push(Finding::unreadable(malformed)?);
    }
    let contents = Contents::of(parsed.update, codec);
    if withdrawing(&sieved.findings).is_none() {
        sieved.findings.extend(contents.invalid()?);
    }
    conclude(contents, sieved, codec)
}

/// Octets of a body that says nothing: End-of-RIB of IPv4 (RFC 4724 section 2).
const EMPTY: usize = 4;

fn parse(message: &UpdateMessage, codec: &Codec) -> Result<RevisedParsedUpdate, Notification> {
    let numbered: Vec<(wire::Afi, Safi)> = codec
        .add_path_in
        .iter()
        .map(|family| (family::afi(*family), Safi::Unicast))
        .collect();
    let parsed = message.parse_revised(
        codec.asn_width == AsnWidth::Four,
        codec.kind == PeerKind::Internal,
        codec.add_path_in.contains(&Family::V4),
        &numbered,
    )?;
    Ok(parsed)
}

impl Contents {
    fn of(update: ParsedUpdate, codec: &Codec) -> Contents {
        let mut contents = Contents::default();
        if codec.families.contains(&Family::V4) {
            contents.withdrawn = update.withdrawn.iter().filter_map(of_body).collect();
            contents.body = update.announced.iter().filter_map(of_body).collect();
        }
        for attribute in &update.attributes {
            match attribute {
                PathAttribute::MpReachNlri(reach) => {
                    let nlri = reach.announced.iter().filter_map(of_entry).collect();
                    contents.reach = Some((reach.next_hop, nlri));
                }
                PathAttribute::MpUnreachNlri(unreach) => {
                    let nlri = unreach.withdrawn.iter().filter_map(of_entry);
                    contents.withdrawn.extend(nlri);
                    contents.unreach = family::family(unreach.afi, unreach.safi);
                }
                _ => {}
            }
        }
        contents.attributes = update.attributes;
        if contents.body.is_empty() {
            // It would say nothing about MP_REACH_NLRI, and is not looked at (RFC 4760 section 3).
            let is_next_hop = |one: &PathAttribute| matches!(one, PathAttribute::NextHop(_));
            contents.attributes.retain(|one| !is_next_hop(one));
        }
        contents
    }

    /// What is wrong with attributes that can all be read. A missing LOCAL_PREF is not: it has a
    /// default.
    fn invalid(&self) -> Result<Option<Finding>, Notification> {
        let has_body = !self.body.is_empty();
        let has_nlri = has_body || self.reach.is_some();
        // Only for external peers does the crate miss a missing NEXT_HOP; it is mandatory for all.
        let check = validate_update_attributes_with_context(
            &self.attributes,
            has_nlri,
            has_body,
            true,
            UpdateValidationOptions::default(),
        );
        check.err().map(Finding::invalid).transpose()
    }

    /// One set of attributes for each next hop.
    fn announced(self, unknown: &[UnknownAttribute], codec: &Codec) -> Vec<Reach> {
        let in_body = self.attributes.iter().find_map(|one| match one {
            PathAttribute::NextHop(next_hop) => Some(IpAddr::V4(*next_hop)),
            _ => None,
        });
        let body = in_body.map(|next_hop| (next_hop, self.body));
        body.into_iter()
            .chain(self.reach)
            .filter(|(_, nlri)| !nlri.is_empty())
            .map(|(next_hop, nlri)| Reach {
                attributes: Attributes {
                    unknown: unknown.into(),
                    ..attributes::read(&self.attributes, next_hop, codec)
                },
                nlri,
            })
            .collect()
    }
}

/// Applies the strongest of what the faults call for (RFC 7606 section 3 h).
fn conclude(mut contents: Contents, sieved: Sieved, codec: &Codec) -> Result<Update, Notification> {
    let mut update = Update {
        withdrawn: std::mem::take(&mut contents.withdrawn),
        ..Update::default()
    };
    let unreach = contents.unreach;
    match withdrawing(&sieved.findings) {
        // Prefixes may have been lost with what could not be read (RFC 7606 section 5.2).
        Some(finding) if sieved.announces && !sieved.reaches => {
            return Err(finding.notification.clone());
        }
        Some(_) => {
            update.withdrawn.extend(contents.body);
            let reach = contents.reach.into_iter().flat_map(|(_, nlri)| nlri);
            update.withdrawn.extend(reach);
        }
        None => update.announced = contents.announced(&sieved.unknown, codec),
    }
    if !sieved.announces && !sieved.reaches && update.withdrawn.is_empty() {
        update.end_of_rib = unreach;
    }
    update.faults = sieved.findings.into_iter().map(|one| one.fault).collect();
    Ok(update)
}

fn of_body(entry: &Ipv4NlriEntry) -> Option<Nlri> {
    nlri(entry.path_id, entry.prefix.addr.into(), entry.prefix.len)
}

fn of_entry(entry: &NlriEntry) -> Option<Nlri> {
    match entry.prefix {
        wire::Prefix::V4(prefix) => nlri(entry.path_id, prefix.addr.into(), prefix.len),
        wire::Prefix::V6(prefix) => nlri(entry.path_id, prefix.addr.into(), prefix.len),
    }
}

/// The crate has bounded the length by the family already.
fn nlri(path_id: u32, address: IpAddr, length: u8) -> Option<Nlri> {
    let prefix = Prefix::containing(address, length).ok()?;
    Some(Nlri { prefix, path_id })
}
