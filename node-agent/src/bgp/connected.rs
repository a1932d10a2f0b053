//! The connected prefixes, by which next hops are reached; one that is gone counts for a moment. Pure:
//! time is an argument.
//!
//! An address that is renewed is gone and there again within milliseconds. A reflector that believed
//! that would withdraw the whole zone from its cores, and announce it again.

use gingham_model::Prefix;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a prefix may be gone.
const FLAP: Duration = Duration::from_secs(5);

/// Prefixes, and when each was seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected(BTreeMap<Prefix, Instant>);

impl Connected {
    /// These are connected now.
    pub fn see(&mut self, prefixes: impl Iterator<Item = Prefix>, now: Instant) {
        self.0.extend(prefixes.map(|prefix| (prefix, now)));
        self.0.retain(|_, seen| now < *seen + FLAP);
    }

    /// What counts as connected, in order.
    pub fn prefixes(&self) -> Vec<Prefix> {
        self.0.keys().copied().collect()
    }

    /// When one that is gone ceases to count; later than `now`, when all were seen.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let gone = self.0.values().filter(|seen| **seen < now);
        gone.map(|seen| *seen + FLAP).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_is_gone_counts_for_a_moment() {
        let (a, b): (Prefix, Prefix) = (
            "10.1.0.0/24".parse().unwrap(),
            "10.2.0.0/24".parse().unwrap(),
        );
        let (mut connected, now) = (Connected::default(), Instant::now());
        connected.see([a, b].into_iter(), now);
        assert_eq!(connected.next(now), None);
        let later = now + FLAP / 2;
        connected.see([a].into_iter(), later);
        assert_eq!(connected.prefixes(), [a, b]);
        assert_eq!(connected.next(later), Some(now + FLAP));
        connected.see([a].into_iter(), now + FLAP);
        assert_eq!(connected.prefixes(), [a]);
    }
}
