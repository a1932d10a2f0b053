//! Which zone this node is believed to stand in. Pure: time is an argument.
//!
//! The zone is a label, and labels flicker: a cloud controller sets them late, a kubelet's restart
//! has been seen to strip them for a moment. All routes hang on it. So a label that is gone changes
//! nothing, and another one counts when it has stayed for a while.

use gingham_model::Zone;
use std::time::{Duration, Instant};

/// How long another label must stay.
const STEADY: Duration = Duration::from_secs(10);

/// The zone believed, and what the label says if it says something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belief {
    zone: Option<Zone>,
    other: Option<(Zone, Instant)>,
}

impl Belief {
    /// What was believed before, as told by a file of this boot.
    pub fn before(zone: Option<Zone>) -> Self {
        Belief { zone, other: None }
    }

    /// The label says this; `None` when it says nothing.
    pub fn hear(&mut self, label: Option<Zone>, now: Instant) {
        let Some(label) = label else {
            self.other = None;
            return;
        };
        match (&self.zone, &self.other) {
            (None, _) => self.zone = Some(label),
            (Some(zone), _) if *zone == label => self.other = None,
            (_, Some((other, since))) if *other == label => {
                if now >= *since + STEADY {
                    self.zone = Some(label);
                    self.other = None;
                }
            }
            _ => self.other = Some((label, now)),
        }
    }

    /// The zone.
    pub fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// When to hear the label again.
    pub fn next(&self) -> Option<Instant> {
        self.other.as_ref().map(|(_, since)| *since + STEADY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Option<Zone> {
        Some(name.parse().unwrap())
    }

    #[test]
    fn the_first_label_counts_at_once_and_a_lost_one_changes_nothing() {
        let (mut belief, now) = (Belief::default(), Instant::now());
        belief.hear(None, now);
        assert_eq!(belief.zone(), None);
        belief.hear(zone("z1"), now);
        belief.hear(None, now + STEADY * 100);
        assert_eq!(belief.zone(), zone("z1").as_ref());
    }

    #[test]
    fn another_label_counts_when_it_has_stayed() {
        let now = Instant::now();
        let mut belief = Belief::before(zone("z1"));
        belief.hear(zone("z2"), now);
        assert_eq!(belief.next(), Some(now + STEADY));
        // It flickers: the clock starts anew.
        belief.hear(zone("z1"), now + STEADY / 2);
        belief.hear(zone("z2"), now + STEADY / 2);
        belief.hear(zone("z2"), now + STEADY);
        assert_eq!(belief.zone(), zone("z1").as_ref());
        belief.hear(zone("z2"), now + STEADY * 3 / 2);
        assert_eq!((belief.zone(), belief.next()), (zone("z2").as_ref(), None));
    }
}
