//! How full this node's blocks are, by the lease store.

use crate::give_back::Holding;
use crate::pods::Kernel;
use gingham_ipam::{LeaseStore, Leases, NodeState, StoreError};
use gingham_model::Prefix;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// The longest to wait for the lock of the leases.
pub(super) const LOCK: Duration = Duration::from_secs(2);

/// How this node's blocks stand by the lease store in `run_dir`, if `told` is what `node.json` says.
///
/// # Errors
/// The store or the clock cannot be read; names the file.
pub fn holding(run_dir: &Path, told: NodeState) -> Result<Holding, String> {
    let leases = LeaseStore::new(run_dir).read(&told.boot_id);
    let leases = leases.map_err(|error| error.to_string())?;
    let (supply, now) = (told.supply(), seconds_since_boot()?);
    Ok(Holding {
        in_use: used(&leases, &told, now),
        usage: leases.usage(&supply, now),
        told,
    })
}

/// The blocks in which an address is a pod's, or rests.
///
/// # Errors
/// The store or the clock cannot be read; names the file.
pub fn in_use(run_dir: &Path, told: &NodeState) -> Result<BTreeSet<Prefix>, String> {
    let leases = LeaseStore::new(run_dir).read(&told.boot_id);
    let leases = leases.map_err(|error| error.to_string())?;
    Ok(used(&leases, told, seconds_since_boot()?))
}

fn used(leases: &Leases, told: &NodeState, now: u64) -> BTreeSet<Prefix> {
    let (supply, blocks) = (told.supply(), told.blocks.iter().map(|block| block.cidr));
    let used = blocks.filter(|cidr| leases.in_use(*cidr, &supply, now));
    used.collect()
}

/// Whether an address of `block` is a pod's, or rests: asked under the lock of the lease store, so
/// that nobody is just about to take one.
///
/// # Errors
/// The store or the clock cannot be read, or the lock is not to be had; names the file.
pub fn is_in_use(run_dir: &Path, told: &NodeState, block: Prefix) -> Result<bool, String> {
    let now = seconds_since_boot()?;
    let look = |leases: &mut Leases| Ok(leases.in_use(block, &told.supply(), now));
    let answer: Result<bool, StoreError> =
        LeaseStore::new(run_dir).update(&told.boot_id, LOCK, &Kernel, look);
    answer.map_err(|error| error.to_string())
}

/// `CLOCK_BOOTTIME` in whole seconds, the clock leases are stamped by.
pub(super) fn seconds_since_boot() -> Result<u64, String> {
    const PATH: &str = "/proc/uptime";
    let text = std::fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
    let seconds = text.split('.').next().and_then(|whole| whole.parse().ok());
    seconds.ok_or_else(|| format!("{PATH}: {text:?} does not begin with a number of seconds"))
}
