//! DEL: takes a pod off, as often as it is asked.

use crate::failure;
use crate::names::Names;
use crate::run_dir::{LOCK_DEADLINE, RunDir, now};
use crate::unwire::unwire;
use gingham_cni::{Attachment, Del, Error};
use gingham_ipam::{LeaseKey, StoreError};

/// Removes the datapath, then the lease: an address is free only when nobody can use it any more.
///
/// The pod's namespace is not needed: with the host end goes the pod's. So a DEL is the same
/// whether the namespace is there, gone, or never was.
pub(crate) fn del(request: &Del) -> Result<(), Error> {
    let Names { host_if, .. } = Names::of(&request.attachment);
    unwire(&host_if).map_err(failure::netlink)?;
    let run_dir = RunDir::of(&request.conf)?;
    let (key, now) = (key(&request.attachment), now()?);
    let released = run_dir
        .leases
        .update(&run_dir.boot, LOCK_DEADLINE, |leases| {
            leases.release(&key, &host_if, now);
            Ok::<(), StoreError>(())
        });
    match released {
        // Nobody has ever been given an address here.
        Err(StoreError::NoRunDir(_)) => Ok(()),
        outcome => outcome.map_err(failure::store),
    }
}

/// The attachment, as the lease store knows it.
pub(crate) fn key(attachment: &Attachment) -> LeaseKey {
    LeaseKey {
        network: attachment.network.to_string(),
        container_id: attachment.container_id.to_string(),
        ifname: attachment.ifname.to_string(),
    }
}
