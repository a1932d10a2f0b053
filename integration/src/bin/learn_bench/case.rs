//! What is measured: how many prefixes are learned from how many feeders, or how many nodes a reflector
//! serves; and which prefixes and addresses these are.

use anyhow::{Context, Result, bail, ensure};
use gingham_integration::bgp::frame::Slash24;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The zone's autonomous system, and that of what is outside.
pub(crate) const ASN: u32 = 64_601;
pub(crate) const OUTSIDE: u32 = 64_700;
/// The one under test.
pub(crate) const DEVICE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);
/// What all addresses lie in, and its length.
pub(crate) const SUBNET: &str = "172.16.0.0/16";
pub(crate) const LENGTH: u8 = 16;
/// Nodes stand from 172.16.16.0 on; what they have begins with 10.64.0.0/24.
const NODES: u32 = Ipv4Addr::new(172, 16, 16, 0).to_bits();
pub(crate) const POOL: &str = "10.64.0.0/10";
const BLOCKS: u32 = Ipv4Addr::new(10, 64, 0, 0).to_bits() >> 8;
const MOST_NODES: usize = 10_000;
/// The first learned prefix is 11.0.0.0/24, the last of as many as there may be 12.255.255.0/24.
const PREFIXES: u32 = 11 << 16;
const MOST: usize = 2 << 16;
/// As many as reflectors of a zone.
const MOST_FEEDERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    Learn(Feed),
    Reflect(Nodes),
}

/// `P` prefixes, or `PxF`: each from F feeders, by different next hops. Both count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Feed {
    pub(crate) feeders: usize,
    pub(crate) prefixes: usize,
}

/// `Nn`: so many nodes of one zone, counted from 0, each with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nodes(pub(crate) usize);

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| -> Result<usize> {
            let number = text.parse();
            number.with_context(|| format!("{text:?} is no number, as in 10000, 10000x2 or 1000n"))
        };
        if let Some(nodes) = text.strip_suffix('n') {
            let nodes = number(nodes)?;
            ensure!(
                (1..=MOST_NODES).contains(&nodes),
                "{text}: 1 to {MOST_NODES} nodes"
            );
            return Ok(Case::Reflect(Nodes(nodes)));
        }
        let (prefixes, feeders) = text.split_once('x').unwrap_or((text, "1"));
        let (prefixes, feeders) = (number(prefixes)?, number(feeders)?);
        // One prefix changes, another one of ten is withdrawn.
        ensure!(
            (10..=MOST).contains(&prefixes) && (1..=MOST_FEEDERS).contains(&feeders),
            "{text}: 10 to {MOST} prefixes from 1 to {MOST_FEEDERS} feeders"
        );
        Ok(Case::Learn(Feed { feeders, prefixes }))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Case::Learn(feed) => feed.fmt(f),
            Case::Reflect(Nodes(nodes)) => write!(f, "{nodes}n"),
        }
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.prefixes, self.feeders)
    }
}

impl FromStr for Feed {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse()? {
            Case::Learn(feed) => Ok(feed),
            Case::Reflect(_) => bail!("{text}: no prefixes"),
        }
    }
}

impl Nodes {
    /// Where a node dials from; its identifier and next hop too.
    pub(crate) fn address(node: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(NODES + offset(node) + 1)
    }

    /// Its block, as NLRI.
    pub(crate) fn block(node: usize) -> Slash24 {
        slash24(BLOCKS + offset(node))
    }

    /// Whose block it is; `None` when nobody's.
    pub(crate) fn owner(self, block: Slash24) -> Option<usize> {
        let number = number_of(block, BLOCKS)?;
        Some(number).filter(|number| *number < self.0)
    }
}

impl Feed {
    /// A prefix, as NLRI.
    pub(crate) fn prefix(number: usize) -> Slash24 {
        slash24(PREFIXES + offset(number))
    }

    /// The number of a prefix; `None` when it is none of ours.
    pub(crate) fn number(prefix: Slash24) -> Option<usize> {
        number_of(prefix, PREFIXES).filter(|number| *number < MOST)
    }
}

fn offset(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn slash24(number: u32) -> Slash24 {
    let [_, a, b, c] = number.to_be_bytes();
    [24, a, b, c]
}

fn number_of([length, a, b, c]: Slash24, first: u32) -> Option<usize> {
    let number = u32::from_be_bytes([0, a, b, c]).checked_sub(first)?;
    usize::try_from(number).ok().filter(|_| length == 24)
}

/// Where a feeder listens; its identifier too. The first is the core of a zone's reflector.
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
    let [a, b, c, _] = DEVICE.octets();
    Ipv4Addr::new(a, b, c, u8::try_from(number).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_as_it_is_written() {
        let feed: Feed = "10000x2".parse().unwrap();
        assert_eq!((feed.prefixes, feed.feeders), (10_000, 2));
        assert_eq!("10000".parse::<Case>().unwrap().to_string(), "10000x1");
        let nodes: Case = "1000n".parse().unwrap();
        assert_eq!(nodes, Case::Reflect(Nodes(1_000)));
        assert_eq!(nodes.to_string(), "1000n");
        for wrong in [
            "", "9", "131073", "10x0", "10x3", "x", "1e4", "0n", "10001n",
        ] {
            wrong.parse::<Case>().unwrap_err();
        }
    }

    #[test]
    fn a_prefix_is_found_again() {
        for one in [0, 255, 256, 99_999] {
            assert_eq!(Feed::number(Feed::prefix(one)), Some(one));
        }
        assert_eq!(Feed::prefix(257), [24, 11, 1, 1]);
        assert_eq!(Feed::number([24, 10, 255, 255]), None);
        assert_eq!(Nodes(300).owner(Nodes::block(299)), Some(299));
        assert_eq!(Nodes(300).owner(Nodes::block(300)), None);
        assert_eq!(Nodes::block(257), [24, 10, 65, 1]);
    }

    #[test]
    fn everyone_has_an_address_of_its_own() {
        let routers = Router::all().map(Router::address);
        let feeders = (0..MOST_FEEDERS).map(feeder);
        let nodes = (0..MOST_NODES).map(Nodes::address);
        let mut all: Vec<_> = feeders.chain(routers).chain(nodes).collect();
        all.push(DEVICE);
        all.sort();
        let many = all.len();
        all.dedup();
        assert_eq!(all.len(), many);
        assert_eq!(Nodes::address(MOST_NODES - 1).to_string(), "172.16.55.16");
    }
}
