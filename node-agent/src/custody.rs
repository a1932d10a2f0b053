//! Which blocks nobody needs any more (law 17: a block is never in two hands). Pure: times are
//! arguments; a reflector's agent asks and carries out.
//!
//! ```text
//!   Blocks of the zone, Members ──look──► a block whose owner no list shows, when its turn comes
//!        └── Node asked, Block read, paths of the owner ──judge──► Orphan ─delay─► Free
//! ```
//!
//! A node that has merely left the zone, or lost its label, lives: only a Node that the store does
//! not have at all is gone, and one that is back under its name takes its blocks back by rewriting
//! them ([`crate::claim`]). Nothing is concluded from a list that is not complete.
//!
//! A block is freed when its owner has been gone for the delay by the time written into it *and* by
//! this reflector's own steady clock, so that no clock that jumps, here or elsewhere, frees anything
//! early; when this reflector holds no path of the owner, live or stale; and only in the version
//! read after all that. Several reflectors may do it: each block has an order of them, and those
//! behind wait a little.
//!
//! Many owners that vanish at once are more likely a list that lies: they must stay so for as long
//! as a mass removal is held.

mod cases;
mod judge;
mod members;
mod turn;

pub use cases::{Custody, Look, Situation};
pub use judge::{Evidence, Paths, Verdict, judge};
pub use members::Members;
pub use turn::turn;

use gingham_model::Block;

/// What there is to say about custody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Blocks of the zone that are marked as without owner; `None` where this node does not look.
    pub orphaned: Option<usize>,
    /// What an operator ought to know.
    pub notices: Vec<String>,
}

/// Whether the addresses were given to the node by whoever gives `spec.podCIDRs`, who gives them to
/// another one as soon as this one is gone.
fn mirrors_pod_cidr(block: &Block) -> bool {
    block.pool.is_node_pod_cidrs()
}
