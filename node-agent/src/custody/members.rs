//! The Nodes of the zone as last told.

use crate::source::State;
use crate::store::MemberEvent;
use gingham_model::NodeName;
use std::collections::BTreeMap;

/// Names and uids of Nodes, and whether these are all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    nodes: BTreeMap<NodeName, String>,
    state: State,
}

impl Members {
    /// Takes in what the store says.
    pub fn apply(&mut self, event: MemberEvent) {
        match event {
            MemberEvent::Apply(name, uid) => drop(self.nodes.insert(name, uid)),
            MemberEvent::Gone(name) => drop(self.nodes.remove(&name)),
            MemberEvent::Synced => self.state = State::Synced,
            MemberEvent::Failed(why) => self.state = State::Failed(why),
        }
    }

    /// Whether these are all.
    pub fn are_complete(&self) -> bool {
        self.state == State::Synced
    }

    /// Why they cannot be listed.
    pub fn trouble(&self) -> Option<String> {
        match &self.state {
            State::Failed(why) | State::Lost(why) => {
                Some(format!("the Nodes of the zone cannot be listed: {why}"))
            }
            State::Pending | State::Synced => None,
        }
    }

    /// The uid of the Node of that name, if one stands in the zone.
    pub fn uid(&self, name: &NodeName) -> Option<&str> {
        self.nodes.get(name).map(String::as_str)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }
}
