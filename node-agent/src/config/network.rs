//! What the RoutingConfig says of the condition NetworkUnavailable.

use serde::{Deserialize, Serialize};

/// Whether agents tell Kubernetes that a node's network works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkUnavailable {
    /// Each sets the condition of its Node to False once the node has been ready.
    #[default]
    Clear,
    /// It is left alone: somebody else writes it.
    Leave,
}
