//! STATUS: whether an ADD could succeed now.

use crate::run_dir::RunDir;
use gingham_cni::{Code, Conf, Error};

/// Succeeds with a usable `node.json` of this boot; says [`Code::NotAvailable`] otherwise.
///
/// Nothing else is asked: an agent that hangs or restarts keeps no pod from starting.
pub(crate) fn status(conf: &Conf) -> Result<(), Error> {
    let unavailable = |error: Error| Error {
        code: Code::NotAvailable,
        ..error
    };
    let run_dir = RunDir::of(conf).map_err(unavailable)?;
    run_dir
        .node_state(conf, Code::NotAvailable)
        .map(drop)
        .map_err(unavailable)
}
