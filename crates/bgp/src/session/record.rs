//! A session as a list of events, and what it did as a function of that list.

use super::{Action, Event, Machine, Plan};
use crate::Moment;
use serde::{Deserialize, Serialize};

/// One event of a recording, which has one JSON document per line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// When it was handled.
    pub at: Moment,
    /// Whose machine handled it: the neighbour's name.
    pub peer: String,
    /// What happened.
    pub event: Event,
}

/// What a machine made of `entries`, all of one peer, one answer each. A machine made with the plan
/// and the seed of the recording answers as the recorded one did.
pub fn replay(plan: Plan, seed: u64, entries: &[Entry]) -> Vec<(Moment, Vec<Action>)> {
    let mut machine = Machine::new(plan, seed);
    let answers = entries
        .iter()
        .map(|entry| (entry.at, machine.handle(entry.at, &entry.event)));
    answers.collect()
}
