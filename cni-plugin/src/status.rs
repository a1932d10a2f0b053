//! STATUS: whether an ADD could succeed now.

use crate::add::supply;
use crate::log::Log;
use crate::run_dir::{RunDir, now};
use gingham_cni::{Code, Conf, Error};
use gingham_ipam::{LeaseKey, NodeState, Request, Wanted};
use gingham_model::HOST_MAC;

/// Succeeds with a usable `node.json` of this boot; says [`Code::NotAvailable`] otherwise, and with
/// `statusOnExhaustion` also when an ADD would get no address.
///
/// Nothing else is asked: an agent that hangs or restarts keeps no pod from starting. No lock is
/// taken, since a runtime asks every few seconds and lets nothing else happen meanwhile.
pub(crate) fn status(conf: &Conf, log: &Log<'_>) -> Result<(), Error> {
    let unavailable = |error: Error| Error {
        code: Code::NotAvailable,
        ..error
    };
    let run_dir = RunDir::of(conf).map_err(unavailable)?;
    let state = run_dir
        .node_state(conf, Code::NotAvailable)
        .map_err(unavailable)?;
    match conf.status_on_exhaustion {
        true => has_an_address(conf, &run_dir, &state, log).map_err(unavailable),
        false => Ok(()),
    }
}

/// Whether the next ADD gets an address, by giving one out of a copy of the leases.
fn has_an_address(
    conf: &Conf,
    run_dir: &RunDir,
    state: &NodeState,
    log: &Log<'_>,
) -> Result<(), Error> {
    let mut leases = match run_dir.leases.read(&run_dir.boot) {
        Ok(leases) => leases,
        // An ADD repairs them, and only then is known what is left.
        Err(error) => {
            log.warn(format_args!("addresses were not counted: {error}"));
            return Ok(());
        }
    };
    let anybody = Request {
        key: LeaseKey {
            network: conf.name.to_string(),
            container_id: "-".into(),
            ifname: "-".into(),
        },
        pod: String::new(),
        mac: HOST_MAC,
        host_if: "-".into(),
        wanted: Wanted::default(),
    };
    let supply = supply(conf, state);
    leases
        .reserve(anybody, &supply, now()?)
        .map(drop)
        .map_err(|error| Error::new(Code::NotAvailable, error.to_string()))
}
