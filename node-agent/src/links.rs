//! What the node's own interfaces say: which next hops are neighbours, which links are uplinks.

use gingham_model::{Family, NextHop, Prefix};
use gingham_netlink::{Address, Link};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The interfaces and their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    links: BTreeMap<u32, Link>,
    /// Those of interfaces by which other nodes can be reached. A node has as many host veths as
    /// pods and is asked about as many blocks as the zone has nodes, so this and the rest is sorted
    /// out once.
    addresses: Vec<Address>,
    own: BTreeSet<IpAddr>,
    connected: Vec<(Prefix, u32)>,
    /// Interfaces with such an address, up or not.
    addressed: BTreeSet<u32>,
}

/// Why a next hop cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum OffLink {
    /// It is one of the node's own addresses.
    #[error("next hop {0} is an address of this node")]
    Own(IpAddr),
    /// It lies in no connected prefix of an interface that is up.
    #[error("next hop {0} is on no link of this node")]
    Elsewhere(IpAddr),
}

impl Links {
    /// From a dump of the kernel.
    pub fn new(links: Vec<Link>, mut addresses: Vec<Address>) -> Self {
        let own = addresses.iter().map(|address| address.address).collect();
        let links: BTreeMap<u32, Link> = links.into_iter().map(|link| (link.index, link)).collect();
        addresses.retain(|address| {
            let link = links.get(&address.dev);
            link.is_some_and(|link| !link.loopback) && !is_link_local(address.address)
        });
        let addressed = addresses.iter().map(|address| address.dev).collect();
        addresses.retain(|address| links.get(&address.dev).is_some_and(|link| link.up));
        let connected = addresses.iter().filter_map(connected).collect();
        Links {
            links,
            addresses,
            own,
            connected,
            addressed,
        }
    }

    /// The interface of that index, if it has an address beyond the link, up or not.
    pub fn addressed(&self, dev: u32) -> Option<&Link> {
        let addressed = self.addressed.contains(&dev);
        self.links.get(&dev).filter(|_| addressed)
    }

    /// Whether an address is of a kind that other nodes can be reached by.
    pub fn counts(&self, address: &Address) -> bool {
        let loopback = self.links.get(&address.dev).is_some_and(|l| l.loopback);
        !loopback && !is_link_local(address.address)
    }

    /// Whether this address is known, just so.
    pub fn has(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// The name of an interface; its index in words where it is gone.
    pub fn name(&self, dev: u32) -> String {
        let link = self.links.get(&dev);
        link.map_or_else(|| format!("if{dev}"), |link| link.name.clone())
    }

    /// What is written on an interface: on a pod's host end, whose it is.
    pub fn alias(&self, dev: u32) -> Option<&str> {
        self.links.get(&dev)?.alias.as_deref()
    }

    /// The connected prefixes, with the interface of each: those of loopback, link-local ones and
    /// lone addresses left out, for no other node stands there.
    pub fn connected(&self) -> &[(Prefix, u32)] {
        &self.connected
    }

    /// The interface by which `via` is a neighbour: the one with the longest connected prefix.
    ///
    /// # Errors
    /// When it is no neighbour.
    pub fn towards(&self, via: IpAddr) -> Result<u32, OffLink> {
        if self.own.contains(&via) {
            return Err(OffLink::Own(via));
        }
        let holding = self
            .connected
            .iter()
            .filter(|(prefix, _)| prefix.contains(via));
        let best = holding.min_by_key(|(prefix, dev)| (Reverse(prefix.length()), *dev));
        best.map(|(_, dev)| *dev).ok_or(OffLink::Elsewhere(via))
    }

    /// The interfaces with an address for which `wanted` holds.
    fn having(&self, wanted: impl Fn(IpAddr) -> bool) -> impl Iterator<Item = &Link> {
        let with = self.addresses.iter().filter(move |own| wanted(own.address));
        with.filter_map(|address| self.links.get(&address.dev))
    }

    /// MTU for pods, in bytes: the smallest of the uplinks, the interfaces with one of
    /// `internal_ips`.
    pub fn mtu(&self, internal_ips: &[IpAddr]) -> Option<u32> {
        let uplinks = self.having(|own| internal_ips.contains(&own));
        uplinks.map(|link| link.mtu).min()
    }

    /// The names of the uplinks: the interfaces with one of `internal_ips`, and those by which `hops`
    /// are reached.
    pub fn uplinks(&self, internal_ips: &[IpAddr], hops: &BTreeSet<NextHop>) -> BTreeSet<String> {
        let towards = hops.iter().filter_map(|hop| self.links.get(&hop.dev));
        let own = self.having(|own| internal_ips.contains(&own));
        own.chain(towards).map(|link| link.name.clone()).collect()
    }

    /// The names of the interfaces that may live on router advertisements: the uplinks, which are
    /// those with one of `internal_ips`, and those with any IPv6 address beyond the link.
    pub fn advertised(&self, internal_ips: &[IpAddr]) -> BTreeSet<String> {
        let may = |own: IpAddr| internal_ips.contains(&own) || Family::of(own) == Family::V6;
        self.having(may).map(|link| link.name.clone()).collect()
    }
}

fn connected(address: &Address) -> Option<(Prefix, u32)> {
    let prefix = Prefix::containing(address.address, address.length).ok()?;
    let shared = prefix.length() > 0 && prefix.length() < prefix.family().bits();
    shared.then_some((prefix, address.dev))
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
