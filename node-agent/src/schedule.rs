//! When the next round is due. Pure: the time is an argument.

use crate::dirty::Cause;
use std::time::{Duration, Instant};

/// A burst of events makes one round.
const SETTLE: Duration = Duration::from_millis(30);
/// Everything is read back at least this often, less up to a tenth.
const FULL: Duration = Duration::from_secs(30);
/// After a failure; doubled by each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// As far as doubling goes.
const RETRY_LAST: Duration = Duration::from_secs(30);

/// The times that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    settled: Option<Instant>,
    retry: Option<Instant>,
    full: Instant,
    pause: Duration,
}

impl Schedule {
    /// Everything is due at once.
    pub fn new(now: Instant) -> Self {
        Schedule {
            settled: Some(now),
            retry: None,
            full: now + FULL,
            pause: RETRY_FIRST,
        }
    }

    /// Something was marked dirty. The first mark of a burst counts, so that a steady stream of
    /// them cannot put a round off for ever.
    pub fn marked(&mut self, now: Instant) {
        self.settled.get_or_insert(now + SETTLE);
    }

    /// When the next round is due.
    pub fn next(&self) -> Instant {
        let soonest = [self.settled, self.retry].into_iter().flatten().min();
        soonest.map_or(self.full, |soonest| soonest.min(self.full))
    }

    /// The causes, beside what was marked, for a round that begins now.
    pub fn begin(&mut self, now: Instant) -> Vec<Cause> {
        let mut causes = Vec::new();
        self.settled = None;
        if self.retry.is_some_and(|at| at <= now) {
            causes.push(Cause::Retry);
        }
        if self.full <= now {
            causes.push(Cause::Timer);
        }
        causes
    }

    /// A round is over. `jitter` is any number: with it the agents of a cluster drift apart.
    pub fn end(&mut self, now: Instant, outcome: Outcome, jitter: u64) {
        if outcome.looked == Looked::AtAll {
            let tenth = FULL.as_millis() as u64 / 10;
            self.full = now + FULL - Duration::from_millis(jitter % tenth);
        }
        if outcome.failed {
            self.retry = Some(now + self.pause);
            self.pause = (self.pause * 2).min(RETRY_LAST);
        } else if outcome.looked == Looked::AtAll {
            self.retry = None;
            self.pause = RETRY_FIRST;
        }
    }
}

/// How far a round looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// At the kernel too.
    AtAll,
    /// At the leases only.
    AtLeases,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far it looked.
    pub looked: Looked,
    /// Whether something failed that may succeed when tried again.
    pub failed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ALL: Outcome = Outcome {
        looked: Looked::AtAll,
        failed: false,
    };
    const FAILED: Outcome = Outcome {
        failed: true,
        ..AT_ALL
    };

    #[test]
    fn a_burst_of_marks_makes_one_round_that_is_not_put_off() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert_eq!(schedule.next(), start);
        schedule.begin(start);
        schedule.end(start, AT_ALL, 0);
        for mark in 0..10 {
            schedule.marked(start + Duration::from_millis(mark * 10));
        }
        assert_eq!(schedule.next(), start + SETTLE);
    }

    #[test]
    fn failures_are_retried_ever_more_slowly_until_one_round_is_well() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            schedule.begin(now);
            schedule.end(now, FAILED, 0);
            pauses.push((schedule.next() - now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(schedule.begin(now + FULL), [Cause::Retry, Cause::Timer]);
        schedule.end(now, AT_ALL, 0);
        assert_eq!(schedule.next(), now + FULL);
    }

    #[test]
    fn a_look_at_the_leases_puts_off_nothing() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        schedule.begin(now);
        schedule.end(now, FAILED, 0);
        schedule.marked(now);
        schedule.begin(now);
        let leases = Outcome {
            looked: Looked::AtLeases,
            failed: false,
        };
        schedule.end(now + SETTLE, leases, 0);
        assert_eq!(schedule.next(), now + RETRY_FIRST);
    }

    #[test]
    fn agents_drift_apart_but_never_look_too_seldom() {
        let now = Instant::now();
        for jitter in [0, 1, 2_999, 3_000, u64::MAX] {
            let mut schedule = Schedule::new(now);
            schedule.begin(now);
            schedule.end(now, AT_ALL, jitter);
            let pause = schedule.next() - now;
            assert!(pause <= FULL && pause > FULL * 9 / 10, "{pause:?}");
        }
    }
}
