//! Objects of one kind as last known, and whether that is all of them. Pure.

use crate::objects::{Kind, Refusal};
use crate::store::Event;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether a source has said all it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    #[default]
    Pending,
    /// Everything; changes follow as they happen.
    Synced,
    /// It has not, and cannot be read at the moment, for this reason.
    Failed(String),
    /// It had, and cannot be read at the moment, for this reason: what it said counts on, and what
    /// changes is not heard.
    Lost(String),
}

impl State {
    /// Whether it has said all, now or before.
    pub fn has_said_all(&self) -> bool {
        matches!(self, State::Synced | State::Lost(_))
    }

    /// What comes of it when the source cannot be read.
    fn failed(&self, error: String) -> State {
        match self.has_said_all() {
            true => State::Lost(error),
            false => State::Failed(error),
        }
    }
}

/// Why an object is in force though the store shows no valid version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unshown {
    /// It is known from an earlier run.
    Remembered,
    /// It is gone, and is one that is kept.
    Gone,
}

/// Objects of one kind, as last known. A copy shares them: whoever looks at an older state of the
/// cluster holds little more than what has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source<T> {
    state: State,
    objects: BTreeMap<Arc<str>, Arc<T>>,
    refused: BTreeMap<String, Refusal>,
    unknown: BTreeMap<String, Vec<String>>,
    /// Those of the objects the store shows no valid version of.
    unshown: BTreeMap<String, Unshown>,
    /// The object that stays in force when it is gone.
    kept: Option<String>,
}

impl<T> Default for Source<T> {
    fn default() -> Self {
        Source {
            state: State::default(),
            objects: BTreeMap::new(),
            refused: BTreeMap::new(),
            unknown: BTreeMap::new(),
            unshown: BTreeMap::new(),
            kept: None,
        }
    }
}

impl<T: PartialEq> Source<T> {
    /// The object is so now. Says whether that is news.
    pub fn apply(&mut self, name: String, object: T, unknown: Vec<String>) -> bool {
        let cured = self.refused.remove(&name).is_some();
        let before = self.unknown.get(&name).map_or(&[][..], Vec::as_slice);
        let told = *before == unknown;
        let before = self.objects.get(name.as_str());
        let changed = before.is_none_or(|before| **before != object);
        if unknown.is_empty() {
            self.unknown.remove(&name);
        } else {
            self.unknown.insert(name.clone(), unknown);
        }
        let confirmed = self.unshown.remove(&name).is_some();
        if changed {
            self.objects.insert(name.into(), Arc::new(object));
        }
        changed || cured || confirmed || !told
    }

    /// The object was so before. It is in force until the store shows another version or, having
    /// said all, none; where the store has said something already, it knows better.
    pub fn remember(&mut self, name: String, object: T) {
        let heard = self.objects.contains_key(name.as_str()) || self.refused.contains_key(&name);
        if !self.state.has_said_all() && !heard {
            self.unshown.insert(name.clone(), Unshown::Remembered);
            self.objects.insert(name.into(), Arc::new(object));
        }
    }

    /// From now on the object called `name` stays in force when it is gone, until it comes back.
    pub fn keep(&mut self, name: String) {
        self.kept = Some(name);
    }

    /// What an event other than `Apply` does to this source. Says whether it is news.
    pub fn note(&mut self, event: Event) -> bool {
        match event {
            Event::Apply(_) => false,
            Event::Delete(_, name) => {
                self.unknown.remove(&name);
                let refused = self.refused.remove(&name).is_some();
                self.part_with(name) || refused
            }
            Event::Refused(refusal) => {
                let forgotten = !refusal.kind.is_setting() && self.forget(&refusal.name);
                let before = self.refused.insert(refusal.name.clone(), refusal.clone());
                before != Some(refusal) || forgotten
            }
            Event::Synced(_) => {
                let (refused, unshown) = (&self.refused, self.unshown.iter());
                let unsaid = unshown.filter(|(name, why)| {
                    **why == Unshown::Remembered && !refused.contains_key(*name)
                });
                let unsaid: Vec<String> = unsaid.map(|(name, _)| name.clone()).collect();
                let unsaid = unsaid.into_iter();
                let forgotten = unsaid.filter(|name| self.part_with(name.clone())).count();
                self.turn(State::Synced) || forgotten > 0
            }
            Event::Failed(_, error) => self.turn(self.state.failed(error)),
        }
    }

    /// The store shows no such object any more. Says whether that changes anything.
    fn part_with(&mut self, name: String) -> bool {
        if self.kept.as_ref() == Some(&name) && self.objects.contains_key(name.as_str()) {
            return self.unshown.insert(name, Unshown::Gone) != Some(Unshown::Gone);
        }
        self.unshown.remove(&name);
        self.objects.remove(name.as_str()).is_some()
    }

    /// Drops what is known from before only. Says whether it was.
    fn forget(&mut self, name: &str) -> bool {
        let remembered = self.unshown.get(name) == Some(&Unshown::Remembered);
        if remembered {
            self.unshown.remove(name);
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
        self.objects.contains_key(name) && !self.unshown.contains_key(name)
    }

    /// Whether this object is gone, and stays in force all the same.
    pub fn is_gone(&self, name: &str) -> bool {
        self.unshown.get(name) == Some(&Unshown::Gone)
    }

    /// Whether it has said all it holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The object in force of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.objects.get(name).map(Arc::as_ref)
    }

    /// The objects in force, in the order of names.
    pub fn objects(&self) -> impl Iterator<Item = &T> {
        self.objects.values().map(Arc::as_ref)
    }

    /// Their names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(Arc::as_ref)
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
            State::Synced | State::Lost(_) => None,
            State::Pending => Some(format!("{plural} are not listed yet")),
            State::Failed(error) => Some(format!("{plural} cannot be listed: {error}")),
        }
    }

    /// Why what it said may not be so any more.
    pub(crate) fn lost(&self) -> Option<String> {
        match self.state {
            State::Lost(error) => Some(format!("{} cannot be read: {error}", self.kind.plural())),
            State::Pending | State::Synced | State::Failed(_) => None,
        }
    }
}
