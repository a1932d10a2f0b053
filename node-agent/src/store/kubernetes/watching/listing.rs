//! One selection of the objects of a kind, as lists and watches tell it. Pure: what is heard and
//! the time go in, changes come out, and what to ask next.
//!
//! ```text
//!                 ┌── Ask::Stream: all objects, then their changes ──┐
//!  ask() ─────────┤                                                  ├──► hear() ──► Change
//!                 ├── Ask::Page: all objects in pages ───────────────┤
//!                 └── Ask::Watch: changes since a version ───────────┘
//! ```
//!
//! A list is the whole truth only when its end has been heard: then what it did not name is gone.
//! One that breaks off concludes nothing. Of the objects only their names and versions are kept.
//!
//! Versions are compared as numbers, which Kubernetes promises since 1.35 and which every API
//! server on etcd has always kept; one that is no number is taken as it comes. Within a watch an
//! object never goes back to an older version. Between lists it may: that is what a store that was
//! restored from a snapshot looks like. Restored, it soon makes the same versions again of other
//! objects, and a watch that goes on from one of them would miss everything; so after a time in which
//! there was no API server at all, or when one says that it is just starting, everything is listed again.

use super::heard::{Ask, Change, Heard, Item, Trouble, Why};
use super::pace::{self, Dice};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest an answer may take to begin.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest a list may say nothing. A watch is given longer: a server sends a bookmark a minute.
const LISTING_SILENCE: Duration = Duration::from_secs(30);
const WATCHING_SILENCE: Duration = Duration::from_secs(150);
/// How long the server is to keep up a watch: a different time every time.
const WATCH: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));
/// A server that takes up a watch from a version it has forgotten says so at once.
const ACCEPTED: Duration = Duration::from_secs(1);
/// A watch that has gone well for so long wipes out the failures before it.
const STEADY: Duration = Duration::from_secs(10);
/// A store that is restored is away for at least so long, and so is its API server: nobody answers, or
/// a question waits.
const AWAY: Duration = Duration::from_secs(1);
/// A server that starts refuses everybody until it has read what they may.
const STARTING: Duration = Duration::from_secs(20);
/// Objects in one page of a list.
const PAGE: u32 = 500;

/// One selection of objects, as last heard.
#[derive(Debug)]
pub struct Listing {
    names: BTreeMap<Box<str>, Held>,
    /// The number of the list, so that what it names can be told from what it does not.
    round: u32,
    next: Next,
    doing: Doing,
    serial: u64,
    /// Whether a list has ever come to its end.
    listed: bool,
    /// A list that lacks much of what was known is asked for twice.
    doubted: bool,
    streaming: Streaming,
    paging: Paging,
    /// The highest version heard in this watch, or zero.
    highest: u64,
    trouble: Option<(Instant, String)>,
    /// Whether in this trouble nobody answered.
    unreached: bool,
    /// When somebody answered again for the first time.
    back: Option<Instant>,
    failures: u32,
    dice: Dice,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// Zero is none that can be compared.
    version: u64,
    round: u32,
}

/// What to ask next, or what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    List { after: Option<String> },
    Watch { version: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Resting { until: Instant },
    Asked { since: Instant },
    Hearing { since: Instant, heard: Instant },
}

/// Whether the server can begin a watch with all objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Streaming {
    Possible,
    Refused,
}

/// A server whose pages expire before they are asked for must give the list whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    Possible,
    Expired,
}

/// How a selection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// No list has come to its end yet, perhaps for this reason, since then.
    Unlisted(Option<(Instant, &'a str)>),
    /// All of it is known, and changes are heard as they happen.
    Whole,
    /// It was known; since then changes may have been missed, for this reason.
    Interrupted(Instant, &'a str),
}

impl Listing {
    /// A selection of which nothing is known. It is to be asked for now.
    pub fn new(now: Instant, dice: Dice) -> Self {
        Listing {
            names: BTreeMap::new(),
            round: 0,
            next: Next::List { after: None },
            doing: Doing::Resting { until: now },
            serial: 0,
            listed: false,
            doubted: false,
            streaming: Streaming::Possible,
            paging: Paging::Possible,
            highest: 0,
            trouble: None,
            unreached: false,
            back: None,
            failures: 0,
            dice,
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing<'_> {
        match &self.trouble {
            trouble if !self.listed => {
                let trouble = trouble.as_ref();
                Standing::Unlisted(trouble.map(|(since, why)| (*since, why.as_str())))
            }
            Some((since, why)) => Standing::Interrupted(*since, why),
            None => Standing::Whole,
        }
    }

    /// The version an object of that name was last heard in, zero if that is no number; `None` if
    /// it is not in the selection.
    pub fn version(&self, name: &str) -> Option<u64> {
        self.names.get(name).map(|held| held.version)
    }

    /// The names in the selection.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    /// The number of the request whose answers count; `None` while none does.
    pub fn serial(&self) -> Option<u64> {
        (!matches!(self.doing, Doing::Resting { .. })).then_some(self.serial)
    }

    /// What is to be asked now, if anything is.
    pub fn ask(&mut self, now: Instant) -> Option<Ask> {
        match self.doing {
            Doing::Resting { until } if until <= now => {}
            _ => return None,
        }
        let since = self.trouble.as_ref().map_or(now, |(since, _)| *since);
        if self.unreached && !self.is_listing() && now >= since + AWAY {
            self.next = Next::List { after: None };
        }
        self.doing = Doing::Asked { since: now };
        self.serial += 1;
        self.highest = 0;
        let seconds = self.dice.between(WATCH.0, WATCH.1).as_secs();
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Some(match &self.next {
            Next::Watch { version } => {
                let version = version.clone();
                self.highest = number(&version);
                Ask::Watch { version, seconds }
            }
            Next::List { after } => {
                if after.is_none() {
                    self.round += 1;
                }
                match self.streaming {
                    Streaming::Possible => Ask::Stream { seconds },
                    Streaming::Refused => Ask::Page {
                        after: after.clone(),
                        limit: (self.paging == Paging::Possible).then_some(PAGE),
                    },
                }
            }
        })
    }

    /// When [`Listing::ask`] or [`Listing::tick`] has something to do next, if nothing is heard.
    pub fn next(&self) -> Instant {
        match self.doing {
            Doing::Resting { until } => until,
            Doing::Asked { since } => since + ANSWER,
            Doing::Hearing { since, heard } => {
                let silent = heard + self.silence();
                let accepted = since + ACCEPTED;
                let accepted = (self.trouble.is_some() && !self.is_listing()).then_some(accepted);
                accepted.unwrap_or(silent).min(silent)
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        match self.doing {
            Doing::Asked { since } if now >= since + ANSWER => {
                self.interrupt(Trouble::new(Why::Unreached, "no answer within 30 s"), now);
            }
            Doing::Hearing { heard, .. } if now >= heard + self.silence() => {
                let seconds = self.silence().as_secs();
                let silent = format!("nothing was heard for {seconds} s");
                self.interrupt(Trouble::new(Why::Broken, silent), now);
            }
            Doing::Hearing { since, .. } if !self.is_listing() && now >= since + ACCEPTED => {
                self.is_well();
            }
            _ => {}
        }
    }

    /// Takes in what was heard of the request that was asked last.
    pub fn hear<T>(&mut self, heard: Heard<T>, now: Instant) -> Vec<Change<T>> {
        match &mut self.doing {
            Doing::Resting { .. } => return Vec::new(),
            Doing::Asked { since } => {
                let waited = now.saturating_duration_since(*since);
                if self.failures > 0 && waited >= AWAY && !self.is_listing() {
                    let Heard::Trouble(trouble) = heard else {
                        self.list_again("the server was away, and may have another store", now);
                        return Vec::new();
                    };
                    self.next = Next::List { after: None };
                    self.interrupt(trouble, now);
                    return Vec::new();
                }
                self.doing = Doing::Hearing {
                    since: now,
                    heard: now,
                }
            }
            Doing::Hearing { heard, .. } => *heard = now,
        }
        match heard {
            Heard::Accepted => Vec::new(),
            Heard::Object(item) => self.object(item, now).into_iter().collect(),
            Heard::Deleted { name, version } => self.deleted(name, &version).into_iter().collect(),
            Heard::Bookmark { version } => {
                self.advance(&version);
                Vec::new()
            }
            Heard::AllListed { version } if self.is_listing() => self.conclude(version, now),
            Heard::AllListed { .. } => Vec::new(),
            Heard::Page {
                items,
                version,
                more,
            } => self.page(items, version, more, now),
            Heard::Ended => {
                self.ended(now);
                Vec::new()
            }
            Heard::Trouble(trouble) => {
                self.interrupt(trouble, now);
                Vec::new()
            }
        }
    }

    /// What is known may be wrong: all objects are to be listed again.
    pub fn list_again(&mut self, why: &str, now: Instant) {
        self.interrupt(Trouble::new(Why::Expired, why), now);
    }

    fn is_listing(&self) -> bool {
        matches!(self.next, Next::List { .. })
    }

    fn silence(&self) -> Duration {
        if self.is_listing() {
            LISTING_SILENCE
        } else {
            WATCHING_SILENCE
        }
    }

    /// An object as it is now, in a list or because it changed.
    fn object<T>(&mut self, item: Item<T>, now: Instant) -> Option<Change<T>> {
        let version = number(&item.version);
        let held = self.names.get(&item.name).copied();
        let stale = held.is_some_and(|held| {
            let told = version != 0 && version <= held.version;
            told && (!self.is_listing() || held.round == self.round)
        });
        if stale {
            return None;
        }
        // A name that is not known has never been, or is gone since: the order of versions tells.
        if !self.is_listing() && held.is_none() && version != 0 && version < self.highest {
            let why = format!("{}: changes came out of their order", item.name);
            self.list_again(&why, now);
            return None;
        }
        self.advance(&item.version);
        let round = self.round;
        let held = Held { version, round };
        self.names.insert(item.name.clone(), held);
        Some(Change::Is {
            name: item.name,
            version,
            object: item.object,
        })
    }

    fn deleted<T>(&mut self, name: Box<str>, version: &str) -> Option<Change<T>> {
        // Even of a name that is not known: its creation may be late.
        self.advance(version);
        let held = self.names.get(&name)?;
        let deleted = number(version);
        // It has been created again since.
        if deleted != 0 && deleted < held.version {
            return None;
        }
        let version_before = held.version;
        self.names.remove(&name);
        Some(Change::Gone {
            name,
            version: version_before,
        })
    }

    /// From here a watch can go on after a break.
    fn advance(&mut self, to: &str) {
        let Next::Watch { version } = &mut self.next else {
            return;
        };
        let number = number(to);
        if number == 0 || number >= self.highest {
            to.clone_into(version);
            self.highest = number;
        }
        self.is_well();
    }

    fn is_well(&mut self) {
        (self.trouble, self.unreached, self.back) = (None, false, None);
    }

    fn page<T>(
        &mut self,
        items: Vec<Item<T>>,
        version: String,
        more: Option<String>,
        now: Instant,
    ) -> Vec<Change<T>> {
        if !self.is_listing() {
            return Vec::new();
        }
        let items = items.into_iter();
        let mut changes: Vec<Change<T>> = items.filter_map(|item| self.object(item, now)).collect();
        self.doing = Doing::Resting { until: now };
        match more {
            Some(after) => self.next = Next::List { after: Some(after) },
            None => {
                self.paging = Paging::Possible;
                changes.extend(self.conclude(version, now));
            }
        }
        changes
    }

    /// A list has come to its end. What it did not name is gone.
    fn conclude<T>(&mut self, version: String, now: Instant) -> Vec<Change<T>> {
        let unnamed = self.names.iter();
        let unnamed = unnamed.filter(|(_, held)| held.round != self.round);
        let gone: Vec<(Box<str>, u64)> = unnamed
            .map(|(name, held)| (name.clone(), held.version))
            .collect();
        let much = !gone.is_empty() && gone.len() * 2 >= self.names.len();
        if self.listed && much && !self.doubted {
            self.doubted = true;
            let (gone, all) = (gone.len(), self.names.len());
            let why = format!("{gone} of {all} were not in the list, which is asked for again");
            self.list_again(&why, now);
            return Vec::new();
        }
        for (name, _) in &gone {
            self.names.remove(name);
        }
        self.highest = number(&version);
        self.next = Next::Watch { version };
        (self.listed, self.doubted) = (true, false);
        self.is_well();
        let gone = gone.into_iter();
        gone.map(|(name, version)| Change::Gone { name, version })
            .collect()
    }

    /// The server has ended its answer in good order, as it does when a watch's time is up.
    fn ended(&mut self, now: Instant) {
        let Doing::Hearing { since, .. } = self.doing else {
            return;
        };
        if self.is_listing() {
            let early = Trouble::new(Why::Broken, "the list ended before it was complete");
            self.interrupt(early, now);
        } else if now < since + STEADY {
            self.interrupt(Trouble::new(Why::Broken, "the watch ended at once"), now);
        } else {
            self.failures = 0;
            let ended = || (now, "the watch has ended".to_owned());
            self.trouble.get_or_insert_with(ended);
            self.doing = Doing::Resting { until: now };
        }
    }

    fn interrupt(&mut self, trouble: Trouble, now: Instant) {
        if let Doing::Hearing { since, .. } = self.doing
            && !self.is_listing()
            && now >= since + STEADY
        {
            self.failures = 0;
        }
        let refused = trouble.why == Why::NoStreaming && self.streaming == Streaming::Possible;
        if refused && self.is_listing() {
            self.streaming = Streaming::Refused;
            self.doing = Doing::Resting { until: now };
            return;
        }
        // Who refuses what was allowed may only just have started, too.
        let from_anew = matches!(trouble.why, Why::Expired | Why::Denied | Why::Starting);
        if from_anew || self.is_listing() {
            if trouble.why == Why::Expired && matches!(self.next, Next::List { after: Some(_) }) {
                self.paging = Paging::Expired;
            }
            self.next = Next::List { after: None };
        }
        // The pauses while nobody answered have grown; whoever is back is asked anew.
        let answers = trouble.why != Why::Unreached || trouble.retry_after.is_some();
        if !answers {
            self.back = None;
        } else if self.unreached && self.back.is_none() {
            (self.failures, self.back) = (0, Some(now));
        }
        let starting = self.back.is_some_and(|back| now < back + STARTING);
        self.failures += 1;
        let mut pause = match trouble.why {
            Why::Denied if !starting => pace::denied(&mut self.dice),
            _ => pace::pause(self.failures, &mut self.dice),
        };
        if let Some(least) = trouble.retry_after {
            pause = pause.max(pace::told(least, &mut self.dice));
        }
        let since = self.trouble.as_ref().map_or(now, |(since, _)| *since);
        self.unreached |= trouble.why == Why::Unreached;
        self.trouble = Some((since, trouble.text));
        self.doing = Doing::Resting { until: now + pause };
    }
}

/// A version as a number, zero if it is none.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}
