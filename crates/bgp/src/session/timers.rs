//! How long a session waits for what, and the jitter on it.

use std::time::Duration;

/// A dial that has led to nothing for so long has failed.
pub(super) const DIAL: Duration = Duration::from_secs(10);

/// How long a peer may take to send its OPEN. RFC 4271 suggests four minutes here; a peer that
/// accepts and stays silent would hold up its own return for all of them.
pub(super) const OPEN: Duration = Duration::from_secs(30);

/// How long a neighbour that announced too many prefixes is left alone.
pub(super) const REST: Duration = Duration::from_secs(300);

/// How long the connection a collision is going to close waits for the other one to prove itself.
/// Shorter than the smallest hold time.
pub(super) const COLLISION_WAIT: Duration = Duration::from_secs(2);

/// How long after a session came up a connection dialled before that may still turn up.
pub(super) const COLLISION_WINDOW: Duration = Duration::from_secs(5);

/// The send hold time (RFC 9687 section 5): the greater of eight minutes and twice the hold time.
pub(super) fn send_hold(hold: Option<Duration>) -> Duration {
    let twice = hold.unwrap_or_default() * 2;
    twice.max(Duration::from_secs(480))
}

/// A small generator of its own (SplitMix64), so that a recording replays to the same waits.
#[derive(Clone, Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Jitter(seed)
    }

    /// The wait before the next dial, after so many tries in a row that failed: 1 to 2 s at first, 1
    /// to 5 s from the fourth on. Two ends that keep colliding drift apart.
    pub(super) fn retry(&mut self, failures: u32) -> Duration {
        let most = failures.saturating_add(2).min(5);
        self.between(Duration::from_secs(1), Duration::from_secs(most.into()))
    }

    /// The wait before the next KEEPALIVE: a third of the hold time, less up to a quarter (RFC 4271
    /// section 10).
    pub(super) fn keepalive(&mut self, hold: Duration) -> Duration {
        let most = hold / 3;
        self.between(most * 3 / 4, most)
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_millis();
        let span = u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1);
        least + Duration::from_millis(self.next() % span)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_stay_in_their_range_and_use_it() {
        let mut jitter = Jitter::new(7);
        for failures in 0..10 {
            let waits: Vec<Duration> = (0..200).map(|_| jitter.retry(failures)).collect();
            let most = SECOND * (failures + 2).min(5);
            assert!(waits.iter().all(|wait| (SECOND..=most).contains(wait)));
            assert!(waits.iter().any(|wait| *wait > most - SECOND / 2));
        }
        for _ in 0..200 {
            let wait = jitter.keepalive(SECOND * 90);
            assert!((SECOND * 45 / 2..=SECOND * 30).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut one, mut two, mut other) = (Jitter::new(1), Jitter::new(1), Jitter::new(2));
        let waits: Vec<Duration> = (0..20).map(|_| one.retry(9)).collect();
        assert!(waits.iter().all(|wait| *wait == two.retry(9)));
        assert!(waits.iter().any(|wait| *wait != other.retry(9)));
    }

    #[test]
    fn a_peer_may_refuse_to_read_for_eight_minutes_at_least() {
        assert_eq!(send_hold(None), SECOND * 480);
        assert_eq!(send_hold(Some(SECOND * 90)), SECOND * 480);
        assert_eq!(send_hold(Some(SECOND * 300)), SECOND * 600);
    }
}
