//! Whether everybody has said what they have, so that what nobody said may go (law 6). Pure: time is an
//! argument.
//!
//! After a start the kernel has the routes that the agent before learned, and this one has learned
//! nothing yet. They stay until each neighbour has sent its End-of-RIB (RFC 4724); where one of several
//! does not come, for the restart time; where none does, for as long as stale routes are kept (law 11).

use gingham_bgp::config::{Config, Neighbour};
use gingham_bgp::speaker::Sessions;
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Who has been heard out since the speaker started.
#[derive(Clone, Debug)]
pub struct Hearing {
    since: Instant,
    heard: BTreeSet<(String, Family)>,
}

impl Hearing {
    /// Nobody has, at `now`.
    pub fn new(now: Instant) -> Self {
        Hearing {
            since: now,
            heard: BTreeSet::new(),
        }
    }

    /// How the sessions stand now. Who has once been heard out needs not be waited for again.
    pub fn hear(&mut self, sessions: &Sessions) {
        for (name, heard) in &sessions.neighbours {
            let ended = heard.ended.iter().map(|family| (name.clone(), *family));
            self.heard.extend(ended);
        }
    }

    /// The families that are not heard out, and why.
    pub fn pending(&self, config: &Config, now: Instant) -> BTreeMap<Family, String> {
        let families = Family::ALL.into_iter();
        let pending = families.filter_map(|family| {
            let wait = self.wait(config, family)?;
            (now < wait.until).then_some((family, wait.reason))
        });
        pending.collect()
    }

    /// When [`Hearing::pending`] changes although nothing happens.
    pub fn next(&self, config: &Config, now: Instant) -> Option<Instant> {
        let waits = Family::ALL
            .into_iter()
            .filter_map(|family| self.wait(config, family));
        waits
            .map(|wait| wait.until)
            .filter(|until| now < *until)
            .min()
    }

    fn wait(&self, config: &Config, family: Family) -> Option<Wait> {
        let speaks = |neighbour: &&Neighbour| neighbour.settings.families.contains_key(&family);
        let expected = config.neighbours.iter().filter(speaks);
        let heard = |neighbour: &&Neighbour| self.heard.contains(&(neighbour.name.clone(), family));
        let (heard, unheard): (Vec<&Neighbour>, Vec<&Neighbour>) = expected.partition(heard);
        if unheard.is_empty() {
            return None;
        }
        let restart = u32::from(config.graceful_restart.restart_seconds);
        let seconds = match heard.is_empty() {
            true => restart.max(config.graceful_restart.long_lived_stale_seconds),
            false => restart,
        };
        let names: Vec<&str> = unheard.iter().map(|one| one.name.as_str()).collect();
        Some(Wait {
            until: self.since + Duration::from_secs(seconds.into()),
            reason: format!(
                "{} has yet to say which {family} prefixes it has",
                names.join(", ")
            ),
        })
    }
}

struct Wait {
    until: Instant,
    reason: String,
}
