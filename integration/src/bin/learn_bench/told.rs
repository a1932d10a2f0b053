//! What the feeders say of each prefix, as the run goes on, and what the kernel is to have of it.

use crate::case::{Feed, Router};

/// Of so many prefixes, the last is withdrawn.
const TENTH: usize = 10;
/// The prefix that changes.
const CHANGED: usize = 0;

/// One after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    Nothing,
    /// Every prefix, by the router of the feeder.
    All,
    /// One prefix by another router.
    Changed,
    /// One of ten no more.
    Less,
}

impl Told {
    /// By which router a feeder announces a prefix; `None` when it does not.
    pub(crate) fn of(self, feeder: usize, prefix: usize) -> Option<Router> {
        let changed = prefix == CHANGED && feeder == 0;
        let withdrawn = prefix % TENTH == TENTH - 1;
        match self {
            Told::Nothing => None,
            Told::Less if withdrawn => None,
            Told::Changed | Told::Less if changed => Some(Router::OTHER),
            _ => Some(Router::of(feeder)),
        }
    }

    /// Where the kernel is to send each prefix.
    pub(crate) fn hops(self, feed: Feed) -> Vec<Hops> {
        let hops = |prefix| -> Hops {
            let routers = (0..feed.feeders).filter_map(|feeder| self.of(feeder, prefix));
            routers.map(Router::address).map(Hops::of).collect()
        };
        (0..feed.prefixes).map(hops).collect()
    }
}

/// A set of next hops, one bit a router; empty: no route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hops(u8);

impl Hops {
    pub(crate) const NONE: Hops = Hops(0);
    /// One that is none of ours.
    const FOREIGN: Hops = Hops(0x80);

    pub(crate) fn of(address: std::net::Ipv4Addr) -> Self {
        let router = Router::all().find(|router| router.address() == address);
        router.map_or(Hops::FOREIGN, |router| Hops(1 << router.number()))
    }

    pub(crate) fn routers(self) -> impl Iterator<Item = Router> {
        Router::all().filter(move |router| self.0 & 1 << router.number() != 0)
    }
}

impl FromIterator<Hops> for Hops {
    fn from_iter<I: IntoIterator<Item = Hops>>(all: I) -> Self {
        Hops(all.into_iter().fold(0, |bits, hops| bits | hops.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(hops: Hops) -> Vec<String> {
        let routers = hops.routers();
        routers.map(|router| router.address().to_string()).collect()
    }

    #[test]
    fn each_step_changes_what_it_says() {
        let feed = "20x2".parse().unwrap();
        let [nothing, all, changed, less] =
            [Told::Nothing, Told::All, Told::Changed, Told::Less].map(|told| told.hops(feed));
        let differ = |a: &[Hops], b: &[Hops]| -> Vec<usize> {
            let both = a.iter().zip(b).enumerate();
            both.filter(|(_, (a, b))| a != b).map(|(i, _)| i).collect()
        };
        assert_eq!(differ(&nothing, &all).len(), 20);
        assert_eq!(differ(&all, &changed), [0]);
        assert_eq!(differ(&changed, &less), [9, 19]);
        assert_eq!(addresses(all[1]), ["172.16.0.251", "172.16.0.252"]);
        assert_eq!(addresses(changed[0]), ["172.16.0.252", "172.16.0.253"]);
        assert_eq!(less[19], Hops::NONE);
    }

    #[test]
    fn a_foreign_next_hop_is_not_none() {
        let foreign = Hops::of([172, 16, 0, 7].into());
        assert_ne!(foreign, Hops::NONE);
        assert_eq!(foreign.routers().count(), 0);
    }
}
