//! Carries out repairs, and settles what the audit found.

use super::repair::changes;
use super::witness::Kernel;
use super::{Finding, Repair, Step};
use gingham_ipam::{BootId, Lease, LeaseError, LeaseStore, Leases, Recovered, StoreError};
use gingham_model::{Change, Family, Route, TABLE_MAIN, gateway};
use gingham_netlink::{Error, Request, Socket, link, route};
use nix::errno::Errno;
use std::time::Duration;

/// How long the plugin's processes may keep us from the lease store before we try another time.
const LOCK_DEADLINE: Duration = Duration::from_secs(2);

/// Carries out repairs in their order; one that the kernel refuses does not stop the others.
///
/// What came of each. Left out are those overtaken by a plugin process: the pod is gone by now, or
/// what was to be added has been. A foreign route in the way of one of ours is an error, every time.
pub fn mend(socket: &mut Socket, repairs: &[Repair]) -> Vec<(Repair, Result<(), String>)> {
    let requests = requests(socket, repairs);
    let outcomes = socket.run_each(&requests);
    let outcomes = repairs.iter().zip(outcomes);
    let told = outcomes.filter_map(|(repair, outcome)| {
        let outcome = match outcome {
            Err(error) if is_overtaken(socket, repair, &error) => return None,
            outcome => outcome.map_err(|error| error.to_string()),
        };
        Some((repair.clone(), outcome))
    });
    told.collect()
}

/// The repairs as requests. The kernel would replace whatever stands first at a key, a foreign
/// route too: where one stands by now, or where nobody can tell, an addition is asked for instead,
/// which the kernel refuses.
fn requests(socket: &mut Socket, repairs: &[Repair]) -> Vec<Request> {
    let replaced = |repair: &Repair| match &repair.step {
        Step::Route(Change::Replace(want)) => Some(want.clone()),
        _ => None,
    };
    let table = match repairs.iter().any(|repair| replaced(repair).is_some()) {
        true => socket.routes(TABLE_MAIN).ok(),
        false => None,
    };
    let foreign = |want: &Route| {
        let takes = |other: &Route| other.key == want.key && other.protocol != want.protocol;
        table.as_ref().is_none_or(|table| table.iter().any(takes))
    };
    let request = |repair: &Repair| match replaced(repair).filter(foreign) {
        Some(want) => route::add(&want),
        None => repair.request(),
    };
    repairs.iter().map(request).collect()
}

/// Whether a failure only says that the kernel has moved on since it was read. What cannot be read
/// now counts as no: it is looked at again.
fn is_overtaken(socket: &mut Socket, repair: &Repair, error: &Error) -> bool {
    match (error.errno(), &repair.step) {
        // The kernel says so of a device without IPv6 too.
        (Some(Errno::ENODEV), _) => {
            index(socket, &repair.host_if).is_ok_and(|there| there != Some(repair.dev))
        }
        (Some(Errno::ESRCH), Step::Route(Change::Remove(_))) => true,
        (Some(Errno::EEXIST), Step::Route(Change::Add(want))) => is_used(socket, want),
        (Some(Errno::EEXIST), Step::Gateway) => has_gateway(socket, repair.dev),
        _ => false,
    }
}

/// Whether `want` is the route that is used at its key.
fn is_used(socket: &mut Socket, want: &Route) -> bool {
    let routes = socket.routes(TABLE_MAIN).unwrap_or_default();
    let standing: Vec<Route> = routes.into_iter().filter(|r| r.key == want.key).collect();
    changes(want.clone(), &standing).is_empty()
}

fn has_gateway(socket: &mut Socket, dev: u32) -> bool {
    let addresses = socket.addresses().unwrap_or_default();
    let wanted = (dev, gateway(Family::V6), super::GATEWAY_LENGTH);
    addresses
        .iter()
        .any(|a| (a.dev, a.address, a.length) == wanted)
}

/// Settles findings of [`super::Audit`] with the kernel and the lease store.
///
/// Whatever concerns a lease or a link is done under the store's lock, after a second look at both:
/// no plugin process can take, confirm or release a lease meanwhile, so that a link which is removed
/// is nobody's. The datapath goes first and the lease last, as with a DEL: when we are killed
/// between, the lease is found again.
pub struct Settlement<'a> {
    /// In the host's namespace.
    pub socket: &'a mut Socket,
    /// The leases.
    pub store: &'a LeaseStore,
    /// This boot.
    pub boot: &'a BootId,
    /// Seconds since boot.
    pub now: u64,
}

/// What came of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Leases and kernel agree about it.
    Done,
    /// It was true no more, and nothing was done.
    Overtaken,
}

/// Why a finding could not be settled; the next observation reports it again.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The lease store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] Error),
}

impl Settlement<'_> {
    /// Settles one finding.
    ///
    /// # Errors
    /// The store cannot be locked, read or written, or the kernel refuses.
    pub fn settle(&mut self, finding: &Finding) -> Result<Settled, SettleError> {
        match finding {
            Finding::Leaked(lease) => self.release(lease),
            Finding::Abandoned(lease) => self.cancel(lease),
            Finding::Adopt(recovered) => self.adopt(recovered),
            Finding::Orphan { host_if, dev } => self.remove(host_if, *dev),
            Finding::StrayRoute(stray) => match self.socket.run(&[route::remove(stray)]) {
                Err(error) if error.errno() == Some(Errno::ESRCH) => Ok(Settled::Overtaken),
                outcome => Ok(outcome.map(|()| Settled::Done)?),
            },
        }
    }

    fn release(&mut self, lease: &Lease) -> Result<Settled, SettleError> {
        let (socket, now) = (&mut *self.socket, self.now);
        let release = |leases: &mut Leases| match index(socket, &lease.host_if)? {
            Some(_) => Ok(Settled::Overtaken),
            None => Ok(settled(leases.forfeit(lease, now))),
        };
        self.store
            .update(self.boot, LOCK_DEADLINE, &Kernel, release)
    }

    fn cancel(&mut self, lease: &Lease) -> Result<Settled, SettleError> {
        let (socket, now) = (&mut *self.socket, self.now);
        let cancel = |leases: &mut Leases| {
            let settled = settled(leases.forfeit(lease, now));
            if settled == Settled::Done {
                delete(socket, &lease.host_if)?;
            }
            Ok(settled)
        };
        // Written only when the link is gone, so this too is datapath first.
        self.store.update(self.boot, LOCK_DEADLINE, &Kernel, cancel)
    }

    fn adopt(&mut self, recovered: &Recovered) -> Result<Settled, SettleError> {
        let (socket, now) = (&mut *self.socket, self.now);
        let adopt = |leases: &mut Leases| {
            if index(socket, &recovered.host_if)?.is_none() {
                return Ok(Settled::Overtaken);
            }
            match leases.adopt(recovered.clone(), now) {
                Ok(_) => Ok(Settled::Done),
                Err(LeaseError::Store(error)) => Err(error.into()),
                Err(_) => Ok(Settled::Overtaken),
            }
        };
        self.store.update(self.boot, LOCK_DEADLINE, &Kernel, adopt)
    }

    fn remove(&mut self, host_if: &str, dev: u32) -> Result<Settled, SettleError> {
        let socket = &mut *self.socket;
        let remove = |leases: &mut Leases| {
            let is_leased = leases.live().iter().any(|lease| lease.host_if == host_if);
            if is_leased || index(socket, host_if)? != Some(dev) {
                return Ok(Settled::Overtaken);
            }
            delete(socket, host_if)?;
            Ok(Settled::Done)
        };
        self.store.update(self.boot, LOCK_DEADLINE, &Kernel, remove)
    }
}

fn settled(forfeited: Option<Lease>) -> Settled {
    forfeited.map_or(Settled::Overtaken, |_| Settled::Done)
}

/// The index of the interface of that name, in whatever group it is; `None` when there is none.
fn index(socket: &mut Socket, name: &str) -> Result<Option<u32>, Error> {
    match socket.link(name) {
        Ok(link) => Ok(Some(link.index)),
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

fn delete(socket: &mut Socket, name: &str) -> Result<(), Error> {
    match socket.run(&[link::delete(name)]) {
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(()),
        outcome => outcome,
    }
}
