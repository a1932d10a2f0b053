//! How many clients with how many prefixes each, and which addresses and prefixes these are.

use anyhow::{Context, Result, ensure};
use gingham_integration::bgp::frame::Slash24;
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::str::FromStr;

/// Everyone's autonomous system.
pub(crate) const ASN: u16 = 64_512;
/// The daemon's address, identifier and cluster.
pub(crate) const REFLECTOR: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
/// What all addresses lie in: local to the bench's namespace without any interface (AnyIP).
pub(crate) const RANGE: &str = "10.64.0.0/12";
/// The first client's address.
const CLIENTS: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 0);
/// The first prefix is 20.0.0.0/24; counted in /24.
const PREFIXES: usize = 20 << 16;
/// What fits the range, whose first /16 is the daemon's.
const MOST_CLIENTS: usize = 60_000;
/// What one message of a client holds.
const MOST_EACH: usize = 900;

/// `NxK`: N clients, each with K prefixes of its own. Clients and prefixes count from 0; prefix
/// `P` is client `P / K`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size {
    pub(crate) clients: usize,
    pub(crate) each: usize,
}

impl Size {
    /// How many prefixes there are.
    pub(crate) fn total(self) -> usize {
        self.clients * self.each
    }

    /// Those of a client.
    pub(crate) fn own(self, client: usize) -> Range<usize> {
        client * self.each..(client + 1) * self.each
    }
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('x');
        let parts = parts.and_then(|(n, k)| Some((n.parse().ok()?, k.parse().ok()?)));
        let (clients, each) = parts.with_context(|| format!("{text:?} is not like 1000x2"))?;
        // The reflector must have somebody to tell, and one client may be lost.
        ensure!(
            (3..=MOST_CLIENTS).contains(&clients) && (1..=MOST_EACH).contains(&each),
            "{text}: 3 to {MOST_CLIENTS} clients with 1 to {MOST_EACH} prefixes"
        );
        let size = Size { clients, each };
        ensure!(size.total() >= 10, "{text}: fewer than 10 prefixes");
        Ok(size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.clients, self.each)
    }
}

/// Where a client dials from; its identifier and next hop too.
pub(crate) fn address(client: usize) -> Ipv4Addr {
    let offset = u32::try_from(client + 1).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(CLIENTS.to_bits().saturating_add(offset))
}

/// A prefix as it stands in an UPDATE.
pub(crate) fn nlri(prefix: usize) -> Slash24 {
    let number = u32::try_from(PREFIXES + prefix).unwrap_or(u32::MAX);
    let [_, a, b, c] = number.to_be_bytes();
    [24, a, b, c]
}

/// The prefix that stands there; `None` when it is none of ours.
pub(crate) fn prefix([length, a, b, c]: Slash24) -> Option<usize> {
    let number = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    number.checked_sub(PREFIXES).filter(|_| length == 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_as_it_is_written() {
        let size: Size = "1000x2".parse().unwrap();
        assert_eq!(size.to_string(), "1000x2");
        assert_eq!((size.total(), size.own(999)), (2_000, 1_998..2_000));
        for wrong in ["", "10", "2x9", "3x3", "3x0", "60001x1", "10x901", "x"] {
            wrong.parse::<Size>().unwrap_err();
        }
    }

    #[test]
    fn a_prefix_is_found_again_in_its_nlri() {
        for number in [0, 255, 256, 65_536, 4_999] {
            assert_eq!(prefix(nlri(number)), Some(number));
        }
        assert_eq!(nlri(257), [24, 20, 1, 1]);
        assert_eq!(prefix([24, 10, 0, 0]), None);
        assert_eq!(prefix([23, 20, 0, 0]), None);
    }

    #[test]
    fn addresses_are_distinct_and_in_the_range() {
        assert_eq!(address(0).to_string(), "10.65.0.1");
        assert_eq!(address(MOST_CLIENTS - 1).to_string(), "10.65.234.96");
    }
}
