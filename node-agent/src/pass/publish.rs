//! What the plugin is told, and when.

use crate::plan::Plan;
use crate::routes::reconcile::Round;
use gingham_ipam::{FileError, NodeState};
use gingham_model::Owner;
use std::path::Path;

/// Tells the plugin, once no address it gives out can escape by the default route.
pub(super) fn publish(path: &Path, plan: &Plan, round: &Round) -> Result<(), Vec<String>> {
    let state = plan.node_state.clone()?;
    let missing = state.blocks.iter().map(|block| block.cidr).filter(|cidr| {
        let sink = Owner::Sink.key(*cidr);
        !(plan.routes.contains_key(&sink) && round.standing(&sink).is_settled())
    });
    let reasons: Vec<String> = missing
        .map(|cidr| format!("block {cidr} has no sink"))
        .collect();
    if reasons.is_empty() {
        write(path, state).map_err(|error| vec![error.to_string()])
    } else {
        Err(reasons)
    }
}

/// Replaces the file where it says something else.
fn write(path: &Path, mut state: NodeState) -> Result<(), FileError> {
    match NodeState::read(path) {
        Ok(present) => {
            keep_unknown(&mut state, &present);
            if state == present {
                return Ok(());
            }
        }
        Err(error) if error.is_missing() => {}
        Err(error) => tracing::warn!(%error, "replacing node.json"),
    }
    state.write(path)?;
    let blocks: Vec<String> = state
        .blocks
        .iter()
        .map(|block| block.cidr.to_string())
        .collect();
    tracing::info!(path = %path.display(), ?blocks, mtu = state.mtu, "node.json published");
    Ok(())
}

/// Fields of another version survive a rewrite.
fn keep_unknown(state: &mut NodeState, present: &NodeState) {
    state.unknown.clone_from(&present.unknown);
    for block in &mut state.blocks {
        if let Some(same) = present.blocks.iter().find(|b| b.cidr == block.cidr) {
            block.unknown.clone_from(&same.unknown);
        }
    }
}
