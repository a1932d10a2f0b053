//! When which report is due: not before what it says has stood for a while, not twice, not too many
//! at once, and later each time one fails. Pure: time is an argument.

use super::{Mark, Report};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// After the first failure of a report; doubled by each further one,
const RETRY_FIRST: Duration = Duration::from_secs(10);
/// as far as this.
const RETRY_LAST: Duration = Duration::from_secs(600);
/// What was not so for so long is forgotten: an event is by then, too.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Something that is to be said while it is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What.
    pub report: Report,
    /// Another value is worth being said anew.
    pub print: u64,
    /// How long it must have been so.
    pub settle: Duration,
    /// What comes after it was said.
    pub repeat: Repeat,
}

/// When something that was said is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Never.
    Never,
    /// While it stays so.
    Every {
        /// So often.
        period: Duration,
        /// Where it was not so meanwhile or is another now, not before so long.
        pause: Duration,
    },
}

/// What was said, and what is to be.
#[derive(Clone, Debug)]
pub struct Ledger {
    entries: BTreeMap<Mark, Entry>,
    events: Bucket,
    conditions: Bucket,
}

#[derive(Clone, Debug)]
struct Entry {
    item: Item,
    said: Option<Instant>,
    due: Option<Instant>,
    /// Since when it is not so any more.
    gone: Option<Instant>,
    failures: u32,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Say this.
    Say(Report),
    /// Nothing before then; `None` where nothing is to be said at all.
    Wait(Option<Instant>),
}

impl Ledger {
    /// A ledger with nothing in it.
    pub fn new(now: Instant) -> Self {
        Ledger {
            entries: BTreeMap::new(),
            events: Bucket::new(10, Duration::from_secs(60), now),
            conditions: Bucket::new(50, Duration::from_secs(1), now),
        }
    }

    /// This is so now, and nothing else.
    pub fn want(&mut self, items: Vec<Item>, now: Instant) {
        let mut items: BTreeMap<Mark, Item> = items
            .into_iter()
            .map(|item| (item.report.mark(), item))
            .collect();
        self.entries.retain(|mark, entry| {
            match items.remove(mark) {
                Some(item) => entry.stays(item, now),
                None => entry.goes(now),
            }
            entry.gone.is_none_or(|gone| now < gone + FORGOTTEN)
        });
        let new = items.into_iter().map(|(mark, item)| {
            let entry = Entry {
                due: Some(now + item.settle),
                item,
                said: None,
                gone: None,
                failures: 0,
            };
            (mark, entry)
        });
        self.entries.extend(new);
    }

    /// What is due first.
    pub fn next(&self, now: Instant) -> Next {
        let due = self.entries.values().filter_map(|entry| {
            let allowed = self.bucket(&entry.item.report).allows();
            Some((entry.due?.max(allowed), entry))
        });
        match due.min_by_key(|(due, _)| *due) {
            Some((due, entry)) if due <= now => Next::Say(entry.item.report.clone()),
            due => Next::Wait(due.map(|(due, _)| due)),
        }
    }

    /// It was said, or not. Says how often in a row it was not.
    pub fn said<E>(&mut self, report: &Report, outcome: &Result<(), E>, now: Instant) -> u32 {
        match report {
            Report::Event(_) => self.events.take(now),
            Report::Accepted(..) | Report::NetworkAvailable(_) => self.conditions.take(now),
        }
        let Some(entry) = self.entries.get_mut(&report.mark()) else {
            return 0;
        };
        match outcome {
            Ok(()) => entry.was_said(now),
            Err(_) => entry.failed(now),
        }
        entry.failures
    }

    fn bucket(&self, report: &Report) -> &Bucket {
        match report {
            Report::Event(_) => &self.events,
            Report::Accepted(..) | Report::NetworkAvailable(_) => &self.conditions,
        }
    }
}

impl Entry {
    fn stays(&mut self, item: Item, now: Instant) {
        let is_back = self.gone.take().is_some();
        if is_back || item.print != self.item.print {
            self.due = self.again(&item, now);
            self.failures = 0;
        }
        self.item = item;
    }

    /// When to say what is another now, or is so again.
    fn again(&self, item: &Item, now: Instant) -> Option<Instant> {
        let settled = now + item.settle;
        match (item.repeat, self.said) {
            (_, None) => Some(settled),
            (Repeat::Never, Some(_)) => None,
            (Repeat::Every { pause, .. }, Some(said)) => Some(settled.max(said + pause)),
        }
    }

    fn goes(&mut self, now: Instant) {
        self.gone.get_or_insert(now);
        self.due = None;
    }

    fn was_said(&mut self, now: Instant) {
        self.said = Some(now);
        self.failures = 0;
        self.due = match self.item.repeat {
            Repeat::Never => None,
            Repeat::Every { period, .. } => Some(now + period),
        };
    }

    fn failed(&mut self, now: Instant) {
        let pause = RETRY_FIRST.saturating_mul(1 << self.failures.min(8));
        self.failures += 1;
        self.due = Some(now + pause.min(RETRY_LAST));
    }
}

/// So many at once, and one more every so often.
#[derive(Clone, Debug)]
struct Bucket {
    interval: Duration,
    /// How far ahead of the clock it may be.
    ahead: Duration,
    /// When it is full again.
    full: Instant,
}

impl Bucket {
    fn new(burst: u32, interval: Duration, now: Instant) -> Self {
        Bucket {
            interval,
            ahead: interval * burst.saturating_sub(1),
            full: now,
        }
    }

    /// From when on one may be taken.
    fn allows(&self) -> Instant {
        self.full.checked_sub(self.ahead).unwrap_or(self.full)
    }

    fn take(&mut self, now: Instant) {
        self.full = self.full.max(now) + self.interval;
    }
}
