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
            provenance: path.provenance,
        }
    }
}

impl Filter {
    /// What becomes of `subject`. [`Decision::Change`] always differs from what came.
    pub fn decide(&self, subject: &Subject<'_>) -> Decision {
        self.judge(subject).1
    }

    /// The last rule that matched on the way to the decision, and the decision.
    pub(super) fn judge(&self, subject: &Subject<'_>) -> (Option<&Rule>, Decision) {
        let (rule, decision) = self.judge_alone(subject);
        let Some(next) = &self.next else {
            return (rule, decision);
        };
        let attributes = match &decision {
            Decision::Reject(_) => return (rule, decision),
            Decision::Accept => subject.attributes,
            Decision::Change(changed) => changed,
        };
        let (last, then) = next.judge(&Subject {
            attributes,
            ..*subject
        });
        let decision = match then {
            Decision::Accept => decision,
            Decision::Change(changed) if *changed == *subject.attributes => Decision::Accept,
            then => then,
        };
        (last.or(rule), decision)
    }

    fn judge_alone(&self, subject: &Subject<'_>) -> (Option<&Rule>, Decision) {
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
