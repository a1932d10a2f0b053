//! Whether an object that all agents read is in force. Pure.

use super::{About, Reason, Verdict};
use std::hash::{DefaultHasher, Hash, Hasher};

/// An object, and whether it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The object.
    pub about: About,
    /// Whether it is in force.
    pub verdict: Verdict,
    /// Another number is another version of the object, or another verdict.
    pub print: u64,
}

impl Judged {
    /// An object that is in force as far as it is known, `object`, or by what was found against it.
    pub(crate) fn new<T: std::fmt::Debug>(
        about: About,
        object: Option<&T>,
        against: Option<(Reason, &str)>,
    ) -> Self {
        let verdict = match (against, object) {
            (None, _) => Verdict {
                reason: Reason::Valid,
                message: "in force".to_owned(),
            },
            (Some((reason @ Reason::Invalid, why)), Some(_)) => Verdict {
                reason,
                message: format!("{why}; the last valid version is in force"),
            },
            (Some((reason, why)), _) => Verdict {
                reason,
                message: why.to_owned(),
            },
        };
        let mut hasher = DefaultHasher::new();
        format!("{object:?}").hash(&mut hasher);
        verdict.hash(&mut hasher);
        Judged {
            about,
            verdict,
            print: hasher.finish(),
        }
    }
}
