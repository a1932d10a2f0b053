//! What a route is to us, and whose it is.

use crate::Prefix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

/// `RT_TABLE_MAIN` of `linux/rtnetlink.h`.
pub const TABLE_MAIN: u32 = 254;

/// What makes a route this route and no other, to the kernel and so to us.
///
/// The type of service is left out: we never set one. Ordered by table, prefix, metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// The routing table.
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// `RTA_PRIORITY`: the lower wins. An IPv6 route sent without one is stored as 1024.
    pub metric: u32,
}

/// `rtm_protocol`: who installed a route. Our mark on what is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteProtocol(pub u8);

/// Which part of Gingham owns a route; each has a protocol number and a metric of its own, so that
/// none can ever delete another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The plugin: one host route per pod address.
    Pod,
    /// The agent: blocks of nodes of the same zone, by direct next hop.
    Direct,
    /// The agent: prefixes learned by BGP.
    Learned,
    /// The agent: `unreachable` under the own blocks, so that traffic for an address nobody holds
    /// ends here instead of looping through the default gateway.
    Sink,
}

impl Owner {
    /// Every owner, in the order of their protocol numbers.
    pub const ALL: [Owner; 4] = [Owner::Pod, Owner::Direct, Owner::Learned, Owner::Sink];

    /// The `rtm_protocol` of this owner's routes.
    pub const fn protocol(self) -> RouteProtocol {
        RouteProtocol(match self {
            Owner::Pod => 200,
            Owner::Direct => 201,
            Owner::Learned => 202,
            Owner::Sink => 203,
        })
    }

    /// The metric of this owner's routes, the same in both families. FRR uses 20, BIRD 32.
    pub const fn metric(self) -> u32 {
        match self {
            Owner::Pod => 10,
            Owner::Direct => 12,
            Owner::Learned => 40,
            Owner::Sink => 4_000_000_000,
        }
    }

    /// The owner that marks its routes with `protocol`; `None` for a foreign route.
    pub fn of(protocol: RouteProtocol) -> Option<Owner> {
        Owner::ALL
            .into_iter()
            .find(|owner| owner.protocol() == protocol)
    }

    /// This owner's key for `prefix` in the main table.
    pub const fn key(self, prefix: Prefix) -> RouteKey {
        RouteKey {
            table: TABLE_MAIN,
            prefix,
            metric: self.metric(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Owner::Pod => "pod",
            Owner::Direct => "direct",
            Owner::Learned => "learned",
            Owner::Sink => "sink",
        })
    }
}

/// One way on: a router and the interface it is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The router's address, on the link `dev`.
    pub via: IpAddr,
    /// Index of the interface.
    pub dev: u32,
}

/// The ways on of one route: in order, each once, never none. Compact, for most of thousands of
/// routes have one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHops(Box<[NextHop]>);

impl FromIterator<NextHop> for NextHops {
    fn from_iter<I: IntoIterator<Item = NextHop>>(hops: I) -> Self {
        let mut hops: Vec<NextHop> = hops.into_iter().collect();
        hops.sort_unstable();
        hops.dedup();
        NextHops(hops.into())
    }
}

impl From<NextHop> for NextHops {
    fn from(hop: NextHop) -> Self {
        NextHops([hop].into())
    }
}

impl Deref for NextHops {
    type Target = [NextHop];

    fn deref(&self) -> &[NextHop] {
        &self.0
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Through one or more routers with equal weight (ECMP).
    Via(NextHops),
    /// Straight onto the interface of this index: the destination is its neighbour.
    Link(u32),
    /// Nowhere: the sender is told (`RTN_UNREACHABLE`).
    Unreachable,
    /// Something we never install, such as a blackhole or a next hop of the other family. A route
    /// of ours that reads back so was changed by a foreign hand. No plan holds it; written, it
    /// would be `unreachable`.
    Foreign,
}

/// A route, as wanted or as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What identifies it.
    pub key: RouteKey,
    /// Whose it is. A delete carries it, so that the kernel refuses to remove a foreign route.
    pub protocol: RouteProtocol,
    /// Where it leads.
    pub target: Target,
}

impl Route {
    /// A route of `owner` in the main table, with that owner's protocol and metric.
    pub fn of(owner: Owner, prefix: Prefix, target: Target) -> Self {
        Route {
            key: owner.key(prefix),
            protocol: owner.protocol(),
            target,
        }
    }
}

/// Routes by key: at most one for each.
pub type RouteSet = BTreeMap<RouteKey, Route>;
