//! Whether this node stands by what it announces, or is going away (law 12).

use super::derive::Presence;
use crate::cluster::Cluster;
use crate::objects::Condition;
use gingham_model::NodeName;
use std::path::Path;

/// The file in the run directory by which an operator has this node withdraw what it announces, for as
/// long as it is there.
pub const WITHDRAW: &str = "withdraw";

/// By the file of an operator and by the node's own Node object. A node that goes away without either
/// is missed when its sessions are.
pub fn presence(run_dir: &Path, cluster: &Cluster, me: &NodeName) -> Presence {
    let file = run_dir.join(WITHDRAW);
    if file.exists() {
        return Presence::Withdrawn(format!("{} exists", file.display()));
    }
    match cluster.node(me).map(|node| node.condition) {
        Some(Condition::ShuttingDown) => {
            Presence::Withdrawn(format!("Node {me} says that it is shutting down"))
        }
        Some(Condition::Staying) | None => Presence::Present,
    }
}
