//! Leases the slow and obvious way: the oracle of the interleavings.

use crate::builders::block;
use gingham_ipam::{NodeBlock, NodeBlockState};
use gingham_model::{Family, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(crate) const COOLDOWN: u64 = 10;
/// How long an address rests where no other is left: a quarter, rounded up.
const PRESSED: u64 = 3;

/// Of different sizes per family, so that leases often cool on with one address only.
pub(crate) fn blocks() -> Vec<NodeBlock> {
    ["10.0.0.0/29", "fd00::/126", "10.0.1.248/29", "fd00::10/125"]
        .map(|cidr| block(cidr, NodeBlockState::Active))
        .to_vec()
}

/// What the model expects of one family.
#[derive(Debug, PartialEq)]
pub(crate) enum Expected {
    OneOf(BTreeSet<IpAddr>),
    NotGiven,
    Taken,
    AllCooling(u64),
    Exhausted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Standing {
    Intent,
    Held,
    Recovered,
}

/// Everything the slow and obvious way.
pub(crate) struct Model {
    pub(crate) blocks: Vec<NodeBlock>,
    pub(crate) given: BTreeSet<IpAddr>,
    pub(crate) live: BTreeMap<u8, (Standing, Vec<IpAddr>)>,
    /// In the order of release.
    pub(crate) cooling: Vec<(IpAddr, u64)>,
    pub(crate) now: u64,
}

impl Model {
    pub(crate) fn active(&self, family: Family) -> impl Iterator<Item = Prefix> {
        let active = self
            .blocks
            .iter()
            .filter(|b| b.state == NodeBlockState::Active);
        active
            .map(|b| b.cidr)
            .filter(move |cidr| cidr.family() == family)
    }

    pub(crate) fn gives(&self, address: IpAddr) -> bool {
        self.active(Family::of(address))
            .any(|cidr| cidr.contains(address))
    }

    pub(crate) fn addresses(cidr: Prefix) -> BTreeSet<IpAddr> {
        let all = (0..cidr.size()).map(|index| cidr.nth_address(index).unwrap());
        let unfit = |address: &IpAddr| match address {
            IpAddr::V4(v4) => [0, 255].contains(&v4.octets()[3]),
            IpAddr::V6(_) => *address == cidr.address(),
        };
        all.filter(|address| !unfit(address)).collect()
    }

    pub(crate) fn expected(&self, family: Family) -> Expected {
        for cidr in self.active(family) {
            let fresh = &Model::addresses(cidr) - &self.given;
            if !fresh.is_empty() {
                return Expected::OneOf(fresh);
            }
        }
        let idle =
            |(address, _): &&(IpAddr, u64)| Family::of(*address) == family && self.gives(*address);
        match self.cooling.iter().find(idle) {
            None => Expected::Exhausted,
            Some((_, since)) if since + PRESSED > self.now => Expected::AllCooling(since + PRESSED),
            Some((address, _)) => Expected::OneOf(BTreeSet::from([*address])),
        }
    }

    /// What comes of asking for one address by name, for a pod.
    pub(crate) fn expected_of(&self, address: IpAddr, pod: u8) -> Expected {
        let has = |(other, (_, theirs)): (&u8, &(Standing, Vec<IpAddr>))| {
            *other != pod && theirs.contains(&address)
        };
        if !self.gives(address) {
            Expected::NotGiven
        } else if self.live.iter().any(has) {
            Expected::Taken
        } else {
            Expected::OneOf(BTreeSet::from([address]))
        }
    }

    pub(crate) fn rest(&mut self, pod: u8) {
        let (_, addresses) = self.live.remove(&pod).unwrap();
        self.cooling
            .extend(addresses.into_iter().map(|address| (address, self.now)));
    }

    pub(crate) fn give(&mut self, pod: u8, standing: Standing, addresses: Vec<IpAddr>) {
        self.cooling
            .retain(|(address, _)| !addresses.contains(address));
        self.given.extend(&addresses);
        self.live.insert(pod, (standing, addresses));
    }

    /// The address of this index, of all blocks of a family.
    pub(crate) fn nth(&self, family: Family, index: usize) -> IpAddr {
        let of = self.blocks.iter().filter(|b| b.cidr.family() == family);
        let all: Vec<IpAddr> = of.flat_map(|b| Model::addresses(b.cidr)).collect();
        all[index % all.len()]
    }
}
