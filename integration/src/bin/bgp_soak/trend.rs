//! Memory over time: how fast it grows, and whether it grows without end.

use std::time::Duration;

/// Shorter runs say nothing: tables and allocators fill up first.
const LEAST: Duration = Duration::from_secs(240);
/// The second half's median may exceed the first half's by so much.
const GROWTH: f64 = 1.2;

/// Samples in order of time.
#[derive(Debug, Default)]
pub(crate) struct Trend(Vec<(Duration, f64)>);

impl Trend {
    pub(crate) fn note(&mut self, at: Duration, octets: u64) {
        self.0.push((at, octets as f64));
    }

    pub(crate) fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, octets)| *octets)
    }

    /// Octets per hour, by least squares.
    pub(crate) fn slope(&self) -> f64 {
        let count = self.0.len() as f64;
        let mean = |of: fn(&(Duration, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / count;
        let hours = mean(|(at, _)| at.as_secs_f64() / 3600.0);
        let octets = mean(|(_, octets)| *octets);
        let (mut joint, mut square) = (0.0, 0.0);
        for (at, value) in &self.0 {
            let from = at.as_secs_f64() / 3600.0 - hours;
            joint += from * (value - octets);
            square += from * from;
        }
        if square > 0.0 { joint / square } else { 0.0 }
    }

    /// The medians of both halves, when the second is too far above the first.
    pub(crate) fn growth(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.0.first()?, self.0.last()?);
        let (before, after) = self.0.split_at(self.0.len() / 2);
        let (before, after) = (median(before)?, median(after)?);
        let long = last.0.saturating_sub(first.0) >= LEAST;
        (long && after > before * GROWTH).then_some((before, after))
    }
}

fn median(samples: &[(Duration, f64)]) -> Option<f64> {
    let mut values: Vec<f64> = samples.iter().map(|(_, octets)| *octets).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(seconds: u64, octets: impl Fn(u64) -> u64) -> Trend {
        let mut trend = Trend::default();
        for at in 0..=seconds {
            trend.note(Duration::from_secs(at), octets(at));
        }
        trend
    }

    #[test]
    fn steady_growth_is_seen_and_a_plateau_is_not() {
        let leak = trend(3600, |at| 1_000_000 + at * 1_000);
        assert!((leak.slope() - 3_600_000.0).abs() < 1.0);
        assert!(leak.growth().is_some());
        let plateau = trend(3600, |at| 1_000_000 + at.min(300) * 1_000);
        assert_eq!(plateau.growth(), None);
        assert_eq!(trend(60, |at| at * 1_000).growth(), None, "too short");
        assert_eq!(Trend::default().slope(), 0.0);
    }
}
