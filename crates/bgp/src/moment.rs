//! Time as a value: how long the speaker has been running.

use serde::{Deserialize, Serialize};
use std::ops::Add;
use std::time::Duration;

/// A point in time, counted from the start of the speaker. Whoever decides something is handed one;
/// only the rim reads a clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(Duration);

impl Moment {
    /// The moment the speaker started.
    pub const START: Moment = Moment(Duration::ZERO);

    /// The moment `elapsed` after the start.
    pub fn after_start(elapsed: Duration) -> Self {
        Moment(elapsed)
    }

    /// How long this is after the start.
    pub fn elapsed(self) -> Duration {
        self.0
    }

    /// How long this is after `earlier`; zero when it is not after it.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span))
    }
}
