//! Where leases and kernel disagree so that somebody must give way; believed at the second sight.

use super::{Datapath, HostEnd, Whose, onto};
use gingham_ipam::{LONGEST_INTENT, Lease, LeaseState, Leases, Recovered};
use gingham_model::{Family, MacAddress, Owner, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// Seconds between the first and the second sight of what is acted upon. A plugin process that is
/// half way through has moved on by then.
pub const SPACING: u64 = 10;

/// A disagreement to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Held, and there is no such link: the pod's namespace is gone and no DEL came.
    Leaked(Lease),
    /// An Intent older than any ADD can be ([`LONGEST_INTENT`]): its ADD was killed. The link may
    /// be there.
    Abandoned(Lease),
    /// A host end without a live lease, of a pod with addresses: the lease was lost, and the
    /// addresses must not be given to another.
    Adopt(Recovered),
    /// A host end without a live lease, and without an address that is not another's: nobody can
    /// use it.
    Orphan {
        /// Its name.
        host_if: String,
        /// Its index.
        dev: u32,
    },
    /// A route with the plugin's mark that leads to no pod: not to a host end, to one of another
    /// pod, or a second one to the same address.
    StrayRoute(Route),
}

impl Finding {
    /// What it is, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Finding::Leaked(_) => "leaked",
            Finding::Abandoned(_) => "abandoned",
            Finding::Adopt(_) => "adopt",
            Finding::Orphan { .. } => "orphan",
            Finding::StrayRoute(_) => "stray-route",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = |host_if, pod| Whose { host_if, pod };
        match self {
            Finding::Leaked(lease) => {
                let whose = whose(&lease.host_if, &lease.pod);
                write!(f, "{whose}: has a lease, is gone, and no DEL came")
            }
            Finding::Abandoned(lease) => {
                let whose = whose(&lease.host_if, &lease.pod);
                write!(f, "{whose}: the ADD that was to make it never ended")
            }
            Finding::Adopt(found) => {
                let whose = whose(&found.host_if, &found.pod);
                write!(f, "{whose}: is there, and its lease is lost")
            }
            Finding::Orphan { host_if, .. } => {
                write!(f, "{host_if}: has neither a lease nor an address")
            }
            Finding::StrayRoute(Route { key, .. }) => {
                let (prefix, metric) = (key.prefix, key.metric);
                write!(
                    f,
                    "route {prefix} metric {metric}: is marked as a pod's, and is of none"
                )
            }
        }
    }
}

/// What disagreed when it was last looked, and since when. Times are in seconds since boot.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// With the first of the observations in a row that show it.
    suspects: Vec<(Finding, u64)>,
    /// When it was last looked.
    last: u64,
    /// When the oldest Intent is too old.
    ripe: Option<u64>,
    /// Whether nothing has been looked at, and nobody was given an address before.
    fresh: bool,
}

impl Audit {
    /// For an agent that finds no `node.json` of this boot: its first observation adopts at the
    /// first sight, provided no lease is live, so that the addresses of running pods are taken
    /// before any is given out.
    ///
    /// That is safe because without `node.json` every ADD fails before it takes a lease: who has
    /// an interface here has it from before, and the only one at work can be its DEL. If that comes
    /// between, the adopted lease is found by the DEL's release, or else as leaked.
    pub fn fresh() -> Self {
        Audit {
            fresh: true,
            ..Audit::default()
        }
    }

    /// What has disagreed for [`SPACING`] seconds, in every observation since. `datapath` must have
    /// been read before `leases`; `now` is in seconds since boot. What is reported and not settled
    /// is reported again.
    pub fn observe(&mut self, leases: &Leases, datapath: &Datapath, now: u64) -> Vec<Finding> {
        let trusting = std::mem::take(&mut self.fresh) && leases.live().is_empty();
        let earlier = std::mem::take(&mut self.suspects);
        let since = |finding: &Finding| {
            let seen = earlier.iter().find(|(other, _)| other == finding);
            seen.map_or(now, |(_, since)| *since)
        };
        let found = disagreements(leases, datapath, now).into_iter();
        self.suspects = found
            .map(|finding| {
                let since = since(&finding);
                (finding, since)
            })
            .collect();
        self.last = now;
        self.ripe = intents(leases).map(ripe).filter(|at| *at > now).min();
        let believed = |(finding, since): &&(Finding, u64)| {
            now.saturating_sub(*since) >= SPACING
                || (trusting && matches!(finding, Finding::Adopt(_)))
        };
        let believed = self.suspects.iter().filter(believed);
        believed.map(|(finding, _)| finding.clone()).collect()
    }

    /// When to look again, in seconds since boot, if nothing happens before: when a suspicion can
    /// be confirmed, what was reported can have been settled, or an Intent is too old. `None` when
    /// there is nothing to wait for.
    pub fn next(&self) -> Option<u64> {
        let again = |(_, since): &(Finding, u64)| {
            let confirmed = since.saturating_add(SPACING);
            match confirmed > self.last {
                true => confirmed,
                false => self.last.saturating_add(SPACING),
            }
        };
        self.suspects.iter().map(again).chain(self.ripe).min()
    }
}

fn intents(leases: &Leases) -> impl Iterator<Item = &Lease> {
    let live = leases.live().iter();
    live.filter(|lease| lease.state == LeaseState::Intent)
}

fn ripe(intent: &Lease) -> u64 {
    intent.since.saturating_add(LONGEST_INTENT)
}

/// Everything that disagrees in this one observation.
fn disagreements(leases: &Leases, datapath: &Datapath, now: u64) -> Vec<Finding> {
    let live = leases.live().iter();
    let holders = Holders {
        leased: live.clone().map(|l| l.host_if.as_str()).collect(),
        addresses: live
            .clone()
            .flat_map(|l| l.addresses().map(move |a| (a, l)))
            .collect(),
        ends: datapath.ends.values().map(|end| (end.dev, end)).collect(),
    };
    let leases = live.filter_map(|lease| match lease.state {
        LeaseState::Intent if ripe(lease) <= now => Some(Finding::Abandoned(lease.clone())),
        LeaseState::Held if !datapath.ends.contains_key(&lease.host_if) => {
            Some(Finding::Leaked(lease.clone()))
        }
        _ => None,
    });
    let ends = datapath
        .ends
        .values()
        .filter_map(|end| holders.without_lease(end));
    let routes = datapath.routes.values().flatten();
    let strays = routes.filter(|route| holders.is_stray(route));
    leases
        .chain(ends)
        .chain(strays.cloned().map(Finding::StrayRoute))
        .collect()
}

/// Who has what.
struct Holders<'a> {
    /// Names of the host ends of live leases.
    leased: BTreeSet<&'a str>,
    /// Live leases by address.
    addresses: BTreeMap<IpAddr, &'a Lease>,
    /// Host ends by index.
    ends: BTreeMap<u32, &'a HostEnd>,
}

impl Holders<'_> {
    /// What a host end without a live lease comes to.
    fn without_lease(&self, end: &HostEnd) -> Option<Finding> {
        if self.leased.contains(end.name.as_str()) {
            return None;
        }
        let addresses = Family::ALL
            .into_iter()
            .filter_map(|family| end.address(family));
        let own = addresses.filter(|address| !self.addresses.contains_key(address));
        match own.collect::<Vec<_>>().as_slice() {
            [] => Some(Finding::Orphan {
                host_if: end.name.clone(),
                dev: end.dev,
            }),
            // While nothing tells the pod's hardware address it is waited for: the kernel asks for it
            // with the first packet to the pod, which answers.
            own => {
                let mac = end.mac_of(own)?;
                Some(Finding::Adopt(recovered(end, own, mac)))
            }
        }
    }

    /// Whether a route has the plugin's mark and is not what a live lease wants or a lost one
    /// wanted.
    fn is_stray(&self, route: &Route) -> bool {
        if route.protocol != Owner::Pod.protocol() {
            return false;
        }
        let Some((address, dev)) = onto(route) else {
            return true;
        };
        let Some(end) = self.ends.get(&dev) else {
            return true;
        };
        match self.addresses.get(&address) {
            Some(lease) => lease.host_if != end.name,
            None => self.leased.contains(end.name.as_str()),
        }
    }
}

/// The attachment behind a host end.
pub(super) fn recovered(end: &HostEnd, addresses: &[IpAddr], mac: MacAddress) -> Recovered {
    let mut recovered = Recovered {
        host_if: end.name.clone(),
        pod: end.alias.as_deref().map(pod).unwrap_or_default().to_owned(),
        v4: None,
        v6: None,
        mac,
    };
    for address in addresses {
        match address {
            IpAddr::V4(v4) => recovered.v4 = Some(*v4),
            IpAddr::V6(v6) => recovered.v6 = Some(*v6),
        }
    }
    recovered
}

/// The pod in an alias of the plugin's; nothing where it names a container.
fn pod(alias: &str) -> &str {
    let pod = alias.rsplit_once(' ').map(|(pod, _)| pod);
    pod.filter(|pod| pod.contains('/')).unwrap_or_default()
}
