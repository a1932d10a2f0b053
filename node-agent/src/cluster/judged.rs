//! Which of the objects all agents read are in force, and why the others are not.

use super::Cluster;
use crate::objects::{BgpPeer, Kind};
use crate::report::{About, Judged, Reason};
use crate::source::{Source, State};
use std::collections::BTreeMap;
use std::fmt::Debug;

impl Cluster {
    /// The settings and pools of the cluster, each with the verdict of every agent that reads it. Of
    /// kinds that are not known whole, none.
    pub fn judged(&self) -> Vec<Judged> {
        let refusals = self.refusals();
        let overlapping = refusals.iter().filter(|r| r.kind == Kind::ZonePool);
        let overlapping = overlapping.map(|r| (r.name.as_str(), (Reason::Overlaps, &*r.error)));
        let dangling = self.dangling();
        let dangling = dangling
            .iter()
            .map(|(name, why)| (*name, (Reason::Dangling, &**why)));
        let nothing = BTreeMap::new;
        let mut all = judge(Kind::ZonePool, &self.pools, overlapping.collect());
        all.extend(judge(Kind::RoutingConfig, &self.configs, nothing()));
        all.extend(judge(Kind::BgpPeer, &self.peers, dangling.collect()));
        all.extend(judge(Kind::RouteFilter, &self.filters, nothing()));
        all
    }

    /// BGPPeers that name a RouteFilter that is not there.
    fn dangling(&self) -> BTreeMap<&str, String> {
        let filters = &self.filters;
        if *self.filters.state() != State::Synced {
            return BTreeMap::new();
        }
        let missing = |peer: &BgpPeer| {
            let mut names = peer.filters.iter().enumerate();
            let (index, name) = names.find(|(_, name)| filters.get(name.as_str()).is_none())?;
            Some(format!(
                "spec.filters[{index}]: there is no RouteFilter {name}"
            ))
        };
        let peers = self.peers.objects();
        let dangling = peers.filter_map(|peer| Some((peer.name.as_str(), missing(peer)?)));
        dangling.collect()
    }
}

/// A version that cannot be read says more than what is wrong with the one before.
fn judge<T: Debug + PartialEq>(
    kind: Kind,
    source: &Source<T>,
    against: BTreeMap<&str, (Reason, &str)>,
) -> Vec<Judged> {
    if *source.state() != State::Synced {
        return Vec::new();
    }
    let refused = source.view(kind).refused;
    let refused_names = refused.keys().map(String::as_str);
    let mut names: Vec<&str> = source.names().chain(refused_names).collect();
    names.sort_unstable();
    names.dedup();
    let judged = names.into_iter().map(|name| {
        let invalid = refused
            .get(name)
            .map(|refusal| (Reason::Invalid, &*refusal.error));
        let against = invalid.or_else(|| against.get(name).copied());
        let about = About {
            kind,
            name: name.to_owned(),
        };
        Judged::new(about, source.get(name), against)
    });
    judged.collect()
}
