//! When the next round is due. Pure: the time is an argument.

use crate::dirty::Cause;
use std::time::{Duration, Instant};

/// A burst of changed objects makes one round.
const SETTLE: Duration = Duration::from_millis(30);
/// News of the kernel make a round when they have paused for so long,
const QUIET: Duration = Duration::from_millis(5);
/// or after so long at the latest.
const LONGEST_BURST: Duration = Duration::from_millis(40);
/// After so long without news of the kernel a storm is over.
const CALM: Duration = Duration::from_secs(2);
/// In a storm a round is followed by a pause of at most so many quarters of its own length,
const WIDEST_PAUSE: u32 = 8;
/// and never longer than this: a second is what we promise.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
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
    burst: Option<Burst>,
    storm: Storm,
    /// Until when news of BGP wait: for a quarter of what the last round took.
    rest: Instant,
    put_off: Option<Instant>,
    retry: Option<Instant>,
    full: Instant,
    pause: Duration,
}

/// News of the kernel that no round has answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Burst {
    first: Instant,
    last: Instant,
}

/// Rounds that news of the kernel made, one right after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Storm {
    rounds: u32,
    /// No round for the kernel's sake before then.
    until: Instant,
    begun: Instant,
    answers: bool,
}

impl Schedule {
    /// Everything is due at once.
    pub fn new(now: Instant) -> Self {
        Schedule {
            settled: Some(now),
            burst: None,
            storm: Storm {
                rounds: 0,
                until: now,
                begun: now,
                answers: false,
            },
            rest: now,
            put_off: None,
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

    /// BGP has learned something: traffic waits for it. A stream of such news takes at most four fifths of
    /// the time, however large the table.
    pub fn learned(&mut self, now: Instant) {
        let due = (now + QUIET).max(self.rest);
        self.settled = Some(self.settled.map_or(due, |settled| settled.min(due)));
    }

    /// The kernel had news that concern us.
    pub fn heard(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |burst| burst.first);
        self.burst = Some(Burst { first, last: now });
    }

    /// Something is put off until `at`; `None` when nothing is.
    pub fn put_off(&mut self, at: Option<Instant>) {
        self.put_off = at;
    }

    /// When the next round is due.
    pub fn next(&self) -> Instant {
        let burst = self.burst.map(|Burst { first, last }| {
            let settled = (last + QUIET).min(first + LONGEST_BURST);
            settled.max(self.storm.until)
        });
        let soonest = [self.settled, burst, self.put_off, self.retry];
        let soonest = soonest.into_iter().flatten().min();
        soonest.map_or(self.full, |soonest| soonest.min(self.full))
    }

    /// The causes, beside what was marked, for a round that begins now.
    pub fn begin(&mut self, now: Instant) -> Vec<Cause> {
        let mut causes = Vec::new();
        self.settled = None;
        self.storm.answers = self.burst.take().is_some();
        self.storm.begun = now;
        if self.put_off.take_if(|at| *at <= now).is_some() {
            causes.push(Cause::Due);
        }
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
        self.weather(now);
        let took = now.saturating_duration_since(self.storm.begun);
        self.rest = now + (took / 4).min(LONGEST_PAUSE);
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

    /// The first rounds of a storm follow each other closely, so that what a foreign hand takes
    /// ten steps to break is whole again at once; a storm that goes on gets ever less of our time.
    fn weather(&mut self, now: Instant) {
        let storm = &mut self.storm;
        if storm.begun.saturating_duration_since(storm.until) > CALM {
            storm.rounds = 0;
        }
        if storm.answers {
            let took = now.saturating_duration_since(storm.begun);
            let quarters = 1u32.checked_shl(storm.rounds).unwrap_or(u32::MAX);
            let pause = took * quarters.min(WIDEST_PAUSE) / 4;
            storm.until = now + pause.min(LONGEST_PAUSE);
            storm.rounds += 1;
        }
    }
}

/// How far a round looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// At the kernel too.
    AtAll,
    /// At the pods of this node only.
    AtPods,
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
mod tests;
