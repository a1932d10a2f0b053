//! What the kernel has of pods, for a lease store that is damaged or lost.

use super::Datapath;
use super::audit::recovered;
use gingham_ipam::{Recovered, Repair, Witness};
use gingham_model::{Family, MacAddress, TABLE_MAIN};
use gingham_netlink::{Error, Socket};
use std::net::IpAddr;
use std::time::Duration;

/// How long one question to the kernel may take; the lock of the leases is held meanwhile.
const DEADLINE: Duration = Duration::from_secs(2);

/// The kernel of the calling thread's namespace.
pub struct Kernel;

impl Witness for Kernel {
    fn attachments(&self) -> Result<Vec<Recovered>, String> {
        attachments().map_err(|error| error.to_string())
    }

    fn repaired(&self, repair: &Repair) {
        let Repair {
            fault,
            kept,
            adopted,
            dropped,
        } = repair;
        tracing::warn!(%fault, kept, adopted, dropped, "leases repaired");
    }
}

fn attachments() -> Result<Vec<Recovered>, Error> {
    let mut socket = Socket::open(DEADLINE)?;
    let (links, neighbours) = (socket.links()?, socket.neighbours()?);
    let datapath = Datapath::new(&links, &[], &neighbours, &socket.routes(TABLE_MAIN)?);
    let attachments = datapath.ends.values().map(|end| {
        let addresses = Family::ALL
            .into_iter()
            .filter_map(|family| end.address(family));
        let addresses: Vec<IpAddr> = addresses.collect();
        let unknown = || recovered(end, &addresses, MacAddress::UNKNOWN);
        end.mac_of(&addresses)
            .map_or_else(unknown, |mac| recovered(end, &addresses, mac))
    });
    Ok(attachments.collect())
}
