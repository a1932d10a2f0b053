//! The lab at rest: every session there, every table to the letter.

use crate::standing::SETTLED_DEADLINE;
use anyhow::Result;
use gingham_integration::{Lab, tables};

/// Waits for the sessions of all routers.
pub(super) fn sessions(lab: &Lab) -> Result<String> {
    let mut lines = Vec::new();
    for router in lab.routers() {
        router.wait_established(SETTLED_DEADLINE, |_| true)?;
        let plan = router.plan();
        let (inside, outside) = (plan.internal().count(), plan.external().count());
        lines.push(format!(
            "{} ({}): {inside} internal, {outside} external",
            router.name(),
            plan.daemon
        ));
    }
    Ok(lines.join("\n"))
}

/// Waits for the tables of all boxes.
pub(super) fn tables(lab: &Lab) -> Result<String> {
    let wanted = tables::expected(lab.topology());
    tables::wait_for(lab, &wanted, SETTLED_DEADLINE)?;
    let routes: usize = wanted.values().map(Vec::len).sum();
    let boxes = wanted.len();
    Ok(format!("{routes} routes in {boxes} boxes, to the letter"))
}
