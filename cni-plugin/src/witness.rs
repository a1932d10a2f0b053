//! What the kernel has of pods, for a lease store that is damaged or lost.

use crate::log::Log;
use crate::wire::KERNEL_TIMEOUT;
use gingham_ipam::{Recovered, Repair, Witness};
use gingham_model::{MacAddress, Owner, POD_LINK_GROUP, POD_LINK_PREFIX, TABLE_MAIN, Target};
use gingham_netlink::{Error, Link, Neighbour, Socket};
use std::net::IpAddr;

/// The kernel of this node, and the log that a repair is written to.
pub(crate) struct Kernel<'a> {
    log: &'a Log<'a>,
}

impl<'a> Kernel<'a> {
    pub(crate) fn new(log: &'a Log<'a>) -> Self {
        Kernel { log }
    }
}

impl Witness for Kernel<'_> {
    fn attachments(&self) -> Result<Vec<Recovered>, String> {
        attachments().map_err(|error| error.to_string())
    }

    fn repaired(&self, repair: &Repair) {
        self.log.warn(format_args!("leases repaired: {repair}"));
    }
}

/// Every host end, with the addresses that are routed to it or are its neighbours for good: where a
/// foreign hand took one of both away, the other still tells.
fn attachments() -> Result<Vec<Recovered>, Error> {
    let mut socket = Socket::open(KERNEL_TIMEOUT)?;
    let mut links = socket.links()?;
    links.retain(|link| link.group == POD_LINK_GROUP && link.name.starts_with(POD_LINK_PREFIX));
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let routed: Vec<(u32, IpAddr)> = socket
        .routes_of(TABLE_MAIN, Owner::Pod.protocol())?
        .into_iter()
        .filter_map(|route| match route.target {
            Target::Link(dev) => Some((dev, route.key.prefix.address())),
            _ => None,
        })
        .collect();
    let mut neighbours = socket.neighbours()?;
    neighbours.retain(|neighbour| neighbour.permanent && !neighbour.address.is_multicast());
    let recovered = links
        .iter()
        .map(|link| recovered(link, &routed, &neighbours));
    Ok(recovered.collect())
}

fn recovered(link: &Link, routed: &[(u32, IpAddr)], neighbours: &[Neighbour]) -> Recovered {
    let of_link = || {
        neighbours
            .iter()
            .filter(|neighbour| neighbour.dev == link.index)
    };
    let routed = routed.iter().filter(|(dev, _)| *dev == link.index);
    let addresses: Vec<IpAddr> = routed
        .map(|(_, address)| *address)
        .chain(of_link().map(|neighbour| neighbour.address))
        .collect();
    let mac = of_link().find_map(|neighbour| neighbour.mac);
    let alias = link.alias.as_deref().unwrap_or_default();
    Recovered {
        host_if: link.name.clone(),
        pod: alias.split_once(' ').map_or("", |(pod, _)| pod).to_owned(),
        v4: addresses.iter().find_map(|address| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        }),
        v6: addresses.iter().find_map(|address| match address {
            IpAddr::V6(v6) => Some(*v6),
            IpAddr::V4(_) => None,
        }),
        mac: mac.unwrap_or(MacAddress::UNKNOWN),
    }
}
