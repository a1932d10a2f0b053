//! Whether the kernel, the routes it has and the plan are of one mind.

use super::{Inputs, by, leads};
use crate::links::Links;
use crate::pass::Seen;
use crate::snapshot;
use gingham_model::{Owner, Route, RouteKey, RouteProtocol, Target};
use gingham_netlink::fib::{Entry, Leads, Lookup, Way};
use nix::errno::Errno;
use std::cmp::Reverse;
use std::net::IpAddr;

/// `rtm_protocol` of what the kernel makes of addresses itself: `RTPROT_KERNEL` of linux/rtnetlink.h.
const KERNEL: RouteProtocol = RouteProtocol(2);

/// The kernel's own answer in words.
pub(super) fn said(lookup: &Lookup, links: &Links) -> String {
    match lookup {
        Lookup::Taken { route, leads: to } => {
            format!("{}, by route {}", leads(to, links), named(route))
        }
        Lookup::Refused(errno) => format!("nowhere: {}", errno.desc()),
    }
}

/// Everything that is not as it should be.
pub(super) fn disagreements(inputs: &Inputs<'_>, chosen: Option<&Entry>) -> Vec<String> {
    let kernel = inputs.kernel;
    let mut found = Vec::new();
    if !agree(&kernel.around, chosen, &kernel.lookup) {
        let by_table = chosen.map_or_else(|| "no route".to_owned(), named);
        found.push(format!(
            "by its routing tables the kernel should go by {by_table}, and it says: {}. Policy rules \
             (`ip rule`) decide otherwise, or the routes changed while this was asked",
            said(&kernel.lookup, &kernel.links)
        ));
    }
    if let Some(seen) = inputs.seen {
        found.extend(against_plan(inputs, seen, chosen));
    }
    found
}

/// Whether the kernel goes by the route chosen here.
fn agree(around: &[Entry], chosen: Option<&Entry>, lookup: &Lookup) -> bool {
    match (chosen, lookup) {
        (None, Lookup::Refused(errno)) => *errno == Errno::ENETUNREACH,
        (None, Lookup::Taken { .. }) => false,
        (Some(chosen), Lookup::Refused(errno)) => chosen.leads == Leads::Nowhere(*errno),
        // Any of the same key will do: link-local and multicast routes have one for each link.
        (Some(chosen), Lookup::Taken { route, .. }) => {
            let same = around.iter().filter(|entry| entry.key == chosen.key);
            let mut same = same.filter(|entry| entry.protocol == route.protocol);
            same.any(|entry| {
                entry.key.prefix == route.key.prefix
                    && entry.key.metric == route.key.metric
                    && unordered(&entry.leads) == unordered(&route.leads)
            })
        }
    }
}

/// The kernel begins with another way each time.
fn unordered(leads: &Leads) -> Leads {
    let mut leads = leads.clone();
    if let Leads::Out(ways) = &mut leads {
        ways.sort();
    }
    leads
}

/// How the chosen route differs from what the plan wants for the address.
fn against_plan(inputs: &Inputs<'_>, seen: &Seen, chosen: Option<&Entry>) -> Option<String> {
    let links = &inputs.kernel.links;
    let ours = chosen.and_then(|entry| Owner::of(entry.protocol));
    let Some(wanted) = wanted(seen, inputs.address) else {
        let stray = chosen.filter(|_| matches!(ours, Some(owner) if owner != Owner::Pod))?;
        let (named, stands) = (named(stray), standing(seen, &stray.key));
        return Some(format!(
            "the plan has no route, and the kernel goes by {named}{stands}"
        ));
    };
    let stands = standing(seen, &wanted.key);
    let planned = format!(
        "{} route {} {}",
        snapshot::kind(wanted),
        wanted.key.prefix,
        leads(&target(&wanted.target), links)
    );
    let around = inputs.kernel.around.iter();
    let mut at = around.filter(|e| e.key == wanted.key && e.protocol == wanted.protocol);
    let Some(present) = at.next() else {
        return Some(format!(
            "the plan wants the {planned}, and the kernel has it not{stands}"
        ));
    };
    if unordered(&present.leads) != unordered(&target(&wanted.target)) {
        let has = leads(&present.leads, links);
        return Some(format!(
            "the plan wants the {planned}, and in the kernel it leads {has}{stands}"
        ));
    }
    // Pods' routes are the plugin's, those of its own addresses the kernel's.
    let entry = chosen.filter(|entry| *entry != present)?;
    match ours {
        Some(Owner::Pod) => None,
        None if entry.protocol == KERNEL => None,
        Some(_) => Some(format!(
            "the plan wants the {planned}, and the kernel goes by {}, which is not in the plan{}",
            named(entry),
            standing(seen, &entry.key)
        )),
        None => Some(format!(
            "the plan wants the {planned}, and the kernel goes by {} of others",
            named(entry)
        )),
    }
}

/// What the last round knew of a route that is not as it should be.
fn standing(seen: &Seen, key: &RouteKey) -> String {
    let standing = seen.round.standing(key);
    match (standing.word(), standing.detail()) {
        ("ok", _) => String::new(),
        (word, None) => format!(" ({word})"),
        (word, Some(detail)) => format!(" ({word}: {detail})"),
    }
}

/// What the plan wants for an address: the longest match of the lowest metric.
fn wanted(seen: &Seen, address: IpAddr) -> Option<&Route> {
    let routes = seen.plan.routes.values();
    let around = routes.filter(|route| route.key.prefix.contains(address));
    around.min_by_key(|route| (Reverse(route.key.prefix.length()), route.key.metric))
}

/// A target of the plan as the kernel would say it.
fn target(target: &Target) -> Leads {
    let way = |via, dev| Way { via, dev };
    match target {
        Target::Via(hops) => {
            Leads::Out(hops.iter().map(|hop| way(Some(hop.via), hop.dev)).collect())
        }
        Target::Link(dev) => Leads::Out(vec![way(None, *dev)]),
        Target::Unreachable | Target::Foreign => Leads::Nowhere(Errno::EHOSTUNREACH),
    }
}

/// A route by what tells it apart.
fn named(entry: &Entry) -> String {
    let (key, protocol) = (entry.key, entry.protocol);
    let by = match by(protocol).as_str() {
        "" => protocol.0.to_string(),
        name => format!("{} ({name})", protocol.0),
    };
    format!("{} metric {} protocol {by}", key.prefix, key.metric)
}
