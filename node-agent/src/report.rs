//! What is worth saying about objects where operators look for it: conditions and events. Pure.
//!
//! ```text
//!   Known ──wanted──► Mark, Item ──Ledger──► Report, when it is due ──► store
//! ```

mod judged;
mod ledger;
mod wanted;

pub use judged::Judged;
pub use ledger::{Item, Ledger, Next, Repeat};
pub use wanted::{Seat, wanted};

use crate::objects::Kind;
use gingham_model::NodeName;
use std::fmt;

/// An object something is said about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    /// Its kind.
    pub kind: Kind,
    /// Its `metadata.name`.
    pub name: String,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Something to be said about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Whether it is in force: its condition `Accepted`.
    Accepted(About, Verdict),
    /// Something an operator must know: an event.
    Event(Notice),
    /// The network of this node works: condition `NetworkUnavailable` of its Node is not so.
    NetworkAvailable(NodeName),
}

/// Whether an object is in force, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// In one word.
    pub reason: Reason,
    /// In words for people: field, value, rule.
    pub message: String,
}

/// Why an object is in force or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is.
    Valid,
    /// A field does not hold.
    Invalid,
    /// It has addresses of another object.
    Overlaps,
    /// It names an object that is not there.
    Dangling,
}

impl Reason {
    /// As a condition has it.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Valid => "Valid",
            Reason::Invalid => "Invalid",
            Reason::Overlaps => "Overlaps",
            Reason::Dangling => "Dangling",
        }
    }

    /// Whether it is in force.
    pub fn is_accepted(self) -> bool {
        self == Reason::Valid
    }
}

/// Something an operator must know of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object.
    pub about: About,
    /// In one word.
    pub reason: &'static str,
    /// What makes another notice of this reason the same one, however its words differ.
    pub same: String,
    /// In words for people.
    pub note: String,
}

/// What makes something to be said the same as before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The object.
    pub about: About,
    /// What is said of it.
    pub what: String,
}

impl Report {
    /// What makes another one the same.
    pub fn mark(&self) -> Mark {
        match self {
            Report::Accepted(about, _) => Mark {
                about: about.clone(),
                what: "Accepted".to_owned(),
            },
            Report::Event(notice) => Mark {
                about: notice.about.clone(),
                what: format!("{} {}", notice.reason, notice.same),
            },
            Report::NetworkAvailable(node) => Mark {
                about: About {
                    kind: Kind::Node,
                    name: node.to_string(),
                },
                what: "NetworkAvailable".to_owned(),
            },
        }
    }
}
