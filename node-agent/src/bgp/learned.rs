//! What BGP has learned, as the plan takes it in. A value.

use gingham_model::{Family, Prefix};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The prefixes learned from outside the zone, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The next hops of each prefix, of its own family: never none, and none before another.
    pub routes: Arc<BTreeMap<Prefix, Vec<IpAddr>>>,
    /// The families not heard out yet, and why: of these there may be more, so that none is
    /// removed.
    pub pending: BTreeMap<Family, String>,
}

impl Learned {
    /// Nothing yet, in either family.
    pub fn nothing_yet(why: &str) -> Self {
        let pending = Family::ALL.map(|family| (family, why.to_owned()));
        Learned {
            routes: Arc::default(),
            pending: pending.into(),
        }
    }

    /// Takes in prefixes with their next hops from now on, and those without one as gone. Says
    /// whether that changed anything.
    pub fn take_in(&mut self, changes: BTreeMap<Prefix, Vec<IpAddr>>) -> bool {
        let news = |(prefix, vias): &(Prefix, Vec<IpAddr>)| match self.routes.get(prefix) {
            Some(known) => known != vias,
            None => !vias.is_empty(),
        };
        let changes: Vec<_> = changes.into_iter().filter(news).collect();
        if changes.is_empty() {
            return false;
        }
        let routes = Arc::make_mut(&mut self.routes);
        for (prefix, vias) in changes {
            match vias.is_empty() {
                true => drop(routes.remove(&prefix)),
                false => drop(routes.insert(prefix, vias)),
            }
        }
        true
    }

    /// Whether it is the very same as `other`: not compared prefix by prefix, for there may be
    /// 100,000.
    pub fn is_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.routes, &other.routes) && self.pending == other.pending
    }
}
