//! UPDATEs as full as they can be: attributes are encoded once, prefixes are filled in behind.

use super::frame::{HEADER, MAX_EXTENDED, close};
use super::{Codec, attributes, family};
use crate::Nlri;
use crate::attributes::Attributes;
use crate::config::AsnWidth;
use bytes::Bytes;
use gingham_model::Family;
use rustbgpd_wire::MessageType;
use rustbgpd_wire::attribute::encode_path_attributes;
use rustbgpd_wire::constants::{MARKER, MARKER_LEN, attr_flags, attr_type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why attributes cannot be written for a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// They are too long.
    #[error("attributes of {octets} octets: no prefix fits beside them into {max_length}")]
    TooLong {
        /// Octets of all but the prefixes.
        octets: usize,
        /// The longest message.
        max_length: u16,
    },
    /// The next hop is of the wrong family, and RFC 8950 was not agreed upon.
    #[error("next hop {next_hop}: not possible for {family} prefixes on this session")]
    NextHop {
        /// The next hop.
        next_hop: IpAddr,
        /// The family of the prefixes.
        family: Family,
    },
    /// A value that must not be sent: AS 0 (RFC 7607).
    #[error("attributes: {0}")]
    Forbidden(String),
}

/// Where the length fields of a message stand.
const MESSAGE_LENGTH: usize = MARKER_LEN;
const WITHDRAWN_LENGTH: usize = HEADER;
const ATTRIBUTES_LENGTH: usize = HEADER + 2;
const VALUE_LENGTH: usize = HEADER + 6;
const MULTIPROTOCOL: &[usize] = &[MESSAGE_LENGTH, ATTRIBUTES_LENGTH, VALUE_LENGTH];

/// Octets of the longest prefix: path identifier, length, IPv6 address.
const LONGEST: usize = 4 + 1 + 16;

/// An UPDATE without its prefixes.
struct Template {
    /// What stands before the prefixes.
    head: Vec<u8>,
    /// What stands behind them.
    tail: Vec<u8>,
    /// Places of two-octet fields in `head` whose values, as they stand there, lack the octets of the
    /// prefixes.
    lengths: &'static [usize],
    /// Whether prefixes come with path identifiers.
    add_path: bool,
    max_length: u16,
}

/// Appends full messages to `out` that announce `nlri`, all of one family, in their order. Returns how
/// many.
///
/// # Errors
/// See [`PackError`]; nothing is appended then.
pub fn pack_reach(
    codec: &Codec,
    attributes: &Attributes,
    nlri: &[Nlri],
    out: &mut Vec<u8>,
) -> Result<usize, PackError> {
    let Some(family) = nlri.first().map(|first| first.prefix.family()) else {
        return Ok(0);
    };
    let template = match (family, attributes.next_hop) {
        (Family::V4, IpAddr::V4(next_hop)) => {
            Template::body(codec, &write(codec, attributes, Some(next_hop))?)
        }
        (Family::V6, IpAddr::V4(next_hop)) => return Err(refused(next_hop.into(), family)),
        (Family::V4, next_hop) if !codec.extended_next_hop => {
            return Err(refused(next_hop, family));
        }
        (_, IpAddr::V6(next_hop)) => {
            let rest = write(codec, attributes, None)?;
            Template::reach(codec, family, next_hop, rest)
        }
    };
    if template.room() < LONGEST {
        return Err(PackError::TooLong {
            octets: template.head.len() + template.tail.len(),
            max_length: codec.max_length,
        });
    }
    Ok(template.fill(nlri, out))
}

fn refused(next_hop: IpAddr, family: Family) -> PackError {
    PackError::NextHop { next_hop, family }
}

/// Appends full messages to `out` that withdraw `nlri`, all of one family, in their order. Returns how
/// many.
pub fn pack_unreach(codec: &Codec, nlri: &[Nlri], out: &mut Vec<u8>) -> usize {
    match nlri.first().map(|first| first.prefix.family()) {
        None => 0,
        Some(Family::V4) => Template::withdrawn(codec).fill(nlri, out),
        Some(Family::V6) => Template::unreach(codec, Family::V6).fill(nlri, out),
    }
}

/// End-of-RIB (RFC 4724 section 2): an UPDATE that says nothing, or nothing of this family.
pub fn encode_end_of_rib(family: Family) -> Bytes {
    let [high, low, safi] = family::octets(family);
    match family {
        Family::V4 => close(MessageType::Update, &[0; 4]),
        Family::V6 => {
            let (flags, code) = (attr_flags::OPTIONAL, attr_type::MP_UNREACH_NLRI);
            close(
                MessageType::Update,
                &[0, 0, 0, 6, flags, code, 3, high, low, safi],
            )
        }
    }
}

fn write(
    codec: &Codec,
    set: &Attributes,
    next_hop: Option<Ipv4Addr>,
) -> Result<Vec<u8>, PackError> {
    let mut section = Vec::with_capacity(128);
    let list = attributes::write(set, next_hop);
    let four_octets = codec.asn_width == AsnWidth::Four;
    encode_path_attributes(&list, &mut section, four_octets, false)
        .map_err(|error| PackError::Forbidden(error.to_string()))?;
    Ok(section)
}

impl Template {
    fn new(codec: &Codec, family: Family, lengths: &'static [usize]) -> Template {
        let mut head = MARKER.to_vec();
        head.extend_from_slice(&[0, 0, MessageType::Update as u8, 0, 0]);
        Template {
            head,
            tail: Vec::new(),
            lengths,
            add_path: codec.add_path_out.contains(&family),
            max_length: codec.max_length,
        }
    }

    /// IPv4 prefixes behind their attributes.
    fn body(codec: &Codec, attributes: &[u8]) -> Template {
        let mut template = Template::new(codec, Family::V4, &[MESSAGE_LENGTH]);
        template.head.extend(length(attributes));
        template.head.extend(attributes);
        template.measured()
    }

    /// MP_REACH_NLRI ahead of the other attributes, as RFC 7606 section 5.1 wants it.
    fn reach(codec: &Codec, family: Family, next_hop: Ipv6Addr, others: Vec<u8>) -> Template {
        let mut value = family::octets(family).to_vec();
        value.push(16);
        value.extend(next_hop.octets());
        value.push(0);
        let mut template = Template::new(codec, family, MULTIPROTOCOL);
        template.tail = others;
        template.multiprotocol(attr_type::MP_REACH_NLRI, &value)
    }

    /// IPv4 prefixes in the body.
    fn withdrawn(codec: &Codec) -> Template {
        let lengths = &[MESSAGE_LENGTH, WITHDRAWN_LENGTH];
        let mut template = Template::new(codec, Family::V4, lengths);
        template.tail = vec![0, 0];
        template.measured()
    }

    fn unreach(codec: &Codec, family: Family) -> Template {
        let template = Template::new(codec, family, MULTIPROTOCOL);
        template.multiprotocol(attr_type::MP_UNREACH_NLRI, &family::octets(family))
    }

    fn multiprotocol(mut self, code: u8, value: &[u8]) -> Template {
        let flags = attr_flags::OPTIONAL | attr_flags::EXTENDED_LENGTH;
        let mut attribute = vec![flags, code];
        attribute.extend(length(value));
        attribute.extend(value);
        let attributes = attribute.len() + self.tail.len();
        self.head.extend(field(attributes));
        self.head.extend(attribute);
        self.measured()
    }

    fn measured(mut self) -> Template {
        let octets = self.head.len() + self.tail.len();
        add(&mut self.head, MESSAGE_LENGTH, octets);
        self
    }

    /// Octets left for prefixes.
    fn room(&self) -> usize {
        usize::from(self.max_length).saturating_sub(self.head.len() + self.tail.len())
    }

    fn fill(&self, nlri: &[Nlri], out: &mut Vec<u8>) -> usize {
        let mut rest = nlri.iter().peekable();
        let mut messages = 0;
        while rest.peek().is_some() {
            let start = out.len();
            out.extend_from_slice(&self.head);
            let first = out.len();
            while let Some(next) =
                rest.next_if(|next| out.len() - first + self.size(next) <= self.room())
            {
                self.put(next, out);
            }
            let octets = out.len() - first;
            out.extend_from_slice(&self.tail);
            for place in self.lengths {
                add(out, start + place, octets);
            }
            messages += 1;
        }
        messages
    }

    fn size(&self, nlri: &Nlri) -> usize {
        let path_id = if self.add_path { 4 } else { 0 };
        path_id + 1 + usize::from(nlri.prefix.length().div_ceil(8))
    }

    /// RFC 4271 section 4.3, RFC 7911 section 3.
    fn put(&self, nlri: &Nlri, out: &mut Vec<u8>) {
        if self.add_path {
            out.extend(nlri.path_id.to_be_bytes());
        }
        let length = nlri.prefix.length();
        let octets = usize::from(length.div_ceil(8));
        out.push(length);
        match nlri.prefix.address() {
            IpAddr::V4(address) => out.extend(address.octets().iter().take(octets)),
            IpAddr::V6(address) => out.extend(address.octets().iter().take(octets)),
        }
    }
}

/// A length field. What does not fit leaves no room for prefixes either, so it is never sent.
fn field(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(MAX_EXTENDED).to_be_bytes()
}

fn length(value: &[u8]) -> [u8; 2] {
    field(value.len())
}

/// Adds to the length field at `place`.
fn add(to: &mut [u8], place: usize, octets: usize) {
    if let Some(place) = to
        .get_mut(place..)
        .and_then(|rest| rest.first_chunk_mut::<2>())
    {
        *place = field(usize::from(u16::from_be_bytes(*place)) + octets);
    }
}
