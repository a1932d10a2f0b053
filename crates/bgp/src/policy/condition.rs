//! Whether a path meets the conditions of a rule.

use super::{AsPathMatch, PrefixRange, Rule, Subject};
use crate::attributes::AsPath;
use gingham_model::Prefix;
use std::ops::RangeInclusive;

impl Rule {
    /// Whether every condition holds; one that lists nothing holds for any path.
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        let attributes = subject.attributes;
        let large = &attributes.large_communities;
        any(&self.prefixes, |range| range.contains(subject.nlri.prefix))
            && any(&self.origin_nodes, |node| subject.origin_node == Some(node))
            && any(&self.provenance, |one| *one == subject.provenance)
            && any(&self.communities, |one| attributes.has(*one))
            && any(&self.large_communities, |one| {
                large.binary_search(one).is_ok()
            })
            && any(&self.next_hops, |range| range.contains(attributes.next_hop))
            && self.as_path.matches(&attributes.as_path)
    }
}

impl PrefixRange {
    /// Whether `prefix` lies inside and has one of the lengths.
    pub fn contains(&self, prefix: Prefix) -> bool {
        self.lengths().contains(&prefix.length()) && self.prefix.covers(prefix)
    }

    /// The lengths it takes, told or not.
    pub(crate) fn lengths(&self) -> RangeInclusive<u8> {
        let own = self.prefix.length();
        let longest = match self.min_length {
            Some(_) => self.prefix.family().bits(),
            None => own,
        };
        self.min_length.unwrap_or(own)..=self.max_length.unwrap_or(longest)
    }
}

impl AsPathMatch {
    fn matches(&self, path: &AsPath) -> bool {
        let begins = path.numbers().take(self.starts_with.len());
        begins.eq(self.starts_with.iter().copied())
            && self.origin.is_none_or(|asn| path.origin() == Some(asn))
            && self
                .contains
                .is_none_or(|asn| path.numbers().any(|one| one == asn))
            && self.max_hops.is_none_or(|most| path.hops() <= most)
    }
}

fn any<T>(list: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}
