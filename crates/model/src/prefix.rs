//! Prefixes, always canonical: no bit is set behind the length.

use crate::Family;
use ipnetwork::{IpNetwork, IpNetworkError};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A canonical IPv4 or IPv6 prefix.
///
/// The kernel refuses a route with host bits set (EINVAL) and `ipnetwork` keeps them, so they end
/// here: parsing refuses them by name, [`Prefix::containing`] clears them.
///
/// Ordered by family, address, length: IPv4 first, a covering prefix before what it covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(IpNetwork);

/// Why a text or a pair of numbers is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not `address/length` at all.
    #[error("prefix {0:?}: must be an address and a length, such as 10.64.0.0/16 or fd00:10::/48")]
    Malformed(String),
    /// Bits behind the length are set.
    #[error("prefix {given}: has bits set behind its length; {canonical} is meant?")]
    HostBits {
        /// As it was written.
        given: String,
        /// With the bits cleared.
        canonical: Prefix,
    },
    /// A length beyond the address.
    #[error("prefix length {length}: beyond the {bits} bits of {family}")]
    Length {
        /// The length asked for.
        length: u8,
        /// The family it was asked for.
        family: Family,
        /// The bits that family has.
        bits: u8,
    },
}

impl Prefix {
    /// The prefix of `length` bits that holds `address`.
    ///
    /// # Errors
    /// [`PrefixError::Length`] when the address has fewer bits.
    pub fn containing(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let family = Family::of(address);
        let bits = family.bits();
        if length > bits {
            return Err(PrefixError::Length {
                length,
                family,
                bits,
            });
        }
        Ok(from_bits(
            family,
            to_bits(address) & mask(family, length),
            length,
        ))
    }

    /// The prefix that holds just this address: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        from_bits(
            Family::of(address),
            to_bits(address),
            Family::of(address).bits(),
        )
    }

    /// The prefix that holds every address of `family`: where a default route leads.
    pub fn default_of(family: Family) -> Self {
        from_bits(family, 0, 0)
    }

    /// The first address.
    pub fn address(self) -> IpAddr {
        self.0.ip()
    }

    /// The length in bits.
    pub fn length(self) -> u8 {
        self.0.prefix()
    }

    /// The address family.
    pub fn family(self) -> Family {
        Family::of(self.0.ip())
    }

    /// Whether `address` lies inside.
    pub fn contains(self, address: IpAddr) -> bool {
        self.family() == Family::of(address)
            && to_bits(address) & mask(self.family(), self.length()) == self.bits()
    }

    /// Whether every address of `other` lies inside.
    pub fn covers(self, other: Prefix) -> bool {
        self.length() <= other.length() && self.contains(other.address())
    }

    /// Whether the two share an address: one covers the other.
    pub fn overlaps(self, other: Prefix) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// How many prefixes of `length` bits fit inside; `None` when `length` is shorter than our own
    /// or too long for the family. Saturates at `u128::MAX` for the whole of IPv6 in /128s.
    pub fn count(self, length: u8) -> Option<u128> {
        if length > self.family().bits() {
            return None;
        }
        let free = length.checked_sub(self.length())?;
        Some(1u128.checked_shl(u32::from(free)).unwrap_or(u128::MAX))
    }

    /// The `index`-th prefix of `length` bits inside, counted from 0.
    pub fn nth(self, length: u8, index: u128) -> Option<Prefix> {
        if index >= self.count(length)? {
            return None;
        }
        let shift = u32::from(self.family().bits() - length);
        let offset = index.checked_shl(shift).unwrap_or(0);
        Some(from_bits(self.family(), self.bits() | offset, length))
    }

    /// How many addresses it holds; saturates at `u128::MAX` for `::/0`.
    pub fn size(self) -> u128 {
        let free = self.family().bits() - self.length();
        1u128.checked_shl(u32::from(free)).unwrap_or(u128::MAX)
    }

    /// The `index`-th address inside, counted from 0.
    pub fn nth_address(self, index: u128) -> Option<IpAddr> {
        self.nth(self.family().bits(), index).map(Prefix::address)
    }

    /// Where `address` stands inside, counted from 0; the inverse of [`Prefix::nth_address`].
    pub fn index_of(self, address: IpAddr) -> Option<u128> {
        self.contains(address)
            .then(|| to_bits(address) - self.bits())
    }

    /// The range in which no pod can live that this prefix meets: loopback, link-local, multicast,
    /// unspecified, mapped.
    pub fn reserved(self) -> Option<&'static str> {
        // A test parses the whole table.
        let meets = |text: &&str| text.parse().is_ok_and(|range: Prefix| range.overlaps(self));
        RESERVED.into_iter().find(meets)
    }

    fn bits(self) -> u128 {
        to_bits(self.0.ip())
    }
}

/// Ranges in which no pod address can lie (RFC 6890, RFC 5771, RFC 4291).
const RESERVED: [&str; 9] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "::ffff:0:0/96",
    "fe80::/10",
    "ff00::/8",
];

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(family: Family, length: u8) -> u128 {
    let all = u128::MAX >> (128 - u32::from(family.bits()));
    let host = u32::from(family.bits() - length);
    all & u128::MAX.checked_shl(host).unwrap_or(0)
}

/// `bits` must already be canonical and `length` must fit the family.
fn from_bits(family: Family, bits: u128, length: u8) -> Prefix {
    let address = match family {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an IPv4 address has 32 bits"
        )]
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    };
    match IpNetwork::new(address, length) {
        Ok(network) => Prefix(network),
        Err(_) => unreachable!("callers bound the length by the family"),
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let malformed = || PrefixError::Malformed(text.to_owned());
        // ipnetwork takes a bare address for a host prefix and a dotted netmask for a length.
        let (_, length) = text.split_once('/').ok_or_else(malformed)?;
        if length.is_empty() || length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let network: IpNetwork = text.parse().map_err(|_: IpNetworkError| malformed())?;
        let prefix = Prefix::containing(network.ip(), network.prefix())?;
        if prefix.address() == network.ip() {
            Ok(prefix)
        } else {
            Err(PrefixError::HostBits {
                given: text.to_owned(),
                canonical: prefix,
            })
        }
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.to_string()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.0.ip(), self.0.prefix()))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.family(), self.bits(), self.length()).cmp(&(
            other.family(),
            other.bits(),
            other.length(),
        ))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_canonical_spelling_is_taken() {
        assert_eq!(prefix("10.64.0.0/16").to_string(), "10.64.0.0/16");
        assert_eq!(prefix("fd00:10::/48").to_string(), "fd00:10::/48");
        for bad in [
            "10.0.0.0",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "x/8",
            "10.0.0.0/+8",
        ] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
        let error = "10.0.0.5/24".parse::<Prefix>().unwrap_err().to_string();
        assert_eq!(
            error,
            "prefix 10.0.0.5/24: has bits set behind its length; 10.0.0.0/24 is meant?"
        );
    }

    #[test]
    fn edges_of_the_families_do_not_overflow() {
        let all = prefix("::/0");
        assert_eq!(all.count(128), Some(u128::MAX));
        assert_eq!(all.size(), u128::MAX);
        assert_eq!(prefix("0.0.0.0/0").count(32), Some(1 << 32));
        assert_eq!(prefix("10.0.0.0/26").count(24), None);
        assert_eq!(prefix("10.0.0.0/26").nth(26, 1), None);
        assert_eq!(all.nth(0, 0), Some(all));
    }

    #[test]
    fn every_reserved_range_is_a_prefix() {
        for text in RESERVED {
            assert_eq!(prefix(text).reserved(), Some(text));
        }
        assert_eq!(prefix("10.0.0.0/8").reserved(), None);
    }

    #[test]
    fn families_never_mix() {
        assert!(!prefix("::/0").contains("10.0.0.1".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").overlaps(prefix("::/0")));
    }

    pub(crate) fn any_prefix() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (any::<u32>(), 0u8..=32)
                .prop_map(|(b, l)| Prefix::containing(Ipv4Addr::from(b).into(), l)),
            (any::<u128>(), 0u8..=128)
                .prop_map(|(b, l)| Prefix::containing(Ipv6Addr::from(b).into(), l)),
        ]
        .prop_map(Result::unwrap)
    }

    proptest! {
        #[test]
        fn text_round_trips(prefix in any_prefix()) {
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
        }

        #[test]
        fn index_and_nth_are_inverse(prefix in any_prefix(), pick in any::<u128>()) {
            let index = if prefix.size() == u128::MAX { pick } else { pick % prefix.size() };
            prop_assume!(index < prefix.size());
            let address = prefix.nth_address(index).unwrap();
            prop_assert!(prefix.contains(address));
            prop_assert_eq!(prefix.index_of(address), Some(index));
        }

        #[test]
        fn overlap_is_sharing_an_address(a in any_prefix(), b in any_prefix()) {
            let shares = a.contains(b.address()) || b.contains(a.address());
            prop_assert_eq!(a.overlaps(b), shares);
        }
    }
}
