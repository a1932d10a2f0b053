//! The decision of a filter on one path.

use super::{Decision, Filter, Rule, Subject, Verdict};
use crate::Nlri;
use crate::rib::Path;
use gingham_model::Prefix;

impl<'a> Subject<'a> {
    /// A path of the RIB as an import filter sees it: with the attributes its peer sent, whatever
    /// import made of them.
    pub fn of(prefix: Prefix, path: &'a Path) -> Self {
        Subject {
            nlri: Nlri {
                prefix,
                path_id: path.path_id,
            },
            attributes: &path.received,
            peer: path.source.peer,
            origin_node: path.source.node.as_ref(),
        }
    }
}

impl Filter {
    /// What becomes of `subject`. [`Decision::Change`] always differs from what came.
    pub fn decide(&self, subject: &Subject<'_>) -> Decision {
        self.judge(subject).1
    }

    /// The first rule that matches, and what it leads to.
    pub(super) fn judge(&self, subject: &Subject<'_>) -> (Option<&Rule>, Decision) {
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(subject)) else {
            return match self.otherwise {
                Verdict::Accept => (None, Decision::Accept),
                Verdict::Reject => (None, Decision::Reject(None)),
            };
        };
        let decision = match rule.then {
            Verdict::Accept => rule.accept(subject),
            Verdict::Reject => Decision::Reject(Some(rule.name.clone())),
        };
        (Some(rule), decision)
    }
}

impl Rule {
    fn accept(&self, subject: &Subject<'_>) -> Decision {
        if self.actions.is_empty() {
            return Decision::Accept;
        }
        let start = subject.attributes.clone();
        let changed = self
            .actions
            .iter()
            .fold(start, |attributes, action| action.apply(attributes));
        if changed == *subject.attributes {
            Decision::Accept
        } else {
            Decision::Change(Box::new(changed))
        }
    }
}
