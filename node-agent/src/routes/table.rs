//! The main table, parted into ours and what stands in our way. Pure.

use gingham_model::{Family, Owner, Prefix, Route, RouteKey, RouteProtocol, RouteSet, Target};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// The owners whose routes are kept here.
pub const OWN: [Owner; 3] = [Owner::Direct, Owner::Learned, Owner::Sink];

/// Our routes as the kernel has them.
///
/// A key has more than one only by a foreign hand: `ip route append` makes another of the same key
/// in IPv4. The kernel uses the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    first: RouteSet,
    copies: Vec<Route>,
}

impl Table {
    /// Parts the routes of a dump: ours, and the rest.
    pub fn part(routes: Vec<Route>) -> (Self, Vec<Route>) {
        let mut table = Table::default();
        let mut rest = Vec::new();
        for route in routes {
            match Owner::of(route.protocol) {
                Some(owner) if OWN.contains(&owner) => table.insert(route),
                _ => rest.push(route),
            }
        }
        (table, rest)
    }

    fn insert(&mut self, route: Route) {
        match self.first.entry(route.key) {
            Entry::Vacant(place) => drop(place.insert(route)),
            Entry::Occupied(_) => self.copies.push(route),
        }
    }

    /// The routes the kernel uses, by key.
    pub fn routes(&self) -> &RouteSet {
        &self.first
    }

    /// Further routes at keys of the first ones, which the kernel does not use.
    pub fn copies(&self) -> &[Route] {
        &self.copies
    }
}

/// A foreign route to one of our prefixes, at our metric or a better one: the kernel uses it, or it
/// stands where ours would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival(pub Route);

impl Rival {
    /// Whose it is.
    pub fn protocol(&self) -> RouteProtocol {
        self.0.protocol
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, metric) = (self.0.protocol.0, self.0.key.metric);
        match name_of(self.0.protocol) {
            Some(name) => write!(f, "protocol {protocol} ({name}), metric {metric}"),
            None => write!(f, "protocol {protocol}, metric {metric}"),
        }
    }
}

/// Foreign routes in the way of ours, by our key.
pub type Rivals = BTreeMap<RouteKey, Rival>;

/// What of the `rest` of a table stands in the way of the wanted routes: of several, the best.
pub fn rivals(wanted: &RouteSet, rest: &[Route]) -> Rivals {
    let mut by_prefix: BTreeMap<Prefix, &Route> = BTreeMap::new();
    for route in rest {
        let best = by_prefix.entry(route.key.prefix).or_insert(route);
        if route.key.metric < best.key.metric {
            *best = route;
        }
    }
    let in_the_way = |key: &RouteKey| {
        let rival = by_prefix.get(&key.prefix)?;
        let better = rival.key.metric < key.metric;
        // A learned default route is there for when the host's own goes.
        let stands_in = better && key.prefix.length() == 0;
        let rival = (better || rival.key.metric == key.metric).then_some(*rival)?;
        (!stands_in).then(|| (*key, Rival(rival.clone())))
    };
    wanted.keys().filter_map(in_the_way).collect()
}

/// The routers of the default routes in the `rest` of a table: of each family those of the best one.
pub fn gateways(rest: &[Route]) -> BTreeSet<IpAddr> {
    let mut best: BTreeMap<Family, &Route> = BTreeMap::new();
    for route in rest.iter().filter(|route| route.key.prefix.length() == 0) {
        let known = best.entry(route.key.prefix.family()).or_insert(route);
        if route.key.metric < known.key.metric {
            *known = route;
        }
    }
    let hops = best.values().map(|route| match &route.target {
        Target::Via(hops) => &hops[..],
        Target::Link(_) | Target::Unreachable | Target::Foreign => &[],
    });
    hops.flatten().map(|hop| hop.via).collect()
}

/// Programs by the number their routes carry (`rtnetlink.h`, `/etc/iproute2/rt_protos`, and the
/// programs' own sources).
pub fn name_of(protocol: RouteProtocol) -> Option<&'static str> {
    Some(match protocol.0 {
        2 => "kernel",
        3 => "boot",
        4 => "static",
        9 => "router advertisement",
        11 => "zebra",
        12 => "BIRD",
        16 => "DHCP",
        17 => "mrouted or kube-router",
        18 => "keepalived",
        30 | 31 => "Coil",
        42 => "Babel",
        66 => "Google guest agent",
        80 => "Felix",
        99 => "Open/R",
        186..=196 => "FRR",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gingham_model::{NextHop, TABLE_MAIN};

    fn foreign(prefix: Prefix, metric: u32) -> Route {
        let via = NextHop {
            via: "10.1.0.1".parse().unwrap(),
            dev: 2,
        };
        Route {
            key: RouteKey {
                table: TABLE_MAIN,
                prefix,
                metric,
            },
            protocol: RouteProtocol(3),
            target: Target::Via(via.into()),
        }
    }

    #[test]
    fn the_hosts_own_default_is_nobodys_rival_unless_it_stands_where_ours_would() {
        let at = |prefix: &str, metric| {
            let prefix: Prefix = prefix.parse().unwrap();
            let learned = Route::of(Owner::Learned, prefix, Target::Unreachable);
            let wanted = [(learned.key, learned)].into();
            rivals(&wanted, &[foreign(prefix, metric)]).len()
        };
        assert_eq!((at("0.0.0.0/0", 0), at("0.0.0.0/0", 40)), (0, 1));
        assert_eq!((at("10.102.0.0/16", 0), at("10.102.0.0/16", 41)), (1, 0));
    }
}
