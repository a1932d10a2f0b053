//! DEL: takes a pod off, as often as it is asked.

use crate::failure;
use crate::lease;
use crate::log::Log;
use crate::names::Names;
use crate::run_dir::{RunDir, now};
use crate::unwire::{Unwired, unwire, unwire_in_pod};
use gingham_cni::{Del, Error};
use gingham_ipam::StoreError;

/// Removes the datapath, then the lease: an address is free only when nobody can use it any more.
///
/// The pod's namespace is not needed: with the host end goes the pod's. So a DEL is the same
/// whether the namespace is there, gone, or never was. Only where the host end is missing and a lease
/// says that it should be there, the pod's end is looked for.
pub(crate) fn del(request: &Del, log: &Log<'_>) -> Result<(), Error> {
    let Names { host_if, .. } = Names::of(&request.attachment);
    let unwired = unwire(&host_if).map_err(failure::netlink)?;
    let run_dir = RunDir::of(&request.conf)?;
    let (key, now) = (lease::key(&request.attachment), now()?);
    match unwired {
        Unwired::Removed => {}
        Unwired::Absent => seek(request, (&run_dir, &host_if), log)?,
        Unwired::Foreign => {
            log.warn(format_args!("{host_if} is no veth, and was left alone"));
            seek(request, (&run_dir, &host_if), log)?;
        }
    }
    match run_dir.release(log, (&key, &host_if), now) {
        // Nobody has ever been given an address here.
        Err(StoreError::NoRunDir(_)) => Ok(()),
        outcome => outcome.map_err(failure::store),
    }
}

/// Looks for the pair by its other end.
fn seek(request: &Del, (run_dir, host_if): (&RunDir, &str), log: &Log<'_>) -> Result<(), Error> {
    // Leases that cannot be read say nothing; they are repaired when this one is released.
    let (Some(netns), Ok(leases)) = (&request.netns, run_dir.leases.read(&run_dir.boot)) else {
        return Ok(());
    };
    let Some(lease) = lease::find(&leases, &request.attachment, host_if) else {
        return Ok(());
    };
    if let Some(pod_if) = unwire_in_pod(netns, lease.mac).map_err(failure::netlink)? {
        log.warn(format_args!(
            "{host_if} was not there, and was removed by its other end {pod_if}"
        ));
    }
    Ok(())
}
