//! As much of BGP-4 as the soak says and reads, written apart from the code under test: RFC 4271 with
//! 4-octet AS numbers (RFC 6793), route refresh with borders (RFC 7313) and graceful restart (RFC 4724),
//! IPv4 unicast.

use crate::layout::{ASN, Nlri};
use anyhow::{Context, Result, bail, ensure};
use std::net::Ipv4Addr;

/// Message types of RFC 4271 section 4.1 and RFC 2918.
pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
pub(crate) const REFRESH: u8 = 5;
/// What is offered, in seconds.
const HOLD: u16 = 90;
/// For how long routes of a client that restarts are to be kept, in seconds.
const RESTART: u16 = 60;
/// Marker, length and type.
const HEADER: usize = 19;
/// The longest message nobody agreed to exceed.
const LONGEST: usize = 4096;
/// Attribute type codes.
const NEXT_HOP: u8 = 3;
const MED: u8 = 4;
const LOCAL_PREF: u8 = 5;
const ORIGINATOR_ID: u8 = 9;

/// What tells one announcement of a prefix from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) next_hop: Ipv4Addr,
    /// LOCAL_PREF.
    pub(crate) preference: u32,
    pub(crate) med: u32,
}

/// Parts of a route refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Request,
    Begin,
    End,
}

/// What is wrong with an announcement, and what becomes of it (RFC 7606 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blunder {
    /// As if withdrawn.
    OriginOfNine,
    MedOfThreeOctets,
    LocalPrefOfFiveOctets,
    OriginatorOfThreeOctets,
    NoNextHop,
    /// As if the attribute were not there.
    AggregatorOfThreeOctets,
}

impl Blunder {
    pub(crate) const ALL: [Blunder; 6] = [
        Blunder::OriginOfNine,
        Blunder::MedOfThreeOctets,
        Blunder::LocalPrefOfFiveOctets,
        Blunder::OriginatorOfThreeOctets,
        Blunder::NoNextHop,
        Blunder::AggregatorOfThreeOctets,
    ];

    /// Whether the prefix stays.
    pub(crate) fn keeps_prefix(self) -> bool {
        self == Blunder::AggregatorOfThreeOctets
    }
}

/// A message at the front of some octets.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u8,
    pub(crate) body: &'a [u8],
    /// What follows it.
    pub(crate) rest: &'a [u8],
}

/// The message at the front of `bytes`; `None` when it is not whole yet.
///
/// # Errors
/// A header that cannot be.
pub(crate) fn split(bytes: &[u8]) -> Result<Option<Message<'_>>> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [marker @ .., high, low, kind] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    ensure!(
        marker == [0xff; 16] && (HEADER..=LONGEST).contains(&length),
        "the header {header:02x?}"
    );
    Ok(bytes.split_at_checked(length).map(|(message, rest)| {
        let body = message.get(HEADER..).unwrap_or_default();
        Message { kind, body, rest }
    }))
}

/// The parts of an UPDATE.
pub(crate) struct Update<'a> {
    pub(crate) withdrawn: &'a [u8],
    attributes: &'a [u8],
    pub(crate) announced: &'a [u8],
}

impl<'a> Update<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self> {
        let parts = counted(body).and_then(|(withdrawn, rest)| {
            let (attributes, announced) = counted(rest)?;
            Some(Update {
                withdrawn,
                attributes,
                announced,
            })
        });
        parts.context("an UPDATE shorter than it says")
    }

    /// What is said of the announced prefixes.
    ///
    /// # Errors
    /// A mandatory attribute is missing or malformed, or the originator is not the next hop: nobody
    /// announces such.
    pub(crate) fn route(&self) -> Result<Route> {
        let (mut next_hop, mut med, mut preference, mut originator) = (None, None, None, None);
        let mut rest = self.attributes;
        while let Some((attribute, after)) = attribute(rest) {
            let known = match attribute.code {
                NEXT_HOP => &mut next_hop,
                MED => &mut med,
                LOCAL_PREF => &mut preference,
                ORIGINATOR_ID => &mut originator,
                _ => {
                    rest = after;
                    continue;
                }
            };
            let value = attribute.value.try_into().map(u32::from_be_bytes);
            *known = Some(value.with_context(|| format!("attribute {}", attribute.code))?);
            rest = after;
        }
        ensure!(rest.is_empty(), "attributes shorter than they say");
        let next_hop = next_hop.context("no NEXT_HOP")?;
        ensure!(
            originator.is_none_or(|originator| originator == next_hop),
            "an ORIGINATOR_ID that is not the next hop"
        );
        Ok(Route {
            next_hop: Ipv4Addr::from_bits(next_hop),
            preference: preference.context("no LOCAL_PREF")?,
            med: med.context("no MED")?,
        })
    }
}

struct Attribute<'a> {
    code: u8,
    value: &'a [u8],
}

/// The attribute at the front, and what follows it.
fn attribute(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    const EXTENDED_LENGTH: u8 = 0x10;
    let (&[flags, code], rest) = bytes.split_first_chunk::<2>()?;
    let (value, rest) = if flags & EXTENDED_LENGTH == 0 {
        let (length, rest) = rest.split_first()?;
        rest.split_at_checked(usize::from(*length))?
    } else {
        counted(rest)?
    };
    Some((Attribute { code, value }, rest))
}

/// So many octets as the first two say, and what follows them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// Hands each prefix of a list to `each`.
///
/// # Errors
/// One that is no /24, which nobody announces, and what `each` makes one.
pub(crate) fn prefixes(list: &[u8], mut each: impl FnMut(Nlri) -> Result<()>) -> Result<()> {
    let (chunks, rest) = list.as_chunks::<4>();
    ensure!(rest.is_empty(), "a prefix that is cut off");
    chunks.iter().try_for_each(|chunk| each(*chunk))
}

/// The part of a refresh that a message is.
pub(crate) fn part(body: &[u8]) -> Result<Part> {
    match body {
        [0, 1, 0, 1] => Ok(Part::Request),
        [0, 1, 1, 1] => Ok(Part::Begin),
        [0, 1, 2, 1] => Ok(Part::End),
        _ => bail!("a ROUTE-REFRESH of {body:02x?}"),
    }
}

/// Whether a client speaks graceful restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Off,
    /// It does, and had no session before.
    First,
    /// It does, and is back.
    Again,
}

pub(crate) fn open(identifier: Ipv4Addr, restart: Restart) -> Vec<u8> {
    let [high, low] = ASN.to_be_bytes();
    // Multiprotocol IPv4 unicast, refresh, refresh with borders, 4-octet AS numbers.
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 2, 0, 70, 0, 65, 4, 0, 0, high, low];
    let state = match restart {
        Restart::Off => None,
        Restart::First => Some(0),
        // RFC 4724 section 3: the R bit.
        Restart::Again => Some(0x8000),
    };
    if let Some(state) = state {
        capabilities.extend([64, 6]);
        capabilities.extend(u16::to_be_bytes(state | RESTART));
        // IPv4 unicast, forwarding went on.
        capabilities.extend([0, 1, 1, 0x80]);
    }
    let length = u8::try_from(capabilities.len()).unwrap_or(u8::MAX);
    let mut body = vec![4, high, low];
    body.extend(HOLD.to_be_bytes());
    body.extend(identifier.octets());
    body.extend([length + 2, 2, length]);
    body.extend(capabilities);
    message(OPEN, &body)
}

pub(crate) fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// Cease, administrative shutdown (RFC 4486).
pub(crate) fn shutdown() -> Vec<u8> {
    message(NOTIFICATION, &[6, 2])
}

pub(crate) fn refresh(part: Part) -> Vec<u8> {
    let part = match part {
        Part::Request => 0,
        Part::Begin => 1,
        Part::End => 2,
    };
    message(REFRESH, &[0, 1, part, 1])
}

pub(crate) fn end_of_rib() -> Vec<u8> {
    update(&[], &[], &[])
}

pub(crate) fn announce(route: Route, prefix: Nlri) -> Vec<u8> {
    update(&[], &attributes(route, None), &prefix)
}

pub(crate) fn withdraw(prefix: Nlri) -> Vec<u8> {
    update(&prefix, &[], &[])
}

/// An announcement that is malformed.
pub(crate) fn blunder(blunder: Blunder, route: Route, prefix: Nlri) -> Vec<u8> {
    update(&[], &attributes(route, Some(blunder)), &prefix)
}

fn attributes(route: Route, blunder: Option<Blunder>) -> Vec<u8> {
    let is = |this| blunder == Some(this);
    let mut attributes = vec![0x40, 1, 1, if is(Blunder::OriginOfNine) { 9 } else { 0 }];
    // AS_PATH, empty.
    attributes.extend([0x40, 2, 0]);
    if !is(Blunder::NoNextHop) {
        put(&mut attributes, (0x40, NEXT_HOP), &route.next_hop.octets());
    }
    match is(Blunder::MedOfThreeOctets) {
        true => put(&mut attributes, (0x80, MED), &[0; 3]),
        false => put(&mut attributes, (0x80, MED), &route.med.to_be_bytes()),
    }
    let preference = route.preference.to_be_bytes();
    match is(Blunder::LocalPrefOfFiveOctets) {
        true => put(&mut attributes, (0x40, LOCAL_PREF), &[0; 5]),
        false => put(&mut attributes, (0x40, LOCAL_PREF), &preference),
    }
    if is(Blunder::AggregatorOfThreeOctets) {
        put(&mut attributes, (0xC0, 7), &[0; 3]);
    }
    if is(Blunder::OriginatorOfThreeOctets) {
        put(&mut attributes, (0x80, ORIGINATOR_ID), &[0; 3]);
    }
    attributes
}

fn put(attributes: &mut Vec<u8>, (flags, code): (u8, u8), value: &[u8]) {
    attributes.extend([flags, code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
    attributes.extend(value);
}

fn update(withdrawn: &[u8], attributes: &[u8], announced: &[u8]) -> Vec<u8> {
    let mut body = length(withdrawn).to_vec();
    body.extend(withdrawn);
    body.extend(length(attributes));
    body.extend(attributes);
    body.extend(announced);
    message(UPDATE, &body)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut message = vec![0xff; 16];
    message.extend(total.to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// All that is said here is short.
fn length(list: &[u8]) -> [u8; 2] {
    u16::try_from(list.len()).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::nlri;

    const ROUTE: Route = Route {
        next_hop: Ipv4Addr::new(10, 65, 0, 1),
        preference: 200,
        med: 7,
    };

    fn body(message: &[u8]) -> &[u8] {
        let first = split(message).unwrap().unwrap();
        assert_eq!((first.kind, first.rest), (UPDATE, &[][..]));
        first.body
    }

    #[test]
    fn what_is_announced_is_read_back() {
        let told = announce(ROUTE, nlri(300));
        let update = Update::parse(body(&told)).unwrap();
        assert_eq!(update.route().unwrap(), ROUTE);
        assert_eq!(update.announced, nlri(300));
        assert!(update.withdrawn.is_empty());
        let back = withdraw(nlri(300));
        assert_eq!(Update::parse(body(&back)).unwrap().withdrawn, nlri(300));
        assert_eq!(part(&refresh(Part::End)[HEADER..]).unwrap(), Part::End);
    }

    #[test]
    fn blunders_differ_from_what_is_right() {
        let right = announce(ROUTE, nlri(300));
        for one in Blunder::ALL {
            assert_ne!(blunder(one, ROUTE, nlri(300)), right, "{one:?}");
        }
    }

    #[test]
    fn a_message_waits_until_it_is_whole() {
        let message = open(Ipv4Addr::LOCALHOST, Restart::Again);
        for end in 0..message.len() {
            assert!(split(&message[..end]).unwrap().is_none());
        }
        let two = [keepalive(), keepalive()].concat();
        let first = split(&two).unwrap().unwrap();
        assert_eq!((first.kind, first.rest), (KEEPALIVE, &keepalive()[..]));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        split(&[0; 19]).unwrap_err();
        prefixes(&[16, 20, 0], |_| Ok(())).unwrap_err();
        assert!(Update::parse(&[0, 9, 0]).is_err());
        part(&[0, 2, 0, 1]).unwrap_err();
    }
}
