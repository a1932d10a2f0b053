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

/// Keeps every set in use once. Sets nobody uses any more go whenever the number kept has doubled since
/// the last look at all of them: so few are kept in vain, and a set costs the same however many there are.
#[derive(Debug, Default)]
pub struct Interner {
    sets: HashSet<Arc<Attributes>>,
    in_use_at_sweep: usize,
}

/// So few sets are not worth a look which of them are in use.
const LEAST: usize = 64;

impl Interner {
    /// The shared form of `attributes`.
    pub fn intern(&mut self, attributes: Attributes) -> Interned {
        if let Some(known) = self.sets.get(&attributes) {
            return Interned(Arc::clone(known));
        }
        if self.sets.len() >= LEAST.max(2 * self.in_use_at_sweep) {
            self.sweep();
        }
        let shared = Arc::new(attributes);
        self.sets.insert(Arc::clone(&shared));
        Interned(shared)
    }

    /// Lets go of sets nobody uses. Happens by itself while sets are added; to be called when many paths
    /// went and few may come.
    pub fn sweep(&mut self) {
        self.sets.retain(|set| Arc::strong_count(set) > 1);
        self.in_use_at_sweep = self.sets.len();
        self.sets.shrink_to(2 * self.in_use_at_sweep);
    }

    /// How many distinct sets are in use. Looks at every one.
    pub fn len(&self) -> usize {
        let in_use = self.sets.iter().filter(|set| Arc::strong_count(set) > 1);
        in_use.count()
    }

    /// Whether no set is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
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
        interner.sweep();
        assert_eq!(interner.sets.len(), 1);
    }

    proptest! {
        #[test]
        fn equal_means_the_same_and_little_unused_is_kept(steps in sets_and_drops()) {
            let mut interner = Interner::default();
            let mut kept: Vec<Interned> = Vec::new();
            let mut most = 0;
            for (last, drops) in steps {
                let set = interner.intern(via(last));
                prop_assert_eq!(&*set, &via(last));
                for other in &kept {
                    prop_assert_eq!(*other == set, **other == *set);
                }
                kept.push(set);
                kept.drain(..drops.min(kept.len()));
                most = most.max(interner.len());
                prop_assert!(interner.sets.len() <= LEAST.max(2 * most) + 1);
            }
        }
    }

    fn sets_and_drops() -> impl Strategy<Value = Vec<(u8, usize)>> {
        proptest::collection::vec((any::<u8>(), 0..3usize), 0..400)
    }
}
