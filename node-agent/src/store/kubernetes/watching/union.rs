//! The selections that together are what is known of a kind. Pure.
//!
//! An object may be in several selections. It is gone when it is in none of them any more, and the
//! newest version that any of them has told is the one that counts. A selection that is no longer
//! wanted is heard until those that replace it are listed: until then it knows better than nothing.

use super::heard::{Ask, Change, Heard};
use super::listing::{Listing, Standing};
use super::pace::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A break of less than this is an ordinary one, and nobody's concern.
const ORDINARY: Duration = Duration::from_secs(10);
/// The same before the first list: until then everybody waits.
const ORDINARY_AT_FIRST: Duration = Duration::from_secs(3);

/// Which objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// For the eye, such as `blocks of zone z1`; empty for all there are.
    pub what: String,
    /// A field selector.
    pub fields: Option<String>,
    /// A label selector.
    pub labels: Option<String>,
}

impl Selector {
    fn about(&self, why: &str) -> String {
        match self.what.as_str() {
            "" => why.to_owned(),
            what => format!("{what}: {why}"),
        }
    }
}

/// Whether all that is wanted is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet.
    Pending,
    /// All of it, and changes as they happen.
    Synced,
    /// Not now, for this reason.
    Failed(String),
}

/// The selections of one kind.
#[derive(Debug)]
pub struct Union {
    parts: BTreeMap<Arc<Selector>, Part>,
    /// Why the selections are not all there should be.
    lacking: Option<String>,
    told: Verdict,
    synced: bool,
    dice: Dice,
}

#[derive(Debug)]
struct Part {
    listing: Listing,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Wanted,
    /// Until those that replace it are listed.
    Leaving,
}

impl Union {
    /// No selection yet.
    pub fn new(seed: u64) -> Self {
        Union {
            parts: BTreeMap::new(),
            lacking: None,
            told: Verdict::Pending,
            synced: false,
            dice: Dice::new(seed),
        }
    }

    /// From now on these selections are wanted, and no others. `lacking` says why that is not all.
    pub fn want<T>(
        &mut self,
        wanted: BTreeSet<Selector>,
        lacking: Option<String>,
        now: Instant,
    ) -> Vec<Change<T>> {
        self.lacking = lacking;
        for (selector, part) in &mut self.parts {
            part.role = if wanted.contains(&**selector) {
                Role::Wanted
            } else {
                Role::Leaving
            };
        }
        for selector in wanted {
            let dice = &mut self.dice;
            self.parts
                .entry(Arc::new(selector))
                .or_insert_with(|| Part {
                    listing: Listing::new(now, dice.split()),
                    role: Role::Wanted,
                });
        }
        self.retire()
    }

    /// What is to be asked now: of which selection, and under which number.
    pub fn asks(&mut self, now: Instant) -> Vec<(Arc<Selector>, u64, Ask)> {
        let parts = self.parts.iter_mut();
        let asks = parts.filter_map(|(selector, part)| {
            let ask = part.listing.ask(now)?;
            Some((Arc::clone(selector), part.listing.serial()?, ask))
        });
        asks.collect()
    }

    /// Whether the answers to that request still count.
    pub fn counts(&self, selector: &Selector, serial: u64) -> bool {
        let part = self.parts.get(selector);
        part.is_some_and(|part| part.listing.serial() == Some(serial))
    }

    /// When [`Union::asks`] or [`Union::tick`] has something to do next; `None` without a selection.
    pub fn next(&self) -> Option<Instant> {
        let due = self.parts.values().map(|part| part.listing.next());
        let grown = self
            .wanted()
            .filter_map(|part| trouble(part.listing.standing()));
        let grown = grown.map(|(broken, _)| broken);
        let grown = grown.filter(|_| !matches!(self.told, Verdict::Failed(_)));
        due.chain(grown).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        let parts = self.parts.values_mut();
        parts.for_each(|part| part.listing.tick(now));
    }

    /// Takes in what was heard of a request.
    pub fn hear<T>(
        &mut self,
        (selector, serial): (&Selector, u64),
        heard: Heard<T>,
        now: Instant,
    ) -> Vec<Change<T>> {
        if !self.counts(selector, serial) {
            return Vec::new();
        }
        let Some(part) = self.parts.get_mut(selector) else {
            return Vec::new();
        };
        let changes = part.listing.hear(heard, now);
        let mut told = Vec::new();
        for change in changes {
            told.extend(self.judge(selector, change, now));
        }
        told.extend(self.retire());
        told
    }

    /// Whether all that is wanted is known, if that is not what was said last.
    pub fn news(&mut self, now: Instant) -> Option<Verdict> {
        let verdict = self.verdict(now);
        if verdict == self.told {
            return None;
        }
        self.synced |= verdict == Verdict::Synced;
        self.told = verdict.clone();
        Some(verdict)
    }

    fn verdict(&self, now: Instant) -> Verdict {
        let was_failed = matches!(self.told, Verdict::Failed(_));
        let mut unlisted = self.lacking.clone();
        for (selector, part) in &self.parts {
            if part.role == Role::Leaving {
                continue;
            }
            let standing = part.listing.standing();
            if let Some((broken, why)) = trouble(standing)
                && (was_failed || now >= broken)
            {
                return Verdict::Failed(selector.about(why));
            }
            if let Standing::Unlisted(_) = standing {
                unlisted.get_or_insert_with(|| selector.about("not listed yet"));
            }
        }
        match unlisted {
            Some(why) if self.synced => Verdict::Failed(why),
            Some(_) => Verdict::Pending,
            None => Verdict::Synced,
        }
    }

    /// What a change in one selection is in all of them.
    fn judge<T>(
        &mut self,
        selector: &Selector,
        change: Change<T>,
        now: Instant,
    ) -> Option<Change<T>> {
        let (Change::Is { name, version, .. } | Change::Gone { name, version }) = &change;
        let others = self
            .others(selector)
            .filter_map(|part| part.listing.version(name));
        let newest = others.max();
        match change {
            // Another selection has told a newer one.
            Change::Is { version, .. } if newest.is_some_and(|newest| newest > version) => {
                (version == 0).then_some(change)
            }
            Change::Is { .. } => Some(change),
            Change::Gone { .. } if newest.is_none() => Some(change),
            Change::Gone { .. } => {
                // What was told came from here, and what the others have is older.
                if newest.is_some_and(|newest| newest < *version) {
                    let why = format!("{name}: the selections disagree");
                    self.list_again_where(name, &why, now);
                }
                None
            }
        }
    }

    fn list_again_where(&mut self, name: &str, why: &str, now: Instant) {
        let parts = self.parts.values_mut().map(|part| &mut part.listing);
        for listing in parts.filter(|listing| listing.version(name).is_some()) {
            listing.list_again(why, now);
        }
    }

    fn others(&self, selector: &Selector) -> impl Iterator<Item = &Part> {
        let others = self
            .parts
            .iter()
            .filter(move |(other, _)| ***other != *selector);
        others.map(|(_, part)| part)
    }

    fn wanted(&self) -> impl Iterator<Item = &Part> {
        let parts = self.parts.values();
        parts.filter(|part| part.role == Role::Wanted)
    }

    /// Lets go of the selections that have been replaced, and of those never listed.
    fn retire<T>(&mut self) -> Vec<Change<T>> {
        let is_unlisted = |part: &Part| matches!(part.listing.standing(), Standing::Unlisted(_));
        let replaced = self.lacking.is_none() && !self.wanted().any(is_unlisted);
        let leaving = self.parts.extract_if(.., |_, part| {
            part.role == Role::Leaving && (replaced || is_unlisted(part))
        });
        let leaving: Vec<Part> = leaving.map(|(_, part)| part).collect();
        let mut gone = Vec::new();
        for name in leaving.iter().flat_map(|part| part.listing.names()) {
            let stays = self
                .parts
                .values()
                .any(|part| part.listing.version(name).is_some());
            if !stays {
                gone.push(Change::Gone {
                    name: name.into(),
                    version: 0,
                });
            }
        }
        gone
    }
}

/// When a break is no ordinary one any more, and why it came about.
fn trouble(standing: Standing<'_>) -> Option<(Instant, &str)> {
    match standing {
        Standing::Interrupted(since, why) => Some((since + ORDINARY, why)),
        Standing::Unlisted(Some((since, why))) => Some((since + ORDINARY_AT_FIRST, why)),
        Standing::Unlisted(None) | Standing::Whole => None,
    }
}
