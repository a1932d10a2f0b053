//! Where the cluster's objects live, as the agent sees it: a stream of events and an atomic claim.
//!
//! A store says what is so; it never decides. Whatever it says twice, or late, does no harm: the
//! index it feeds keeps the last word on each name.

mod directory;
mod scan;
mod watch;

pub use directory::Directory;
pub use watch::DirWatch;

use crate::manifest::Parsed;
use crate::objects::{Kind, Refusal};
use gingham_model::Block;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a store says of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The object is so now.
    Apply(Box<Parsed>),
    /// There is no object of that name any more.
    Delete(Kind, String),
    /// There is one, but it cannot be taken; its last valid version stays in force.
    Refused(Refusal),
    /// Everything the store holds of this kind has been said.
    Synced(Kind),
    /// The list of this kind cannot be read now: what was said stays, and nothing may be concluded
    /// from what was not.
    Failed(Kind, String),
}

/// How a claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The block is ours: created now, or before.
    Ours,
    /// Somebody else holds it.
    Taken(Block),
}

/// How giving a block back ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// Its object is deleted.
    Done,
    /// There was none any more.
    Gone,
    /// It stays, for this reason: it is no longer what the caller knew.
    Kept(String),
}

/// What was asked of the store and could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation and its file.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What is there cannot be read as a Block.
    #[error("{0}")]
    Invalid(String),
    /// The block is no longer ours to change.
    #[error("Block {name} is in the hands of node {node} now")]
    Lost {
        /// Its name.
        name: String,
        /// Who holds it.
        node: String,
    },
    /// No answer in time.
    #[error("{what}: no answer within {limit:?}")]
    Timeout {
        /// The operation and its object.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

impl StoreError {
    /// Whether there is no such object.
    pub fn is_missing(&self) -> bool {
        matches!(self, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// A source of cluster objects, and the place where blocks are claimed.
pub trait Store: Send + Sync + 'static {
    /// Sends events in batches for as long as somebody listens. A batch is what was found at one
    /// time; `Synced` follows the objects it speaks of.
    fn watch(
        &self,
        events: mpsc::Sender<Vec<Event>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// Creates the Block object, atomically: of two nodes that want the same block one is told
    /// [`Claim::Ours`]. Asking again for what one holds is [`Claim::Ours`] too.
    fn claim(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send + 'static;

    /// Rewrites the `spec` of a Block of the same node. Fields this version does not know stay.
    fn update(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// Deletes the Block object, if it still is of the same node and `nodeUID`, and Draining.
    fn release(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static;
}
