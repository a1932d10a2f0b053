//! GC: what the runtime does not know any more is taken off.

mod stale;

use crate::failure;
use crate::log::Log;
use crate::names::Names;
use crate::run_dir::{RunDir, now};
use crate::unwire::{Unwired, unwire_all};
use gingham_cni::{Code, Error, Gc};
use gingham_ipam::{Lease, StoreError};
use stale::{Left, Verdict, verdict};

/// Removes every attachment of this network which is not valid, links first, then leases. What fails
/// keeps nothing else from being removed, and is told.
///
/// Attachments are known by their leases. So those of another network are never touched, and neither
/// is a pod whose lease was recovered from the kernel, which does not tell the network: DEL finds it.
pub(crate) fn gc(request: &Gc, log: &Log<'_>) -> Result<(), Error> {
    if request.conf.disable_gc {
        log.info("disableGC: nothing is collected");
        return Ok(());
    }
    let run_dir = RunDir::of(&request.conf)?;
    let Some((leases, adds)) = run_dir.snapshot(log)? else {
        // Nobody has ever been given an address here.
        return Ok(());
    };
    let now = now()?;
    let valid_hosts: Vec<String> = request.valid.iter().map(|a| Names::of(a).host_if).collect();
    let mut stale = Vec::new();
    for lease in leases.live() {
        match verdict(lease, request, adds, now) {
            Verdict::Kept => {}
            Verdict::Stale => stale.push(lease),
            Verdict::Left(Left::Recovered) if valid_hosts.contains(&lease.host_if) => {}
            Verdict::Left(why) => log.warn(format_args!("{} is left: {why}", name(lease))),
        }
    }
    let host_ifs: Vec<&str> = stale.iter().map(|lease| lease.host_if.as_str()).collect();
    let outcomes = unwire_all(&host_ifs).map_err(failure::netlink)?;
    let (mut gone, mut failures) = (Vec::new(), Vec::new());
    for (lease, outcome) in stale.iter().zip(outcomes) {
        match outcome {
            Ok(unwired) => {
                if unwired == Unwired::Foreign {
                    log.warn(format_args!(
                        "{} is no veth, and was left alone",
                        lease.host_if
                    ));
                }
                gone.push(*lease);
            }
            Err(error) => failures.push(format!("{}: {error}", name(lease))),
        }
    }
    if let Err(error) = give_back(&run_dir, &gone, now, log) {
        let unreleased = gone.iter().map(|lease| format!("{}: {error}", name(lease)));
        failures.extend(unreleased);
    }
    if !stale.is_empty() {
        let removed = stale.len() - failures.len();
        log.info(format_args!(
            "{removed} of {} stale attachments removed",
            stale.len()
        ));
    }
    match failures.len() {
        0 => Ok(()),
        count => {
            let of = stale.len();
            let msg = format!("{count} of {of} stale attachments could not be removed");
            Err(Error::new(Code::Incomplete, msg).with_details(failures.join("\n")))
        }
    }
}

/// The leases go to rest, but for one that has changed since it was seen: who has changed it is at
/// work.
fn give_back(run_dir: &RunDir, gone: &[&Lease], now: u64, log: &Log<'_>) -> Result<(), StoreError> {
    run_dir.update(log, |leases| {
        for lease in gone {
            leases.forfeit(lease, now);
        }
        Ok(())
    })
}

fn name(lease: &Lease) -> String {
    match lease.is_recovered() {
        true => format!("{} of pod {:?}", lease.host_if, lease.pod),
        false => format!("{} ({})", lease.key(), lease.host_if),
    }
}
