//! When news is written out: at once after a quiet time, and in bulk while much is going on.

use crate::Moment;
use std::time::Duration;

/// The longest that news waits.
const LONGEST: Duration = Duration::from_millis(20);
/// Spaces flushes so that writing out takes at most a third of the time while there is more to read,
/// and no news waits longer than 20 ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    due: Option<Moment>,
    ended: Moment,
    took: Duration,
}

impl Pace {
    /// There is news at `now`.
    pub(super) fn news(&mut self, now: Moment) {
        if self.due.is_none() {
            let breath = self.ended + (self.took * 2).min(LONGEST);
            self.due = Some(breath.max(now));
        }
    }

    /// When to flush; `None` without news.
    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// A flush was begun and ended.
    pub(super) fn flushed(&mut self, begun: Moment, ended: Moment) {
        *self = Pace {
            due: None,
            ended,
            took: ended.since(begun),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn news_after_a_quiet_time_goes_out_at_once_and_a_stream_of_it_in_bulk() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        pace.news(at(1000));
        assert_eq!(pace.due(), Some(at(1000)));
        pace.news(at(1001));
        assert_eq!(pace.due(), Some(at(1000)), "the first news counts");
        pace.flushed(at(1001), at(1006));
        assert_eq!(pace.due(), None);
        pace.news(at(1007));
        assert_eq!(pace.due(), Some(at(1016)), "twice what the last took");
        pace.flushed(at(1016), at(1116));
        pace.news(at(1117));
        assert_eq!(pace.due(), Some(at(1136)), "never more than 20 ms");
    }
}
