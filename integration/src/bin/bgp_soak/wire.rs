//! As much of BGP-4 as the soak says and reads, written apart from the code under test: RFC 4271 with
//! 4-octet AS numbers (RFC 6793), route refresh with borders (RFC 7313) and graceful restart (RFC 4724),
//! IPv4 unicast.

use crate::layout::ASN;
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::bgp::frame::{self, Slash24};
use gingham_integration::bgp::raw;
use std::net::Ipv4Addr;

/// ROUTE-REFRESH (RFC 2918).
pub(crate) const REFRESH: u8 = 5;
/// For how long routes of a client that restarts are to be kept, in seconds.
const RESTART: u16 = 60;
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

/// What is said of the announced prefixes.
///
/// # Errors
/// A mandatory attribute is missing or malformed, or the originator is not the next hop: nobody
/// announces such.
pub(crate) fn route(attributes: &[u8]) -> Result<Route> {
    let (mut next_hop, mut med, mut preference, mut originator) = (None, None, None, None);
    let mut rest = attributes;
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
        frame::counted(rest)?
    };
    Some((Attribute { code, value }, rest))
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
    let who = raw::Identity {
        asn: ASN.into(),
        router_id: identifier,
        four_octets: true,
    };
    raw::open(who, &[&[2, length][..], &capabilities].concat())
}

/// Cease, administrative shutdown (RFC 4486).
pub(crate) fn shutdown() -> Vec<u8> {
    raw::message(raw::NOTIFICATION, &[6, 2])
}

pub(crate) fn refresh(part: Part) -> Vec<u8> {
    let part = match part {
        Part::Request => 0,
        Part::Begin => 1,
        Part::End => 2,
    };
    raw::message(REFRESH, &[0, 1, part, 1])
}

pub(crate) fn end_of_rib() -> Vec<u8> {
    raw::update(&[], &[], &[])
}

pub(crate) fn announce(route: Route, prefix: Slash24) -> Vec<u8> {
    raw::update(&[], &attributes(route, None), &prefix)
}

pub(crate) fn withdraw(prefix: Slash24) -> Vec<u8> {
    raw::update(&prefix, &[], &[])
}

/// An announcement that is malformed.
pub(crate) fn blunder(blunder: Blunder, route: Route, prefix: Slash24) -> Vec<u8> {
    raw::update(&[], &attributes(route, Some(blunder)), &prefix)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::nlri;
    use gingham_integration::bgp::frame::Fields;

    const ROUTE: Route = Route {
        next_hop: Ipv4Addr::new(10, 65, 0, 1),
        preference: 200,
        med: 7,
    };

    fn body(message: &[u8]) -> &[u8] {
        let first = frame::split(message).unwrap().unwrap();
        assert!(first.rest.is_empty());
        first.body
    }

    #[test]
    fn what_is_announced_is_read_back() {
        let told = announce(ROUTE, nlri(300));
        let fields = Fields::of(body(&told)).unwrap();
        assert_eq!(route(fields.attributes).unwrap(), ROUTE);
        assert_eq!(fields.announced, nlri(300));
        assert!(fields.withdrawn.is_empty());
        let back = withdraw(nlri(300));
        assert_eq!(Fields::of(body(&back)).unwrap().withdrawn, nlri(300));
        assert_eq!(part(body(&refresh(Part::End))).unwrap(), Part::End);
    }

    #[test]
    fn blunders_differ_from_what_is_right() {
        let right = announce(ROUTE, nlri(300));
        for one in Blunder::ALL {
            assert_ne!(blunder(one, ROUTE, nlri(300)), right, "{one:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        part(&[0, 2, 0, 1]).unwrap_err();
        route(&[0x40, 1]).unwrap_err();
    }
}
