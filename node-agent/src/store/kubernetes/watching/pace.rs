//! When to ask again. Pure: chance is a seed.
//!
//! Thousands of agents lose the same API server at the same moment. None of them may ask in step
//! with the others.

use std::time::Duration;

/// The first pause after a failure; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause after an answer that only an operator can change.
const DENIED: Duration = Duration::from_secs(30);
/// The longest pause a server can ask for.
const OBEYED: Duration = Duration::from_secs(300);

/// Chance, reproducibly: the same seed gives the same run.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of their own for every seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// Other dice, whose throws say nothing about those of these.
    pub fn split(&mut self) -> Dice {
        Dice(self.throw())
    }

    /// Some duration from `least` to `most`.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let share = u32::try_from(self.throw() >> 32).unwrap_or_default();
        let share = f64::from(share) / f64::from(u32::MAX);
        least + most.saturating_sub(least).mul_f64(share)
    }

    fn throw(&mut self) -> u64 {
        // SplitMix64: one addition, and a mix that spreads any seed.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How long to pause after the `failures`-th failure in a row.
pub fn pause(failures: u32, dice: &mut Dice) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most = doubled.min(LONGEST);
    dice.between(most / 2, most)
}

/// How long to pause after a refusal that asking does not change.
pub fn denied(dice: &mut Dice) -> Duration {
    dice.between(DENIED / 2, DENIED)
}

/// How long to pause where the server says how long.
pub fn told(least: Duration, dice: &mut Dice) -> Duration {
    let least = least.min(OBEYED);
    dice.between(least, least + least / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ_from_agent_to_agent() {
        let (mut one, mut other) = (Dice::new(1), Dice::new(2));
        let mut differ = 0;
        for failures in 1..40 {
            let most = Duration::from_millis(500 << (failures - 1).min(16)).min(LONGEST);
            let (a, b) = (pause(failures, &mut one), pause(failures, &mut other));
            assert!((most / 2..=most).contains(&a), "{failures}: {a:?}");
            differ += u32::from(a != b);
        }
        assert!(differ > 35, "{differ}");
    }

    #[test]
    fn a_server_that_says_when_is_obeyed_within_reason() {
        let dice = &mut Dice::new(7);
        let second = Duration::from_secs(1);
        assert!((second..=second * 3 / 2).contains(&told(second, dice)));
        assert!(told(Duration::from_secs(1 << 40), dice) <= OBEYED * 3 / 2);
    }
}
