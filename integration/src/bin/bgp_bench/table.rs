//! A set of prefixes, one bit each, that knows how many it holds.

use std::ops::Range;

const BITS: usize = u64::BITS as usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    words: Vec<u64>,
    count: usize,
}

impl Table {
    /// An empty one for prefixes below `room`.
    pub(crate) fn new(room: usize) -> Self {
        Table {
            words: vec![0; room.div_ceil(BITS)],
            count: 0,
        }
    }

    /// Whether there is room for it; it is in then.
    pub(crate) fn insert(&mut self, prefix: usize) -> bool {
        let Some(word) = self.words.get_mut(prefix / BITS) else {
            return false;
        };
        let bit = 1 << (prefix % BITS);
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
        true
    }

    pub(crate) fn remove(&mut self, prefix: usize) {
        if let Some(word) = self.words.get_mut(prefix / BITS) {
            let bit = 1 << (prefix % BITS);
            self.count -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    pub(crate) fn contains(&self, prefix: usize) -> bool {
        let word = self.words.get(prefix / BITS).copied().unwrap_or_default();
        word & (1 << (prefix % BITS)) != 0
    }

    /// How many it holds.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Those it holds of some.
    pub(crate) fn among(&self, prefixes: Range<usize>) -> impl Iterator<Item = usize> {
        prefixes.filter(|prefix| self.contains(*prefix))
    }

    /// A copy without some.
    pub(crate) fn without(&self, prefixes: Range<usize>) -> Self {
        let mut rest = self.clone();
        prefixes.for_each(|prefix| rest.remove(prefix));
        rest
    }

    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_each_once() {
        let mut table = Table::new(100);
        assert!(table.insert(99) && table.insert(99) && table.insert(3));
        assert!(!table.insert(128));
        assert_eq!(table.count(), 2);
        assert_eq!(table.among(0..100).collect::<Vec<_>>(), [3, 99]);
        table.remove(7);
        table.remove(3);
        assert_eq!(table.count(), 1);
        assert_eq!(table.without(50..100), Table::new(100));
        table.clear();
        assert_eq!(table, Table::new(100));
    }
}
