//! An API server in small: objects, versions, a history that can be forgotten, and answers that are
//! heard message by message. It stands for the order of messages, nothing else: the real one is asked
//! in the integration tests.

use gingham_agent::store::kubernetes::watching::heard::{Ask, Heard, Item, Trouble, Why};
use gingham_agent::store::kubernetes::watching::union::Selector;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Objects in one page.
const PAGE: usize = 2;

#[derive(Clone, Debug, Default)]
struct Event {
    name: String,
    before: Option<u8>,
    after: Option<u8>,
}

pub(super) struct Server {
    objects: BTreeMap<String, (u64, u8)>,
    /// The event at place n made version n + 1.
    history: Vec<Event>,
    forgotten: u64,
    streaming: bool,
    /// What lists that go on were made of; `None` where that is forgotten. A token is good for its own
    /// list only.
    lists: Vec<Option<(u64, Vec<Item<u8>>)>>,
}

impl Server {
    pub(super) fn new(streaming: bool) -> Self {
        Server {
            objects: BTreeMap::new(),
            history: Vec::new(),
            forgotten: 0,
            streaming,
            lists: Vec::new(),
        }
    }

    fn version(&self) -> u64 {
        self.history.len() as u64
    }

    pub(super) fn write(&mut self, name: &str, value: u8) {
        let version = self.version() + 1;
        let before = self.objects.insert(name.to_owned(), (version, value));
        self.history.push(Event {
            name: name.to_owned(),
            before: before.map(|(_, value)| value),
            after: Some(value),
        });
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some((_, value)) = self.objects.remove(name) {
            self.history.push(Event {
                name: name.to_owned(),
                before: Some(value),
                after: None,
            });
        }
    }

    pub(super) fn compact(&mut self) {
        self.forgotten = self.version();
        self.lists.fill(None);
    }

    /// The objects in any of the selections of `bits`.
    pub(super) fn selected(&self, bits: u8) -> BTreeMap<String, u8> {
        let objects = self.objects.iter();
        let selected = objects.filter(|(_, (_, value))| value & bits != 0);
        let values = selected.map(|(name, (_, value))| (name.clone(), *value));
        values.collect()
    }

    fn items(&self, bit: u8) -> Vec<Item<u8>> {
        let objects = self.objects.iter();
        let selected = objects.filter(|(_, (_, value))| value & bit != 0);
        let items = selected.map(|(name, (version, value))| Item {
            name: name.as_str().into(),
            version: version.to_string(),
            object: *value,
        });
        items.collect()
    }

    pub(super) fn answer(
        &mut self,
        (selector, serial): (Arc<Selector>, u64),
        bit: u8,
        ask: &Ask,
    ) -> Connection {
        let mut said = VecDeque::from([Heard::Accepted]);
        let mut since = None;
        match ask {
            Ask::Stream { .. } if !self.streaming => {
                said = VecDeque::from([trouble(Why::NoStreaming)]);
            }
            Ask::Stream { .. } => {
                said.extend(self.items(bit).into_iter().map(Heard::Object));
                let version = self.version().to_string();
                said.push_back(Heard::AllListed { version });
                since = Some(self.version());
            }
            Ask::Watch { version, .. } => {
                let version: u64 = version.parse().unwrap();
                if version < self.forgotten {
                    said.push_back(trouble(Why::Expired));
                } else {
                    since = Some(version);
                }
            }
            Ask::Page { after, limit } => said = VecDeque::from([self.page(bit, after, *limit)]),
        }
        Connection {
            selector,
            serial,
            bit,
            said,
            since,
            changes: Vec::new(),
        }
    }

    fn page(&mut self, bit: u8, after: &Option<String>, limit: Option<u32>) -> Heard<u8> {
        let (list, start) = match after {
            None => {
                let list = (self.version(), self.items(bit));
                self.lists.push(Some(list));
                (self.lists.len() - 1, 0)
            }
            Some(token) => {
                let (list, start) = token.split_once('/').unwrap();
                (list.parse().unwrap(), start.parse().unwrap())
            }
        };
        let Some((version, items)) = &self.lists[list] else {
            return trouble(Why::Expired);
        };
        let end = match limit {
            Some(_) => items.len().min(start + PAGE),
            None => items.len(),
        };
        Heard::Page {
            items: items[start.min(end)..end].to_vec(),
            version: version.to_string(),
            more: (end < items.len()).then(|| format!("{list}/{end}")),
        }
    }
}

fn trouble(why: Why) -> Heard<u8> {
    Heard::Trouble(Trouble::new(why, "as the server says"))
}

/// An answer on its way.
pub(super) struct Connection {
    pub(super) selector: Arc<Selector>,
    pub(super) serial: u64,
    bit: u8,
    said: VecDeque<Heard<u8>>,
    /// Changes after this version follow what is said; `None` if none do.
    since: Option<u64>,
    /// The changes that have arrived.
    changes: Vec<Heard<u8>>,
}

impl Connection {
    /// The next message, if there is any yet.
    pub(super) fn next(&mut self, server: &Server) -> Option<Heard<u8>> {
        if let Some(said) = self.said.pop_front() {
            return Some(said);
        }
        let change = self.change(server)?;
        self.changes.push(change.clone());
        Some(change)
    }

    fn change(&mut self, server: &Server) -> Option<Heard<u8>> {
        loop {
            let since = self.since?;
            let event = server.history.get(usize::try_from(since).unwrap())?;
            self.since = Some(since + 1);
            let version = (since + 1).to_string();
            let (bit, name) = (self.bit, event.name.as_str().into());
            let is_in = |value: &u8| value & bit != 0;
            if let Some(object) = event.after.filter(is_in) {
                let item = Item {
                    name,
                    version,
                    object,
                };
                return Some(Heard::Object(item));
            }
            if event.before.filter(is_in).is_some() {
                return Some(Heard::Deleted { name, version });
            }
        }
    }

    /// The next two changes, the second one first. Of a list nothing is swapped.
    pub(super) fn next_two_swapped(&mut self, server: &Server) -> Vec<Heard<u8>> {
        if !self.said.is_empty() {
            return Vec::new();
        }
        let first = self.next(server);
        let second = self.next(server);
        second.into_iter().chain(first).collect()
    }

    /// A change that has arrived before.
    pub(super) fn earlier(&self) -> Option<Heard<u8>> {
        self.changes.first().cloned()
    }

    pub(super) fn stall(&mut self) {
        self.said.clear();
        self.since = None;
    }

    pub(super) fn say_nothing_is_there(&mut self) {
        self.said.retain(|said| !matches!(said, Heard::Object(_)));
        for said in &mut self.said {
            if let Heard::Page { items, more, .. } = said {
                items.clear();
                *more = None;
            }
        }
    }
}
