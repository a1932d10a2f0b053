//! A filter tried on paths that stay as they are.

use super::{Decision, Filter, Subject};
use crate::rib::Path;
use crate::{Nlri, PeerId};
use gingham_model::Prefix;

/// What a filter would do with one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Prefix and path number.
    pub nlri: Nlri,
    /// Whose path it is.
    pub peer: PeerId,
    /// The last rule that matched, of the filter and those behind it; `None` when none did.
    pub rule: Option<String>,
    /// What it decides.
    pub decision: Decision,
}

/// What `filter` would do with each of `paths` as an import filter, in their order. Paths that import
/// refused are judged like the others.
pub fn dry_run<'a>(filter: &Filter, paths: impl Iterator<Item = (Prefix, &'a Path)>) -> Vec<Trial> {
    let trial = |(prefix, path): (Prefix, &'a Path)| {
        let subject = Subject::of(prefix, path);
        let (rule, decision) = filter.judge(&subject);
        Trial {
            nlri: subject.nlri,
            peer: subject.peer,
            rule: rule.map(|rule| rule.name.clone()),
            decision,
        }
    };
    paths.map(trial).collect()
}
