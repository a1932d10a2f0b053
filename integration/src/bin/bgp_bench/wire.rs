//! As much of BGP-4 as an injector needs, written apart from the code under test: RFC 4271 messages
//! with 4-octet AS numbers (RFC 6793), IPv4 unicast. Nothing is copied or allocated to read.

use crate::size::{ASN, Nlri};
use anyhow::{Context, Result, bail, ensure};
use std::net::Ipv4Addr;

/// Message types of RFC 4271 section 4.1.
pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
/// What is offered, in seconds.
const HOLD: u16 = 90;
/// Marker, length and type.
const HEADER: usize = 19;
/// Attributes of RFC 4271 section 5.1 and RFC 4760, as `flags, type`.
const ORIGIN_IGP: [u8; 4] = [0x40, 1, 1, 0];
const AS_PATH_EMPTY: [u8; 3] = [0x40, 2, 0];
const NEXT_HOP: [u8; 3] = [0x40, 3, 4];
const MED: [u8; 3] = [0x80, 4, 4];
const LOCAL_PREF_100: [u8; 7] = [0x40, 5, 4, 0, 0, 0, 100];
/// RFC 4456 section 8.
const ORIGINATOR_ID: [u8; 3] = [0x80, 9, 4];
const CLUSTER_LIST: [u8; 3] = [0x80, 10, 4];

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
/// The length cannot be right.
pub(crate) fn split(bytes: &[u8]) -> Result<Option<Message<'_>>> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [.., high, low, kind] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    ensure!(length >= HEADER, "a message of {length} octets");
    Ok(bytes.split_at_checked(length).map(|(message, rest)| {
        let body = message.get(HEADER..).unwrap_or_default();
        Message { kind, body, rest }
    }))
}

/// The parts of an UPDATE.
pub(crate) struct Update<'a> {
    pub(crate) withdrawn: &'a [u8],
    pub(crate) attributes: &'a [u8],
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
}

/// So many octets as the first two say, and what follows them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// Hands each prefix of a list to `each`.
///
/// # Errors
/// One that is no /24: nobody announces such.
pub(crate) fn prefixes(list: &[u8], mut each: impl FnMut(Nlri)) -> Result<()> {
    let (chunks, rest) = list.as_chunks::<4>();
    for chunk in chunks {
        if chunk[0] != 24 {
            bail!("a prefix of {} bits", chunk[0]);
        }
        each(*chunk);
    }
    ensure!(rest.is_empty(), "a prefix that is cut off");
    Ok(())
}

pub(crate) fn open(identifier: Ipv4Addr) -> Vec<u8> {
    let [high, low] = ASN.to_be_bytes();
    // Multiprotocol IPv4 unicast (RFC 4760), and 4-octet AS numbers.
    let capabilities = [1, 4, 0, 1, 0, 1, 65, 4, 0, 0, high, low];
    let mut body = vec![4, high, low];
    body.extend(HOLD.to_be_bytes());
    body.extend(identifier.octets());
    body.extend([14, 2, 12]);
    body.extend(capabilities);
    message(OPEN, &body)
}

pub(crate) fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// One UPDATE for all of a client's prefixes.
pub(crate) fn announce(next_hop: Ipv4Addr, med: Option<u32>, announced: &[Nlri]) -> Vec<u8> {
    let mut attributes = [&ORIGIN_IGP[..], &AS_PATH_EMPTY, &NEXT_HOP].concat();
    attributes.extend(next_hop.octets());
    if let Some(med) = med {
        attributes.extend(MED);
        attributes.extend(med.to_be_bytes());
    }
    attributes.extend(LOCAL_PREF_100);
    update(&[], &attributes, announced.as_flattened())
}

/// One UPDATE that takes prefixes back.
pub(crate) fn withdraw(withdrawn: &[u8]) -> Vec<u8> {
    update(withdrawn, &[], &[])
}

/// What a reflector makes of a client's UPDATE (RFC 4456): the same, told who said it and who
/// passed it on.
pub(crate) fn reflect(told: &Update<'_>, originator: Ipv4Addr, cluster: Ipv4Addr) -> Vec<u8> {
    let mut attributes = told.attributes.to_vec();
    if !told.announced.is_empty() {
        attributes.extend(ORIGINATOR_ID);
        attributes.extend(originator.octets());
        attributes.extend(CLUSTER_LIST);
        attributes.extend(cluster.octets());
    }
    update(told.withdrawn, &attributes, told.announced)
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

/// Lists of [`crate::size`] are far below the limit.
fn length(list: &[u8]) -> [u8; 2] {
    u16::try_from(list.len()).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::{nlri, prefix};

    fn body(message: &[u8]) -> &[u8] {
        let first = split(message).unwrap().unwrap();
        assert_eq!((first.kind, first.rest), (UPDATE, &[][..]));
        first.body
    }

    #[test]
    fn what_is_announced_is_read_back() {
        let hop = Ipv4Addr::new(10, 65, 0, 1);
        let told = announce(hop, Some(7), &[nlri(0), nlri(300)]);
        let update = Update::parse(body(&told)).unwrap();
        let mut seen = Vec::new();
        prefixes(update.announced, |one| seen.extend(prefix(one))).unwrap();
        assert_eq!(seen, [0, 300]);
        assert!(update.withdrawn.is_empty());

        let reflected = reflect(&update, hop, hop);
        assert_eq!(reflected.len(), told.len() + 14);
        let back = withdraw(&nlri(300));
        assert_eq!(Update::parse(body(&back)).unwrap().withdrawn, nlri(300));
    }

    #[test]
    fn a_message_waits_until_it_is_whole() {
        let message = open(Ipv4Addr::LOCALHOST);
        assert_eq!(message.len(), 43);
        for end in 0..message.len() {
            assert!(split(message.get(..end).unwrap()).unwrap().is_none());
        }
        let two = [keepalive(), keepalive()].concat();
        let first = split(&two).unwrap().unwrap();
        assert_eq!((first.kind, first.body.len()), (KEEPALIVE, 0));
        assert_eq!(first.rest, keepalive());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        split(&[0; 19]).unwrap_err();
        prefixes(&[16, 20, 0], drop).unwrap_err();
        prefixes(&[16, 20, 0, 24], drop).unwrap_err();
        assert!(Update::parse(&[0, 9, 0]).is_err());
    }
}
