//! What actions make of attributes. Lists stay sorted and free of duplicates.

use super::Action;
use crate::attributes::Attributes;

impl Action {
    /// The attributes after this action.
    pub(super) fn apply(&self, mut attributes: Attributes) -> Attributes {
        match *self {
            Action::AddCommunity(one) => return attributes.with_community(one),
            Action::AddLargeCommunity(one) => insert(&mut attributes.large_communities, one),
            Action::RemoveCommunity(one) => remove(&mut attributes.communities, one),
            Action::SetLocalPref(value) => attributes.local_pref = Some(value),
            Action::SetMed(value) => attributes.med = Some(value),
            Action::Prepend { asn, count } => {
                attributes.as_path = attributes.as_path.prepended(asn, usize::from(count));
            }
        }
        attributes
    }
}

fn insert<T: Ord>(sorted: &mut Box<[T]>, one: T) {
    if let Err(at) = sorted.binary_search(&one) {
        let mut list = std::mem::take(sorted).into_vec();
        list.insert(at, one);
        *sorted = list.into_boxed_slice();
    }
}

fn remove<T: Ord>(sorted: &mut Box<[T]>, one: T) {
    if let Ok(at) = sorted.binary_search(&one) {
        let mut list = std::mem::take(sorted).into_vec();
        list.remove(at);
        *sorted = list.into_boxed_slice();
    }
}
