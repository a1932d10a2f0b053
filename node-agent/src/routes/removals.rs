//! What may be removed (law 6). Pure.
//!
//! Each route comes from a source, and goes only when that source has said all it holds: direct and
//! sink routes follow from the cluster's objects, learned ones from BGP, each family by itself. One
//! that is silent holds its own and nobody else's: with the API server away, a prefix that was
//! withdrawn goes all the same.

use crate::bgp::learned::Learned;
use crate::cluster::{Cluster, Complete};
use gingham_model::{Family, NodeName, Owner, Prefix, Route, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What may be removed, and why the rest may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removals {
    /// An operator has stopped all of them.
    paused: bool,
    /// Whether the cluster's objects are all known.
    objects: Result<Complete, Vec<String>>,
    /// Blocks nobody knows anything of but that they exist.
    unread: BTreeSet<Prefix>,
    /// Families BGP was not heard out on.
    pending: BTreeMap<Family, String>,
}

impl Removals {
    /// By what is known now.
    pub fn new(cluster: &Cluster, me: &NodeName, learned: &Learned) -> Self {
        Removals {
            paused: cluster.config().paused,
            objects: cluster.complete(me),
            unread: cluster.unread_blocks(),
            pending: learned.pending.clone(),
        }
    }

    /// Why `route`, which is not wanted, stays.
    pub fn hold(&self, route: &Route) -> Option<String> {
        if self.paused {
            return Some(PAUSED.to_owned());
        }
        let prefix = route.key.prefix;
        match (Owner::of(route.protocol), &self.objects) {
            (Some(Owner::Learned), _) => self.pending.get(&prefix.family()).cloned(),
            (_, Err(reasons)) => Some(reasons.join("; ")),
            (_, Ok(_)) => self.unread.contains(&prefix).then(|| unread(&prefix)),
        }
    }

    /// Why `have` is not replaced by `want`: for now that would only take next hops away, and they
    /// are about to come back. So a restart writes nothing, by whatever peer it hears first.
    pub fn hold_hops(&self, want: &Route, have: &Route) -> Option<String> {
        let (Target::Via(fewer), Target::Via(all)) = (&want.target, &have.target) else {
            return None;
        };
        let learned = Owner::of(want.protocol) == Some(Owner::Learned);
        let shrinks = learned && fewer.iter().all(|hop| all.contains(hop));
        let pending = shrinks.then(|| self.pending.get(&want.key.prefix.family()));
        pending.flatten().cloned()
    }

    /// Every reason why something may not be removed; empty when all may.
    pub fn reasons(&self) -> Vec<String> {
        let paused = self.paused.then(|| PAUSED.to_owned());
        let objects = match &self.objects {
            Ok(_) => self.unread.iter().map(unread).collect(),
            Err(reasons) => reasons.clone(),
        };
        let pending = self.pending.iter();
        let pending = pending.map(|(family, why)| format!("learned {family} routes: {why}"));
        paused.into_iter().chain(objects).chain(pending).collect()
    }
}

const PAUSED: &str = "RoutingConfig default: spec.paused is set";

fn unread(block: &Prefix) -> String {
    format!("Block {block}: no valid version is known")
}
