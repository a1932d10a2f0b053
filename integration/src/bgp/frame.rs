//! Messages of BGP as they lie in a stream, for those who read very many: nothing is copied or allocated,
//! and nothing judged beyond what reading on takes. Written apart from the speaker under test.

use super::raw::HEADER;
use anyhow::{Context, Result, ensure};

/// The longest message nobody agreed to exceed (RFC 4271 section 4.1).
pub const LONGEST: usize = 4096;
/// As NLRI, a /24: the length octet and the three that count.
pub type Slash24 = [u8; 4];

/// A message at the front of some octets.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its type.
    pub kind: u8,
    /// What follows the header.
    pub body: &'a [u8],
    /// What follows the message.
    pub rest: &'a [u8],
}

/// The message at the front of `octets`; `None` when it is not whole yet.
///
/// # Errors
/// A header that cannot be.
pub fn split(octets: &[u8]) -> Result<Option<Message<'_>>> {
    let Some((header, _)) = octets.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [marker @ .., high, low, kind] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    ensure!(
        marker == [0xFF; 16] && (HEADER..=LONGEST).contains(&length),
        "the header {header:02x?}"
    );
    Ok(octets.split_at_checked(length).map(|(message, rest)| {
        let body = message.get(HEADER..).unwrap_or_default();
        Message { kind, body, rest }
    }))
}

/// The three fields of an UPDATE (RFC 4271 section 4.3).
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Withdrawn routes.
    pub withdrawn: &'a [u8],
    /// Path attributes.
    pub attributes: &'a [u8],
    /// Network layer reachability information.
    pub announced: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Out of what follows the header.
    ///
    /// # Errors
    /// It is shorter than it says.
    pub fn of(body: &'a [u8]) -> Result<Self> {
        let fields = counted(body).and_then(|(withdrawn, rest)| {
            let (attributes, announced) = counted(rest)?;
            Some(Fields {
                withdrawn,
                attributes,
                announced,
            })
        });
        fields.context("an UPDATE shorter than it says")
    }

    /// Whether it is the End-of-RIB marker of IPv4 (RFC 4724 section 2).
    pub fn is_end_of_rib(&self) -> bool {
        [self.withdrawn, self.attributes, self.announced]
            .iter()
            .all(|field| field.is_empty())
    }
}

/// So many octets as the first two say, and what follows them.
pub fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// Hands each prefix of a list to `each`.
///
/// # Errors
/// One that is no /24, where nobody announces any other; what `each` makes one.
pub fn slash24s(list: &[u8], mut each: impl FnMut(Slash24) -> Result<()>) -> Result<()> {
    let (chunks, rest) = list.as_chunks::<4>();
    for chunk in chunks {
        ensure!(chunk[0] == 24, "a prefix of {} bits", chunk[0]);
        each(*chunk)?;
    }
    ensure!(rest.is_empty(), "a prefix that is cut off");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::raw;
    use super::*;

    #[test]
    fn a_message_waits_until_it_is_whole() {
        let one = raw::update(&[24, 20, 0, 1], &[], &[24, 20, 0, 2, 24, 20, 0, 3]);
        for end in 0..one.len() {
            assert!(split(&one[..end]).unwrap().is_none());
        }
        let two = [one, raw::keepalive()].concat();
        let first = split(&two).unwrap().unwrap();
        assert_eq!(
            (first.kind, first.rest),
            (raw::UPDATE, &raw::keepalive()[..])
        );

        let fields = Fields::of(first.body).unwrap();
        let mut announced = Vec::new();
        slash24s(fields.announced, |one| {
            announced.push(one[3]);
            Ok(())
        })
        .unwrap();
        assert_eq!(
            (fields.withdrawn, &announced[..]),
            (&[24, 20, 0, 1][..], &[2, 3][..])
        );
        assert!(!fields.is_end_of_rib());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        split(&[0; 19]).unwrap_err();
        slash24s(&[16, 20, 0], |_| Ok(())).unwrap_err();
        slash24s(&[16, 20, 0, 24], |_| Ok(())).unwrap_err();
        assert!(Fields::of(&[0, 9, 0]).is_err());
    }
}
