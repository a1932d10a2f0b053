//! Delays: a prefix is changed, and the time taken until the last of the clients has heard.

use crate::churn::speak;
use crate::crowd::Crowd;
use crate::layout::{ANCHOR, PROBE};
use anyhow::Result;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Between two probes.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Probe {
    /// When the change under way was said.
    said: Option<Instant>,
    next: Instant,
    /// Since the last line, in milliseconds.
    recent: Vec<f64>,
    all: Vec<f64>,
}

/// Delays in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Delays {
    pub(crate) count: usize,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Probe {
    pub(crate) fn new(now: Instant) -> Self {
        Probe {
            said: None,
            next: now,
            recent: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Changes the prefix when that is due.
    pub(crate) fn go_on(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        if self.said.is_some() || self.next > now {
            return Ok(());
        }
        let Some(place) = crowd.model.of(ANCHOR, PROBE) else {
            return Ok(());
        };
        let route = crowd.model.fresh(place, 100);
        crowd.model.say(place, Some(route));
        crowd.await_route(PROBE, route);
        self.said = Some(now);
        speak(now, place, crowd)
    }

    /// Looks whether all have heard.
    pub(crate) fn look(&mut self, now: Instant, crowd: &mut Crowd) {
        if let Some(said) = self.said
            && crowd.all_heard()
        {
            let took = now.saturating_duration_since(said).as_secs_f64() * 1e3;
            self.recent.push(took);
            self.all.push(took);
            self.said = None;
            self.next = said + PAUSE;
            crowd.awaited = None;
        }
    }

    /// How long the change under way takes already.
    pub(crate) fn waits(&self, now: Instant) -> Duration {
        self.said
            .map_or(Duration::ZERO, |said| now.saturating_duration_since(said))
    }

    /// Those since this was last asked.
    pub(crate) fn take_recent(&mut self) -> Delays {
        Delays::of(std::mem::take(&mut self.recent))
    }

    pub(crate) fn all(&self) -> Delays {
        Delays::of(self.all.clone())
    }
}

impl Delays {
    fn of(mut delays: Vec<f64>) -> Self {
        delays.sort_by(f64::total_cmp);
        let count = delays.len();
        // The nearest rank.
        let at = |share: usize| {
            let rank = (count * share).div_ceil(100).saturating_sub(1);
            delays.get(rank).copied().unwrap_or_default()
        };
        Delays {
            count,
            median: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_delays() {
        let delays = Delays::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(
            (delays.median, delays.p99, delays.max),
            (100.0, 198.0, 200.0)
        );
        assert_eq!(Delays::of(vec![7.0]).median, 7.0);
        assert_eq!(Delays::of(Vec::new()), Delays::default());
    }
}
