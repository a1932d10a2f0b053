//! What the members of a group are told of each path (Adj-RIB-Out), and what they are to be told next.

use super::log::News;
use crate::attributes::Interned;
use crate::{Nlri, PeerId};
use gingham_model::Prefix;
use std::collections::BTreeMap;

/// A path to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As members see it.
    pub(super) attributes: Interned,
    /// The peer it is from, which is not told.
    pub(super) source: PeerId,
    /// That peer's number of it.
    pub(super) source_path_id: u32,
}

/// A path that is told; with its key in the table 48 octets.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) path: Wanted,
    /// The flush that said so.
    pub(super) flush: u64,
}

/// How the numbers of paths are given to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// One path per prefix, number 0.
    Plain,
    /// Small numbers from 1 on, each path's own while it is told (RFC 7911).
    AddPath,
}

/// What is told, what was, and what has yet to be.
#[derive(Debug, Default)]
pub(super) struct Table {
    told: BTreeMap<Nlri, Told>,
    /// Not told any more since these flushes; for members who may not know.
    gone: BTreeMap<Nlri, u64>,
    /// All that is to be told of these prefixes.
    queue: BTreeMap<Prefix, Vec<(Nlri, Wanted)>>,
}

/// What one flush tells.
#[derive(Debug)]
pub(super) struct Changes {
    /// New or different paths.
    pub(super) announced: Vec<(Nlri, Wanted)>,
    /// Paths that are not told any more, and whose they were.
    pub(super) withdrawn: Vec<(Nlri, PeerId)>,
    /// These peers were told of a path that gave way to their own.
    pub(super) given_way: Vec<(PeerId, Nlri)>,
    /// Whether that takes back anything told before.
    pub(super) news: News,
}

impl Changes {
    /// Nothing to tell.
    pub(super) fn none() -> Self {
        Changes {
            announced: Vec::new(),
            withdrawn: Vec::new(),
            given_way: Vec::new(),
            news: News::Adds,
        }
    }
}

impl Table {
    /// Queues what is to be told of a prefix; nothing if that is what is told.
    pub(super) fn offer(&mut self, prefix: Prefix, paths: Vec<Wanted>, numbering: Numbering) {
        let told: Vec<(Nlri, &Wanted)> = self.of(prefix).collect();
        let paths = numbered(prefix, paths, (&told, numbering));
        let same = told.len() == paths.len()
            && told.iter().all(|(nlri, told)| {
                paths
                    .iter()
                    .any(|(other, path)| other == nlri && path == *told)
            });
        if same {
            self.queue.remove(&prefix);
        } else {
            self.queue.insert(prefix, paths);
        }
    }

    /// What is told of a prefix, by path number.
    fn of(&self, prefix: Prefix) -> impl Iterator<Item = (Nlri, &Wanted)> {
        let number = |path_id| Nlri { prefix, path_id };
        self.told
            .range(number(0)..=number(u32::MAX))
            .map(|(nlri, told)| (*nlri, &told.path))
    }

    pub(super) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes what is queued for told, by this flush.
    pub(super) fn settle(&mut self, flush: u64) -> Changes {
        let mut changes = Changes::none();
        for (prefix, paths) in std::mem::take(&mut self.queue) {
            let old: Vec<(Nlri, PeerId)> = self
                .of(prefix)
                .filter(|(nlri, _)| paths.iter().all(|(kept, _)| kept != nlri))
                .map(|(nlri, path)| (nlri, path.source))
                .collect();
            for (nlri, source) in old {
                self.retract(nlri, flush);
                changes.withdrawn.push((nlri, source));
                changes.news = News::Supersedes;
            }
            for (nlri, path) in paths {
                self.tell(nlri, path, (flush, &mut changes));
            }
        }
        changes
    }

    fn tell(&mut self, nlri: Nlri, path: Wanted, (flush, changes): (u64, &mut Changes)) {
        let entry = Told {
            path: path.clone(),
            flush,
        };
        if self.told.get(&nlri).is_some_and(|told| told.path == path) {
            return;
        }
        self.gone.remove(&nlri);
        if let Some(before) = self.told.insert(nlri, entry) {
            changes.news = News::Supersedes;
            if before.path.source != path.source {
                changes.given_way.push((path.source, nlri));
            }
        }
        changes.announced.push((nlri, path));
    }

    /// Takes a path for gone since this flush.
    pub(super) fn retract(&mut self, nlri: Nlri, flush: u64) {
        self.told.remove(&nlri);
        self.gone.insert(nlri, flush);
    }

    /// Takes these for gone since this flush, where they are not told.
    pub(super) fn add_gone(&mut self, paths: impl Iterator<Item = Nlri>, flush: u64) {
        let untold = paths.filter(|nlri| !self.told.contains_key(nlri));
        self.gone.extend(untold.map(|nlri| (nlri, flush)));
    }

    /// All that a member may know of.
    pub(super) fn known(&self) -> impl Iterator<Item = Nlri> {
        self.told.keys().chain(self.gone.keys()).copied()
    }

    /// All that is told, sorted.
    pub(super) fn told(&self) -> impl Iterator<Item = (Nlri, &Told)> {
        self.told.iter().map(|(nlri, told)| (*nlri, told))
    }

    /// How many paths are told.
    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    /// What is not told any more since this flush or later.
    pub(super) fn gone_since(&self, flush: u64) -> impl Iterator<Item = Nlri> {
        let late = move |(nlri, gone): (&Nlri, &u64)| (*gone >= flush).then_some(*nlri);
        self.gone.iter().filter_map(late)
    }

    /// How many paths are remembered for members who may not know that they are gone.
    pub(super) fn gone(&self) -> usize {
        self.gone.len()
    }

    /// Forgets what went before this flush: every member knows.
    pub(super) fn forget_before(&mut self, flush: u64) {
        self.gone.retain(|_, gone| *gone >= flush);
    }
}

/// Gives each path the number it is told by, or else the least that no path has.
fn numbered(
    prefix: Prefix,
    paths: Vec<Wanted>,
    (told, numbering): (&[(Nlri, &Wanted)], Numbering),
) -> Vec<(Nlri, Wanted)> {
    if numbering == Numbering::Plain {
        let plain = paths.into_iter().take(1);
        return plain.map(|path| (Nlri::plain(prefix), path)).collect();
    }
    let mut free = (1..).filter(|id| told.iter().all(|(nlri, _)| nlri.path_id != *id));
    let number = |path: &Wanted| {
        let same = |(_, old): &&(Nlri, &Wanted)| {
            old.source == path.source && old.source_path_id == path.source_path_id
        };
        let known = told.iter().find(same).map(|(nlri, _)| nlri.path_id);
        known.or_else(|| free.next()).unwrap_or(u32::MAX)
    };
    let mut number = number;
    let numbered = paths.into_iter().map(|path| {
        let path_id = number(&path);
        (Nlri { prefix, path_id }, path)
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_told_takes_little_memory() {
        // A node of the tree is at least half full.
        assert!(size_of::<(Nlri, Told)>() <= 48);
    }
}
