//! Objects of one kind as last known, and whether that is all of them. Pure.

use crate::objects::{Kind, Refusal};
use crate::store::Event;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a source has said all it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    #[default]
    Pending,
    /// Everything; changes follow as they happen.
    Synced,
    /// It cannot be read at the moment, for this reason.
    Failed(String),
}

/// Objects of one kind, as last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source<T> {
    state: State,
    objects: BTreeMap<String, T>,
    refused: BTreeMap<String, Refusal>,
    unknown: BTreeMap<String, Vec<String>>,
    /// Those of the objects that are known from before only: the store has shown no valid version.
    remembered: BTreeSet<String>,
}

impl<T> Default for Source<T> {
    fn default() -> Self {
        Source {
            state: State::default(),
            objects: BTreeMap::new(),
            refused: BTreeMap::new(),
            unknown: BTreeMap::new(),
            remembered: BTreeSet::new(),
        }
    }
}

impl<T: PartialEq> Source<T> {
    /// The object is so now. Says whether that is news.
    pub fn apply(&mut self, name: String, object: T, unknown: Vec<String>) -> bool {
        let cured = self.refused.remove(&name).is_some();
        let before = self.unknown.get(&name).map_or(&[][..], Vec::as_slice);
        let told = *before == unknown;
        let changed = self.objects.get(&name) != Some(&object);
        if unknown.is_empty() {
            self.unknown.remove(&name);
        } else {
            self.unknown.insert(name.clone(), unknown);
        }
        let confirmed = self.remembered.remove(&name);
        self.objects.insert(name, object);
        changed || cured || confirmed || !told
    }

    /// The object was so before. It is in force until the store shows another version or, having
    /// said all, none; where the store has said something already, it knows better.
    pub fn remember(&mut self, name: String, object: T) {
        let heard = self.objects.contains_key(&name) || self.refused.contains_key(&name);
        if self.state != State::Synced && !heard {
            self.remembered.insert(name.clone());
            self.objects.insert(name, object);
        }
    }

    /// What an event other than `Apply` does to this source. Says whether it is news.
    pub fn note(&mut self, event: Event) -> bool {
        match event {
            Event::Apply(_) => false,
            Event::Delete(_, name) => {
                self.unknown.remove(&name);
                self.remembered.remove(&name);
                let refused = self.refused.remove(&name).is_some();
                self.objects.remove(&name).is_some() || refused
            }
            Event::Refused(refusal) => {
                let forgotten = !refusal.kind.is_setting() && self.forget(&refusal.name);
                let before = self.refused.insert(refusal.name.clone(), refusal.clone());
                before != Some(refusal) || forgotten
            }
            Event::Synced(_) => {
                let refused = &self.refused;
                let unsaid = self
                    .remembered
                    .iter()
                    .filter(|name| !refused.contains_key(*name));
                let unsaid: Vec<String> = unsaid.cloned().collect();
                let forgotten = unsaid.iter().filter(|name| self.forget(name)).count();
                self.turn(State::Synced) || forgotten > 0
            }
            Event::Failed(_, error) => self.turn(State::Failed(error)),
        }
    }

    /// Drops what is known from before only. Says whether it was.
    fn forget(&mut self, name: &str) -> bool {
        let remembered = self.remembered.remove(name);
        if remembered {
            self.objects.remove(name);
        }
        remembered
    }

    fn turn(&mut self, state: State) -> bool {
        let changed = self.state != state;
        self.state = state;
        changed
    }

    /// Objects the store has shown no valid version of: what they say is not known.
    pub fn unread(&self) -> impl Iterator<Item = &Refusal> {
        let unread = self
            .refused
            .iter()
            .filter(|(name, _)| !self.has_shown(name));
        unread.map(|(_, refusal)| refusal)
    }

    /// Whether the store has shown a valid version of this object.
    pub fn has_shown(&self, name: &str) -> bool {
        self.objects.contains_key(name) && !self.remembered.contains(name)
    }

    /// Whether it has said all it holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The objects in force, by name.
    pub fn objects(&self) -> &BTreeMap<String, T> {
        &self.objects
    }

    /// How it stands, for the eye.
    pub fn view(&self, kind: Kind) -> SourceView<'_> {
        SourceView {
            kind,
            state: &self.state,
            objects: self.objects.len(),
            refused: &self.refused,
            unknown: &self.unknown,
        }
    }
}

/// How one source stands, for the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceView<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Whether it has said all.
    pub state: &'a State,
    /// How many objects are in force.
    pub objects: usize,
    /// What was not taken, by name.
    pub refused: &'a BTreeMap<String, Refusal>,
    /// The paths of fields this version does not know, by the name of the object.
    pub unknown: &'a BTreeMap<String, Vec<String>>,
}

impl SourceView<'_> {
    /// Why it has not said all.
    pub(crate) fn unsynced(&self) -> Option<String> {
        let plural = self.kind.plural();
        match self.state {
            State::Synced => None,
            State::Pending => Some(format!("{plural} are not listed yet")),
            State::Failed(error) => Some(format!("{plural} cannot be listed: {error}")),
        }
    }
}
