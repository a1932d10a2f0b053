//! What is worth saying about an object where operators look for it. Pure.

use crate::objects::Kind;

/// Something to be said about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Whether the object is in force: its condition `Accepted`.
    Accepted {
        /// Its kind.
        kind: Kind,
        /// Its `metadata.name`.
        name: String,
    },
}
