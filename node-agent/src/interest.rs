//! What of the kernel's news concerns us. Pure.
//!
//! The kernel tells everybody everything: each ARP entry, each route of each other program. What
//! the agent and the plugin make is seen again too. Only what may have broken something of ours is
//! a reason to look.

use crate::dirty::Cause;
use crate::links::Links;
use gingham_model::{Family, Owner, Prefix, Route, RouteKey, TABLE_MAIN, gateway};
use gingham_netlink::monitor::{Notice, Object, Op};
use gingham_netlink::{Address, Link, Neighbour};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is to be watched over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    links: Links,
    pods: BTreeMap<u32, BTreeSet<IpAddr>>,
    prefixes: BTreeSet<Prefix>,
}

impl Interest {
    /// In the node's interfaces as last read, the pods' host ends that are in order, each with the
    /// addresses of its pod, and these routes.
    pub fn new<'a>(
        links: Links,
        pods: BTreeMap<u32, BTreeSet<IpAddr>>,
        routes: impl Iterator<Item = &'a RouteKey>,
    ) -> Self {
        Interest {
            links,
            pods,
            prefixes: routes.map(|key| key.prefix).collect(),
        }
    }

    /// Why to look again because of `notice`; `None` when there is no need.
    pub fn concern(&self, notice: &Notice) -> Option<Cause> {
        let Notice { op, object, .. } = notice;
        match object {
            Object::Link(link) => self.link(*op, link),
            Object::Address(address) => self.address(*op, address),
            Object::Neighbour(neighbour) => self.neighbour(neighbour),
            Object::Route(route) => self.route(*op, route),
            // Routes through a next-hop object vanish with it, without a word. New ones harm nobody.
            Object::NextHop(_) => (*op == Op::Gone).then_some(Cause::Routes),
        }
    }

    /// A pod's host end that goes takes everything with it and harms nobody. One that is made is
    /// not finished yet.
    fn link(&self, op: Op, link: &Link) -> Option<Cause> {
        if self.pods.contains_key(&link.index) {
            return (op == Op::New && !link.up).then_some(Cause::Pods);
        }
        let known = self.links.addressed(link.index)?;
        let same = op == Op::New && *known == *link;
        (!same).then_some(Cause::Links)
    }

    fn address(&self, op: Op, address: &Address) -> Option<Cause> {
        if self.pods.contains_key(&address.dev) {
            return (op == Op::Gone).then_some(Cause::Pods);
        }
        // The plugin gives it to each host end it makes.
        if address.address == gateway(Family::V6) {
            return None;
        }
        // A router's advertisement renews addresses all the time.
        let same = op == Op::New && self.links.has(address);
        let counts = !same && self.links.counts(address);
        counts.then_some(Cause::Addresses)
    }

    fn neighbour(&self, neighbour: &Neighbour) -> Option<Cause> {
        let addresses = self.pods.get(&neighbour.dev)?;
        addresses
            .contains(&neighbour.address)
            .then_some(Cause::Pods)
    }

    fn route(&self, op: Op, route: &Route) -> Option<Cause> {
        if route.key.table != TABLE_MAIN {
            return None;
        }
        match Owner::of(route.protocol) {
            Some(Owner::Direct | Owner::Sink) => Some(Cause::Routes),
            Some(Owner::Pod) => {
                let address = route.key.prefix.address();
                let known = self.pods.values().any(|own| own.contains(&address));
                (op == Op::Gone || known).then_some(Cause::Pods)
            }
            Some(Owner::Learned) => None,
            None if self.prefixes.contains(&route.key.prefix) => Some(Cause::ForeignRoutes),
            None => None,
        }
    }
}
