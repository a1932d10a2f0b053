//! Where the cluster's objects live, as the agent sees it: a stream of events and an atomic claim.
//!
//! A store says what is so; it never decides. Whatever it says twice, or late, does no harm: the
//! index it feeds keeps the last word on each name.

mod custody;
mod directory;
pub mod kubernetes;
mod scan;
mod watch;

pub use directory::Directory;
pub use kubernetes::Kubernetes;
pub use watch::DirWatch;

use crate::bgp::keys::Keys;
use crate::manifest::Parsed;
use crate::objects::{Kind, Refusal};
use crate::report::Report;
use gingham_model::{Block, NodeName, Prefix, SecretName, Zone};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::{Duration, SystemTime};
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

impl Release {
    /// It stays, for somebody else was faster.
    fn rewritten() -> Self {
        Release::Kept("was rewritten at the same time".to_owned())
    }
}

/// A Node object as custody of blocks sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `metadata.name`.
    pub name: NodeName,
    /// `metadata.uid`.
    pub uid: String,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<Prefix>,
}

/// What a store says of the Nodes of a zone, by their metadata alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberEvent {
    /// There is a Node of this name and `metadata.uid`.
    Apply(NodeName, String),
    /// None of this name stands in the zone: it is gone, or has moved.
    Gone(NodeName),
    /// Every Node of the zone has been said.
    Synced,
    /// They cannot be listed now.
    Failed(String),
}

/// A Block object as it was when the store was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Its `spec`.
    pub block: Block,
    /// `status.orphanedSince`.
    pub orphaned_since: Option<SystemTime>,
    /// What names this version of it: only the store can read that.
    pub version: String,
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
    /// The API server refused, or could not be asked.
    #[error("{what}: {}", kubernetes::plain(source))]
    Api {
        /// The operation and its object.
        what: String,
        /// Why.
        source: Box<kube::Error>,
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
    /// Whether the store said no, by its rules: asking again changes nothing until they change.
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::Api { source, .. } => {
                matches!(&**source, kube::Error::Api(status) if matches!(status.code, 403 | 422))
            }
            _ => false,
        }
    }

    /// Whether there is no such object.
    pub fn is_missing(&self) -> bool {
        match self {
            StoreError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            StoreError::Api { source, .. } => {
                matches!(&**source, kube::Error::Api(status) if status.is_not_found())
            }
            _ => false,
        }
    }
}

/// A source of cluster objects, and the place where blocks are claimed.
///
/// A clone is the same store.
pub trait Store: Clone + Send + Sync + 'static {
    /// How often to look whether keys have changed.
    const KEYS: Duration;

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

    /// This node stands in `zone`, which the label `label` tells of each node: of the blocks only
    /// those of that zone, and its own, are to be told. Those told before that are neither are said
    /// to be gone once the others are known.
    fn select(&self, zone: Option<&Zone>, label: &str);

    /// Tells the Nodes that the label `label` puts into `zone`, for as long as somebody listens.
    fn members(
        &self,
        zone: &Zone,
        label: &str,
        events: mpsc::Sender<Vec<MemberEvent>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// The Node of that name, wherever it stands; `None` if there is none.
    fn member(
        &self,
        name: &NodeName,
    ) -> impl Future<Output = Result<Option<Member>, StoreError>> + Send + 'static;

    /// The Block object as it is now; `None` if there is none.
    fn inspect(
        &self,
        cidr: Prefix,
    ) -> impl Future<Output = Result<Option<Inspected>, StoreError>> + Send + 'static;

    /// Writes that the owner of a block is gone: `spec.state` and `status.orphanedSince`. Only if it
    /// is still as seen.
    fn orphan(
        &self,
        seen: &Inspected,
        since: SystemTime,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static;

    /// Deletes the Block object of another node, if it is still as seen.
    fn free(
        &self,
        seen: &Inspected,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static;

    /// The keys of BGP sessions by the names of their Secrets.
    fn keys(&self, names: &BTreeSet<SecretName>) -> impl Future<Output = Keys> + Send + 'static;

    /// Says something where operators look for it: in a condition or an event of an object. A store
    /// without such a place says nothing.
    fn report(
        &self,
        report: &Report,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// Whether this node is the one that writes conditions of objects all agents read. Asking is
    /// what makes and keeps it so.
    fn lead(&self) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static;
}
