//! What of the kernel's news concerns us. Pure.
//!
//! The kernel tells everybody everything: each ARP entry, each route of each other program. What
//! the agent and the plugin make is seen again too. Only what may have broken something of ours is
//! a reason to look.

use crate::dirty::Cause;
use crate::links::Links;
use crate::pass::{Seen, Wired};
use crate::plan::Plan;
use gingham_model::{Family, Owner, Prefix, Route, TABLE_MAIN, gateway};
use gingham_netlink::monitor::{Notice, Object, Op};
use gingham_netlink::{Address, Link, Neighbour};
use std::sync::Arc;

/// What is to be watched over: what the last rounds found.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    seen: Option<Arc<Seen>>,
    pods: Arc<Wired>,
}

impl Interest {
    /// In what is wanted and there: interfaces, routes, and the pods' host ends.
    pub fn new(seen: Option<Arc<Seen>>, pods: Arc<Wired>) -> Self {
        Interest { seen, pods }
    }

    /// Why to look again because of `notice`; `None` when there is no need.
    pub fn concern(&self, notice: &Notice) -> Option<Cause> {
        let Notice { op, object, .. } = notice;
        // Until it has been read for the first time, anything counts.
        let Some(seen) = &self.seen else {
            return Some(Cause::Start);
        };
        match object {
            Object::Link(link) => self.link(*op, link, &seen.links),
            Object::Address(address) => self.address(*op, address, &seen.links),
            Object::Neighbour(neighbour) => self.neighbour(neighbour),
            Object::Route(route) => self.route(*op, route, &seen.plan),
            // Routes through a next-hop object vanish with it, without a word. New ones harm nobody.
            Object::NextHop(_) => (*op == Op::Gone).then_some(Cause::Routes),
        }
    }

    /// A pod's host end that goes takes everything with it and harms nobody. One that is made is
    /// not finished yet.
    fn link(&self, op: Op, link: &Link, links: &Links) -> Option<Cause> {
        if self.pods.ends.contains_key(&link.index) {
            return (op == Op::New && !link.up).then_some(Cause::Pods);
        }
        let known = links.addressed(link.index)?;
        let same = op == Op::New && *known == *link;
        (!same).then_some(Cause::Links)
    }

    fn address(&self, op: Op, address: &Address, links: &Links) -> Option<Cause> {
        if self.pods.ends.contains_key(&address.dev) {
            return (op == Op::Gone).then_some(Cause::Pods);
        }
        // The plugin gives it to each host end it makes.
        if address.address == gateway(Family::V6) {
            return None;
        }
        // A router's advertisement renews addresses all the time.
        let same = op == Op::New && links.has(address);
        let counts = !same && links.counts(address);
        counts.then_some(Cause::Addresses)
    }

    fn neighbour(&self, neighbour: &Neighbour) -> Option<Cause> {
        let addresses = self.pods.ends.get(&neighbour.dev)?;
        addresses
            .contains(&neighbour.address)
            .then_some(Cause::Pods)
    }

    fn route(&self, op: Op, route: &Route, plan: &Plan) -> Option<Cause> {
        if route.key.table != TABLE_MAIN {
            return None;
        }
        // Peers may be found by where it leads.
        let is_default = route.key.prefix.length() == 0;
        match Owner::of(route.protocol) {
            Some(Owner::Direct | Owner::Learned | Owner::Sink) => Some(Cause::Routes),
            Some(Owner::Pod) => (op == Op::Gone || self.of_pod(route)).then_some(Cause::Pods),
            // It may have replaced ours, which no other notice tells.
            None if plan.leads_to(route.key.prefix) || self.of_pod(route) || is_default => {
                Some(Cause::ForeignRoutes)
            }
            None => None,
        }
    }

    /// Whether it stands at the key of a pod's own host route.
    fn of_pod(&self, route: &Route) -> bool {
        let address = route.key.prefix.address();
        route.key == Owner::Pod.key(Prefix::host(address))
            && self.pods.ends.values().any(|own| own.contains(&address))
    }
}
