//! Holds removals that look like a mistake. Pure: time is an argument.
//!
//! A list that is suddenly empty, or much shorter, is more often a broken store, a lost permission
//! or an old backup than a cluster that shrank; and a route to a node that is really gone harms
//! nobody. So when more than a few nodes lose their routes at once, these stay until the list has
//! said the same for long enough, or an operator confirms it. A route whose next hop is off the
//! link for a moment, as when an address is renewed, stays for that moment.
//!
//! Learned routes are no such list: BGP has a guard of its own, and keeps what a lost peer said
//! (graceful restart, long-lived stale routes).

use gingham_model::{Family, Owner, Route, RouteKey, RouteSet, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Nodes that may lose their routes within [`WINDOW`] without a question,
const FEW: usize = 2;
/// or this part of all.
const PART: usize = 4;
/// What was removed in this time counts as removed at once.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a next hop may be off the link.
const FLAP: Duration = Duration::from_secs(5);

/// What has been asked for, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Superfluous routes, and since when they are.
    since: BTreeMap<RouteKey, Instant>,
    /// Whose routes were removed in the last [`WINDOW`].
    removed: BTreeMap<Node, Instant>,
    confirmed: BTreeSet<RouteKey>,
}

/// A node, as far as a route tells: the same node is another one in the other family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    /// This one: its sinks.
    Own(Family),
    Other(IpAddr),
}

/// What is asked: may these go?
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Our routes as the kernel has them.
    pub standing: &'a RouteSet,
    /// Those that should be.
    pub wanted: &'a RouteSet,
    /// Routes not wanted only because their next hop is off the link.
    pub off_link: &'a BTreeSet<RouteKey>,
    /// How long a mass removal is held.
    pub hold: Duration,
}

/// Why a route stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Its next hop is off the link, perhaps for a moment.
    Flap,
    /// Too many nodes at once.
    Mass,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Routes that stay for now.
    pub held: BTreeMap<RouteKey, Hold>,
    /// The mass removal that is held.
    pub mass: Option<Mass>,
    /// When to ask again.
    pub again: Option<Instant>,
}

/// A mass removal that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mass {
    /// Nodes that would lose their routes,
    pub losing: usize,
    /// of so many, in one family.
    pub all: usize,
    /// Routes held.
    pub routes: usize,
    /// How much longer at most.
    pub left: Duration,
}

impl fmt::Display for Mass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mass {
            losing,
            all,
            routes,
            left,
        } = self;
        let left = left.as_secs();
        write!(
            f,
            "mass removal: {losing} of {all} nodes would lose their routes at once; {routes} \
             routes stay for {left} s more, or until `gingham-agent confirm-removals`"
        )
    }
}

impl Guard {
    /// Answers.
    pub fn ask(&mut self, asked: &Asked<'_>, now: Instant) -> Verdict {
        self.note(asked, now);
        let census = self.census(asked);
        let is_mass = census.worst().is_some();
        let mut verdict = Verdict::default();
        for (key, since) in &self.since {
            let hold = if asked.off_link.contains(key) {
                (Hold::Flap, FLAP)
            } else if is_mass && !self.confirmed.contains(key) {
                (Hold::Mass, asked.hold)
            } else {
                continue;
            };
            let until = *since + hold.1;
            if now < until {
                verdict.held.insert(*key, hold.0);
                verdict.again = Some(verdict.again.map_or(until, |again| again.min(until)));
            }
        }
        verdict.mass = self.mass(asked, &census, (&verdict.held, now));
        verdict
    }

    /// These were removed.
    pub fn removed<'a>(&mut self, routes: impl Iterator<Item = &'a Route>, now: Instant) {
        for route in routes {
            self.removed.extend(node(route).map(|node| (node, now)));
        }
    }

    /// An operator says that what is held now is meant.
    pub fn confirm(&mut self) {
        self.confirmed = self.since.keys().copied().collect();
    }

    fn note(&mut self, asked: &Asked<'_>, now: Instant) {
        let (standing, wanted) = (asked.standing, asked.wanted);
        let concerns = |route: &&Route| {
            let mine = !is_learned(route) || asked.off_link.contains(&route.key);
            mine && !wanted.contains_key(&route.key)
        };
        self.since
            .retain(|key, _| standing.get(key).as_ref().is_some_and(concerns));
        for route in standing.values().filter(concerns) {
            self.since.entry(route.key).or_insert(now);
        }
        let since = &self.since;
        self.confirmed.retain(|key| since.contains_key(key));
        self.removed.retain(|_, at| now < *at + WINDOW);
    }

    fn census(&self, asked: &Asked<'_>) -> Census {
        let mut census = Census::default();
        let kept = asked.wanted.values().filter_map(node);
        let kept: BTreeSet<Node> = kept.collect();
        for route in asked.standing.values() {
            census.all.extend(node(route));
            if self.since.contains_key(&route.key) && !asked.off_link.contains(&route.key) {
                census.losing.extend(node(route));
            }
        }
        census.all.extend(self.removed.keys());
        census.losing.extend(self.removed.keys());
        // A node that loses one block of several is still there.
        census.losing.retain(|node| !kept.contains(node));
        census
    }

    fn mass(
        &self,
        asked: &Asked<'_>,
        census: &Census,
        (held, now): (&BTreeMap<RouteKey, Hold>, Instant),
    ) -> Option<Mass> {
        let of_mass = held.iter().filter(|(_, hold)| **hold == Hold::Mass);
        let keys: Vec<&RouteKey> = of_mass.map(|(key, _)| key).collect();
        let last = keys.iter().filter_map(|key| self.since.get(key)).max()?;
        let (losing, all) = census.worst()?;
        Some(Mass {
            losing,
            all,
            routes: keys.len(),
            left: (*last + asked.hold).saturating_duration_since(now),
        })
    }
}

/// Whose routes there are, and who would lose all of theirs.
#[derive(Clone, Debug, Default)]
struct Census {
    all: BTreeSet<Node>,
    losing: BTreeSet<Node>,
}

impl Census {
    /// The family where most nodes lose, if these are too many: all of several, or more than a few
    /// and more than their part.
    fn worst(&self) -> Option<(usize, usize)> {
        let of = |nodes: &BTreeSet<Node>, family| {
            nodes.iter().filter(|node| node.family() == family).count()
        };
        let families = Family::ALL.into_iter();
        let counts = families.map(|family| (of(&self.losing, family), of(&self.all, family)));
        let too_many = |(losing, all): &(usize, usize)| {
            *losing >= FEW && (losing == all || *losing > FEW.max(all / PART))
        };
        counts.filter(too_many).max()
    }
}

impl Node {
    fn family(&self) -> Family {
        match self {
            Node::Own(family) => *family,
            Node::Other(ip) => Family::of(*ip),
        }
    }
}

fn is_learned(route: &Route) -> bool {
    route.protocol == Owner::Learned.protocol()
}

fn node(route: &Route) -> Option<Node> {
    match &route.target {
        _ if is_learned(route) => None,
        Target::Via(hops) => hops.first().map(|hop| Node::Other(hop.via)),
        Target::Unreachable => Some(Node::Own(route.key.prefix.family())),
        Target::Link(_) | Target::Foreign => None,
    }
}

#[cfg(test)]
mod tests;
