//! How many prefixes are learned from how many feeders, and which prefixes and addresses these are.

use anyhow::{Context, Result, ensure};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The zone's autonomous system.
pub(crate) const ASN: u32 = 64_601;
/// The one under test.
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);
/// What all addresses lie in.
pub(crate) const SUBNET: &str = "172.16.0.0/24";
/// The first prefix is 11.0.0.0/24; counted in /24.
const PREFIXES: u32 = 11 << 16;
/// Up to 12.255.255.0/24.
const MOST: usize = 2 << 16;
/// As many as reflectors of a zone.
const MOST_FEEDERS: usize = 2;

/// `P` prefixes, or `PxF`: each from F feeders, by different next hops. Both count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) feeders: usize,
    pub(crate) prefixes: usize,
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (prefixes, feeders) = text.split_once('x').unwrap_or((text, "1"));
        let parts = prefixes.parse().ok().zip(feeders.parse().ok());
        let (prefixes, feeders) =
            parts.with_context(|| format!("{text:?} is not like 10000 or 10000x2"))?;
        // One prefix changes, another one of ten is withdrawn.
        ensure!(
            (10..=MOST).contains(&prefixes) && (1..=MOST_FEEDERS).contains(&feeders),
            "{text}: 10 to {MOST} prefixes from 1 to {MOST_FEEDERS} feeders"
        );
        Ok(Case { feeders, prefixes })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.prefixes, self.feeders)
    }
}

/// Where a feeder listens; its identifier too.
pub(crate) fn feeder(number: usize) -> Ipv4Addr {
    host(1 + number)
}

/// A router of the subnet: where prefixes lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Router(usize);

impl Router {
    /// Where those of a feeder lead.
    pub(crate) fn of(feeder: usize) -> Self {
        Router(feeder)
    }

    /// Where one leads that changed.
    pub(crate) const OTHER: Router = Router(MOST_FEEDERS);

    pub(crate) fn all() -> impl Iterator<Item = Router> {
        (0..=MOST_FEEDERS).map(Router)
    }

    /// Counted from 0.
    pub(crate) fn number(self) -> usize {
        self.0
    }

    pub(crate) fn address(self) -> Ipv4Addr {
        host(251 + self.0)
    }
}

fn host(number: usize) -> Ipv4Addr {
    let [a, b, c, _] = NODE.octets();
    Ipv4Addr::new(a, b, c, u8::try_from(number).unwrap_or(u8::MAX))
}

/// Address of a /24.
pub(crate) fn prefix(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits((PREFIXES + number) << 8)
}

/// The /24 of this address; `None` when it is none of ours.
pub(crate) fn number(address: Ipv4Addr) -> Option<usize> {
    let number = (address.to_bits() >> 8).checked_sub(PREFIXES)?;
    usize::try_from(number).ok().filter(|number| *number < MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_as_it_is_written() {
        let case: Case = "10000x2".parse().unwrap();
        assert_eq!((case.prefixes, case.feeders), (10_000, 2));
        assert_eq!("10000".parse::<Case>().unwrap().to_string(), "10000x1");
        for wrong in ["", "9", "131073", "10x0", "10x3", "x", "1e4"] {
            wrong.parse::<Case>().unwrap_err();
        }
    }

    #[test]
    fn a_prefix_is_found_again_by_its_address() {
        for one in [0, 255, 256, 99_999] {
            assert_eq!(number(prefix(one)), Some(one));
        }
        assert_eq!(prefix(257).to_string(), "11.1.1.0");
        assert_eq!(number(NODE), None);
    }

    #[test]
    fn everyone_has_an_address_of_its_own() {
        let routers = Router::all().map(Router::address);
        let mut all: Vec<_> = (0..MOST_FEEDERS).map(feeder).chain(routers).collect();
        all.push(NODE);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2 * MOST_FEEDERS + 2);
    }
}
