//! One allocation per distinct set of attributes.

use super::Attributes;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A set of attributes out of one [`Interner`]: equal sets are the same allocation, so that comparing
/// and hashing look at the address alone.
#[derive(Clone, Debug)]
pub struct Interned(Arc<Attributes>);

impl Deref for Interned {
    type Target = Attributes;

    fn deref(&self) -> &Attributes {
        &self.0
    }
}

impl PartialEq for Interned {
    fn eq(&self, other: &Interned) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Interned {}

impl Hash for Interned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Keeps every set in use once. Sets nobody uses any more go when the table would grow.
#[derive(Debug, Default)]
pub struct Interner {
    sets: HashSet<Arc<Attributes>>,
}

impl Interner {
    /// The shared form of `attributes`.
    pub fn intern(&mut self, attributes: Attributes) -> Interned {
        if let Some(known) = self.sets.get(&attributes) {
            return Interned(Arc::clone(known));
        }
        if self.sets.len() == self.sets.capacity() {
            self.sets.retain(|set| Arc::strong_count(set) > 1);
        }
        let shared = Arc::new(attributes);
        self.sets.insert(Arc::clone(&shared));
        Interned(shared)
    }

    /// How many distinct sets are in use.
    pub fn len(&self) -> usize {
        self.sets
            .iter()
            .filter(|set| Arc::strong_count(set) > 1)
            .count()
    }

    /// Whether no set is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn via(last: u8) -> Attributes {
        Attributes::originated(Ipv4Addr::new(10, 0, 0, last).into())
    }

    #[test]
    fn equal_sets_are_one_and_unused_ones_go() {
        let mut interner = Interner::default();
        let first = interner.intern(via(1));
        assert_eq!(first, interner.intern(via(1)));
        assert_ne!(first, interner.intern(via(2)));
        assert_eq!(interner.len(), 1, "the second was not kept by anybody");
        let kept: Vec<Interned> = (0..200).map(|last| interner.intern(via(last))).collect();
        assert_eq!(interner.len(), 200);
        drop(kept);
        assert_eq!(interner.len(), 1);
    }
}
