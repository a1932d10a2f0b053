//! Routes to what BGP has learned.

use super::Plan;
use crate::bgp::learned::Learned;
use crate::links::{Links, OffLink};
use gingham_model::{NextHop, NextHops, Owner, Prefix, Route, RouteSet, Target};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// Why no route leads to a learned prefix: none of its next hops can be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved(Vec<OffLink>);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, why) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { "; " };
            write!(f, "{before}{why}")?;
        }
        Ok(())
    }
}

impl Plan {
    /// A route to each learned prefix, by all of its next hops that are neighbours. Where the zone's
    /// own objects want a route to the very same prefix, that one stands alone.
    pub(super) fn learn(&mut self, learned: &Learned, links: &Links) {
        let taken: BTreeSet<Prefix> = self.routes.keys().map(|key| key.prefix).collect();
        let free = learned.routes.iter();
        let free = free.filter(|(prefix, _)| !taken.contains(prefix));
        let mut routes: Vec<Route> = Vec::with_capacity(learned.routes.len());
        for (prefix, vias) in free {
            match resolved(vias, links) {
                Ok(hops) => routes.push(Route::of(Owner::Learned, *prefix, Target::Via(hops))),
                Err(unresolved) => drop(self.unresolved.insert(*prefix, unresolved)),
            }
        }
        // In order already, so that both steps are linear.
        let routes = routes.into_iter().map(|route| (route.key, route));
        self.routes.append(&mut routes.collect::<RouteSet>());
    }
}

/// Over connected prefixes only, and so never `onlink`.
fn resolved(vias: &[IpAddr], links: &Links) -> Result<NextHops, Unresolved> {
    let mut off = Vec::new();
    let towards = vias.iter().filter_map(|via| match links.towards(*via) {
        Ok(dev) => Some(NextHop { via: *via, dev }),
        Err(why) => {
            off.push(why);
            None
        }
    });
    let hops: NextHops = towards.collect();
    if hops.is_empty() {
        Err(Unresolved(off))
    } else {
        Ok(hops)
    }
}
