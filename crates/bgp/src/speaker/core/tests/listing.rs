//! A RIB as lines.

use super::super::Core;
use crate::RouterId;
use crate::rib::{Freshness, Standing};
use crate::speaker::report::PathReport;

/// Every path but those a speaker originates, the best of a prefix first: `PREFIX from PEER via
/// NEXT_HOP`, and whatever else there is to say.
pub(super) fn learned(core: &Core) -> Vec<String> {
    let mut lines = Vec::new();
    for report in core.report_rib(None) {
        for path in report.paths.iter().filter(|path| path.peer != "local") {
            lines.push(format!("{} from {}", report.prefix, line(path)));
        }
    }
    lines
}

fn line(path: &PathReport) -> String {
    let said = &path.attributes;
    let clusters = names(&said.cluster_list);
    let communities = names(&said.communities);
    let refusal = match &path.standing {
        Standing::Refused(refusal) => Some(format!("{refusal:?}")),
        _ => None,
    };
    let words = [
        Some(format!("{} via {}", path.peer, said.next_hop)),
        (path.path_id > 0).then(|| format!("number {}", path.path_id)),
        (!said.as_path.is_empty()).then(|| format!("path {}", said.as_path)),
        said.originator_id
            .map(|RouterId(router)| format!("by {router}")),
        (!clusters.is_empty()).then(|| format!("through {clusters}")),
        (!communities.is_empty()).then(|| format!("with {communities}")),
        (path.freshness != Freshness::Fresh).then(|| format!("{:?}", path.freshness)),
        refusal,
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    words.join(", ")
}

fn names<T: ToString>(list: &[T]) -> String {
    let list: Vec<String> = list.iter().map(T::to_string).collect();
    list.join(" ")
}
