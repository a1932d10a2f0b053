//! Recognises that somebody keeps breaking what we keep repairing, and leaves ever longer pauses
//! between repairs. Pure: time is an argument.
//!
//! One repair too many is no harm; two programs that undo each other as fast as they can are: they
//! take the processor from the pods, and hide from both logs what goes on. Only what somebody was
//! seen to break counts: routes that go with a flapping link are nobody's attack.

use crate::dirty::Culprit;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// So many repairs of one thing,
const BLOWS: usize = 5;
/// within so long, are a fight.
const ROUND: Duration = Duration::from_secs(10);
/// The first pause; doubled by every further repair,
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// as far as this.
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// A fight is over when nothing had to be repaired for so long.
const PEACE: Duration = Duration::from_secs(60);

/// The repairs of things of kind `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fights<K>(BTreeMap<K, History>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct History {
    /// The last [`BLOWS`] repairs.
    blows: Vec<Instant>,
    total: usize,
    pause: Option<Duration>,
    culprit: Culprit,
}

/// A fight that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fight {
    /// How often the thing was repaired.
    pub repairs: usize,
    /// Who was seen to break it last.
    pub culprit: Culprit,
}

impl fmt::Display for Fight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fight { repairs, culprit } = self;
        write!(f, "a fight: repaired {repairs} times, broken by {culprit}")
    }
}

impl<K> Default for Fights<K> {
    fn default() -> Self {
        Fights(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Fights<K> {
    /// `thing` was broken by `culprit` and has been repaired.
    pub fn repaired(&mut self, thing: &K, culprit: Culprit, now: Instant) {
        let history = self.0.entry(thing.clone()).or_insert_with(|| History {
            blows: Vec::new(),
            total: 0,
            pause: None,
            culprit: culprit.clone(),
        });
        if history.blows.len() == BLOWS {
            history.blows.remove(0);
        }
        history.blows.push(now);
        history.total += 1;
        history.culprit = culprit;
        history.pause = match history.pause {
            Some(pause) => Some((pause * 2).min(LAST_PAUSE)),
            None => history.is_storm().then_some(FIRST_PAUSE),
        };
    }

    /// Forgets what has been at peace.
    pub fn prune(&mut self, now: Instant) {
        self.0
            .retain(|_, history| history.last().is_some_and(|last| now < last + PEACE));
    }

    /// The fight over `thing`, while it pauses: it is not to be repaired now.
    pub fn pausing(&self, thing: &K, now: Instant) -> Option<Fight> {
        let history = self.0.get(thing)?;
        let until = history.last()? + history.pause?;
        (now < until).then(|| history.fight())
    }

    /// The fights that go on.
    pub fn all(&self) -> impl Iterator<Item = (&K, Fight)> {
        let fights = self.0.iter().filter(|(_, history)| history.pause.is_some());
        fights.map(|(thing, history)| (thing, history.fight()))
    }

    /// When the next pause ends.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let ends = self
            .0
            .values()
            .filter_map(|history| Some(history.last()? + history.pause?));
        ends.filter(|end| *end > now).min()
    }
}

impl History {
    fn last(&self) -> Option<Instant> {
        self.blows.last().copied()
    }

    fn is_storm(&self) -> bool {
        let first = self.blows.first();
        let apart = first.zip(self.last());
        self.blows.len() == BLOWS && apart.is_some_and(|(first, last)| last - *first < ROUND)
    }

    fn fight(&self) -> Fight {
        Fight {
            repairs: self.total,
            culprit: self.culprit.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn culprit() -> Culprit {
        Culprit {
            protocol: None,
            port: 77,
            program: Some("ip".to_owned()),
        }
    }

    #[test]
    fn seldom_repairs_are_no_fight() {
        let (mut fights, mut now) = (Fights::default(), Instant::now());
        for _ in 0..20 {
            fights.repaired(&"route", culprit(), now);
            assert_eq!(fights.pausing(&"route", now), None);
            now += seconds(5);
            fights.prune(now);
        }
    }

    #[test]
    fn a_fight_is_damped_ever_more_and_named_until_there_is_peace() {
        let (mut fights, mut now) = (Fights::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            fights.repaired(&"route", culprit(), now);
            let until = fights.next(now).unwrap_or(now);
            pauses.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
        let fight = fights.pausing(&"route", now - seconds(1)).unwrap();
        let said = fight.to_string();
        assert_eq!(
            said,
            "a fight: repaired 12 times, broken by netlink port 77 (ip)"
        );
        assert_eq!(
            fights.pausing(&"route", now),
            None,
            "then it is tried again"
        );
        assert_eq!(fights.all().count(), 1);
        fights.prune(now + PEACE);
        assert_eq!(fights.all().count(), 0);
    }
}
