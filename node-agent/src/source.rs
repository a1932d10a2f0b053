//! Objects of one kind as last known, and whether that is all of them. Pure.

use crate::objects::Refusal;
use crate::store::Event;
use std::collections::BTreeMap;

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
}

impl<T> Default for Source<T> {
    fn default() -> Self {
        Source {
            state: State::default(),
            objects: BTreeMap::new(),
            refused: BTreeMap::new(),
            unknown: BTreeMap::new(),
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
        self.objects.insert(name, object);
        changed || cured || !told
    }

    /// What an event other than `Apply` does to this source. Says whether it is news.
    pub fn note(&mut self, event: Event) -> bool {
        match event {
            Event::Apply(_) => false,
            Event::Delete(_, name) => {
                self.unknown.remove(&name);
                let refused = self.refused.remove(&name).is_some();
                self.objects.remove(&name).is_some() || refused
            }
            Event::Refused(refusal) => {
                let before = self.refused.insert(refusal.name.clone(), refusal.clone());
                before != Some(refusal)
            }
            Event::Synced(_) => self.turn(State::Synced),
            Event::Failed(_, error) => self.turn(State::Failed(error)),
        }
    }

    fn turn(&mut self, state: State) -> bool {
        let changed = self.state != state;
        self.state = state;
        changed
    }

    /// Objects of which no version was ever valid: what they say is not known.
    pub fn unread(&self) -> impl Iterator<Item = &Refusal> {
        let known = |name: &String| self.objects.contains_key(name);
        let unread = self.refused.iter().filter(move |(name, _)| !known(name));
        unread.map(|(_, refusal)| refusal)
    }

    /// Whether it has said all it holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The objects in force, by name.
    pub fn objects(&self) -> &BTreeMap<String, T> {
        &self.objects
    }

    /// What was not taken, in the order of names.
    pub fn refused(&self) -> impl Iterator<Item = &Refusal> {
        self.refused.values()
    }

    /// Fields this version does not know: the object's name and the path of each.
    pub fn unknown(&self) -> impl Iterator<Item = (&String, &String)> {
        let each = self.unknown.iter();
        each.flat_map(|(name, paths)| paths.iter().map(move |path| (name, path)))
    }
}
