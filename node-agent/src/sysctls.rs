//! The kernel settings that pods' packets need: which they are, and when one differs.
//!
//! ```text
//!   node, links, next hops ──wanted──► [Setting] ──keep──► /proc/sys, read back
//!                                                   └────► sysctls.json, what was there before us
//! ```
//!
//! Pure here; `keep` is the rim, `record` what `gingham-agent cleanup` puts back.

mod keep;
mod record;

pub use keep::{Failure, Kept, keep};
pub(crate) use keep::{command, unseen};
pub use record::{Record, RecordError, Restoration, Restorations};

use crate::links::Links;
use crate::objects::Node;
use gingham_model::{Family, NextHop, RouteSet, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Forwards IPv4 between all interfaces.
pub(crate) const FORWARD_V4: &str = "net/ipv4/ip_forward";
/// Forwards IPv6 between all interfaces.
pub(crate) const FORWARD_V6: &str = "net/ipv6/conf/all/forwarding";
/// The part of the reverse path filter that holds for every interface.
pub(crate) const RP_FILTER_ALL: &str = "net/ipv4/conf/all/rp_filter";
/// The thresholds of a neighbour table, from the top, with what the kernel starts with.
const THRESHOLDS: [(&str, u32); 3] = [
    ("gc_thresh3", 1024),
    ("gc_thresh2", 512),
    ("gc_thresh1", LOWEST_THRESHOLD),
];
const LOWEST_THRESHOLD: u32 = 128;

/// A setting, and what it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As below `/proc/sys`.
    pub name: String,
    /// What it is to be.
    pub want: Want,
    /// What it means when it is not so.
    pub need: Need,
    /// What it means when there is no such setting.
    pub absent: Absent,
}

/// What a setting is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This value, whatever there was.
    Exactly(&'static str),
    /// `value` where there was `of`; any other value is somebody's choice.
    Instead {
        /// The value to change.
        of: &'static str,
        /// What it becomes.
        value: &'static str,
    },
    /// This number or a larger one.
    AtLeast(u32),
    /// An interface's `rp_filter` such that the one in effect, `max(all, own)`, is not strict (1).
    /// Loose (2) on the interface does it whatever `all` is.
    NotStrict,
    /// Not this value. It is not ours to change: to be said only.
    Not {
        /// The value.
        value: &'static str,
        /// What it does to us.
        because: &'static str,
    },
}

/// What it means for a setting not to be as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Packets are lost: the node is not ready.
    Must,
    /// It works, but not as well: to be said.
    Should,
}

/// What it means for a setting not to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nothing: its interface is gone or without that family, or the kernel's default would do.
    Fine,
    /// As much as for it not to be as wanted.
    Unmet,
}

/// How a value compares with what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As wanted.
    Met,
    /// To become this.
    Write(String),
    /// Not as wanted, and not to be written.
    Said(&'static str),
}

impl Want {
    /// Judges `present`. `all` is the value of `net/ipv4/conf/all/rp_filter`, empty where there is
    /// none.
    pub fn judge(&self, present: &str, all: &str) -> Verdict {
        let number = |text: &str| text.parse::<u32>().unwrap_or(0);
        match self {
            Want::Exactly(value) if present != *value => Verdict::Write((*value).to_owned()),
            Want::Instead { of, value } if present == *of => Verdict::Write((*value).to_owned()),
            Want::AtLeast(least) if number(present) < *least => Verdict::Write(least.to_string()),
            Want::NotStrict if number(present).max(number(all)) == 1 => {
                Verdict::Write("2".to_owned())
            }
            Want::Not { value, because } if present == *value => Verdict::Said(because),
            _ => Verdict::Met,
        }
    }
}

/// What the settings depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The families of the node.
    pub families: BTreeSet<Family>,
    /// The interfaces towards other nodes.
    pub uplinks: BTreeSet<String>,
    /// The interfaces that may live on router advertisements.
    pub advertised: BTreeSet<String>,
    /// How many neighbours of a family the node will talk to.
    pub neighbours: BTreeMap<Family, usize>,
}

/// The next hops of all routes.
pub fn next_hops(routes: &RouteSet) -> BTreeSet<NextHop> {
    let mut all = BTreeSet::new();
    for route in routes.values() {
        // One by one: routes are many, and their next hops few and the same.
        if let Target::Via(hops) = &route.target {
            all.extend(hops.iter().copied());
        }
    }
    all
}

/// The settings for a node whose direct and learned routes lead to `hops`, in the order in which
/// they must be made.
pub fn wanted(node: &Node, links: &Links, hops: &BTreeSet<NextHop>) -> Vec<Setting> {
    let mut neighbours = BTreeMap::new();
    for hop in hops {
        *neighbours.entry(Family::of(hop.via)).or_default() += 1;
    }
    settings(&Scope {
        families: node.families(),
        uplinks: links.uplinks(&node.internal_ips, hops),
        advertised: links.advertised(&node.internal_ips),
        neighbours,
    })
}

/// The settings, in the order in which they must be made.
///
/// A host that forwards IPv6 ignores router advertisements unless `accept_ra` is 2, and loses the
/// default route they gave it (kernel `ip-sysctl`, `accept_ra`): so that comes first.
pub fn settings(scope: &Scope) -> Vec<Setting> {
    let mut settings = Vec::new();
    for family in &scope.families {
        match family {
            Family::V4 => {
                settings.push(must(FORWARD_V4, Want::Exactly("1")));
                settings.extend(ipv4_uplinks(&scope.uplinks));
            }
            Family::V6 => {
                settings.extend(scope.advertised.iter().map(|link| accept_ra(link)));
                settings.push(must(FORWARD_V6, Want::Exactly("1")));
            }
        }
        let dir = folder(*family);
        // Spread flows over equal next hops by ports too (layer 4), not by address pairs only.
        let name = format!("net/{dir}/fib_multipath_hash_policy");
        settings.push(should(name, Want::Exactly("1")));
        let neighbours = scope.neighbours.get(family).copied().unwrap_or(0);
        settings.extend(thresholds(dir, neighbours));
    }
    settings
}

fn accept_ra(link: &str) -> Setting {
    let want = Want::Instead {
        of: "1",
        value: "2",
    };
    Setting {
        absent: Absent::Fine,
        ..must(&format!("net/ipv6/conf/{link}/accept_ra"), want)
    }
}

/// Redirects and reverse path filter.
///
/// A router that sends a packet back out of the interface it came in by tells the sender of a
/// better one, which here is a pod that cannot know any. In effect is `all OR interface`
/// (`IN_DEV_TX_REDIRECTS`); the filter in effect is `max(all, interface)` (`IN_DEV_RPFILTER`).
fn ipv4_uplinks(uplinks: &BTreeSet<String>) -> Vec<Setting> {
    let off = |link: &str| {
        let name = format!("net/ipv4/conf/{link}/send_redirects");
        should(name, Want::Exactly("0"))
    };
    let of_link = |setting| Setting {
        absent: Absent::Fine,
        ..setting
    };
    let mut settings = vec![off("all")];
    settings.extend(uplinks.iter().map(|link| of_link(off(link))));
    // By one uplink every answer comes in where the question went out.
    if uplinks.len() > 1 {
        settings.extend(uplinks.iter().map(|link| {
            let name = format!("net/ipv4/conf/{link}/rp_filter");
            of_link(must(&name, Want::NotStrict))
        }));
    }
    let want = Want::Not {
        value: "2",
        because: "it makes the filter loose on the pods' interfaces too, where the plugin sets 1; \
                  0 leaves each interface its own",
    };
    settings.push(should(RP_FILTER_ALL.to_owned(), want));
    settings
}

/// The thresholds of the neighbour table: below the first nothing is collected, the third is the
/// end (kernel `ip-sysctl`, `neigh/default/gc_thresh1`). Kept in the proportion they have from the
/// start, in powers of two, so that a node more in the zone changes nothing. Raised from the top,
/// so that they stay in order. Pods take none of it: permanent neighbours are not counted.
///
/// The kernel shows them in the initial network namespace only.
fn thresholds(dir: &str, neighbours: usize) -> Vec<Setting> {
    let first = u32::try_from(neighbours.next_power_of_two()).unwrap_or(u32::MAX);
    let all = THRESHOLDS.into_iter().map(|(threshold, start)| {
        let least = first.saturating_mul(start / LOWEST_THRESHOLD);
        let name = format!("net/{dir}/neigh/default/{threshold}");
        let absent = if least > start {
            Absent::Unmet
        } else {
            Absent::Fine
        };
        Setting {
            absent,
            ..should(name, Want::AtLeast(least))
        }
    });
    all.collect()
}

fn must(name: &str, want: Want) -> Setting {
    Setting {
        name: name.to_owned(),
        want,
        need: Need::Must,
        absent: Absent::Unmet,
    }
}

fn should(name: String, want: Want) -> Setting {
    Setting {
        name,
        want,
        need: Need::Should,
        absent: Absent::Unmet,
    }
}

/// The folder of a family below `/proc/sys/net`.
fn folder(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
