//! Asks the kernel for what CHECK compares: single objects, and lists only of what belongs to one
//! interface or stands in the pod's own namespace.

use super::differences::{Expected, HostEnd, Observed, PodEnd};
use crate::failure;
use crate::wire::{KERNEL_TIMEOUT, Places};
use gingham_cni::{Code, Error};
use gingham_ipam::Lease;
use gingham_model::{Family, gateway};
use gingham_netlink::{Link, Socket, sysctl};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn observe(
    want: &Expected,
    lease: Option<&Lease>,
    places: &Places,
) -> Result<Observed, Error> {
    let open = || Socket::open(KERNEL_TIMEOUT);
    let mut host = open().map_err(failure::netlink)?;
    let mut pod = (places.pod)
        .step_in(&places.host, open)
        .map_err(failure::netns)?
        .map_err(failure::netlink)?;
    Ok(Observed {
        lease: lease.cloned(),
        host: host_end(want, &mut host)?,
        pod: pod_end(want, &mut pod).map_err(failure::netlink)?,
    })
}

fn host_end(want: &Expected, socket: &mut Socket) -> Result<Option<HostEnd>, Error> {
    let Some(link) = link(socket, &want.host.name).map_err(failure::netlink)? else {
        return Ok(None);
    };
    let dev = link.index;
    let mut look = || -> Result<HostEnd, gingham_netlink::Error> {
        let (mut neighbours, mut lookups) = (BTreeMap::new(), BTreeMap::new());
        for address in &want.ours {
            neighbours.insert(*address, socket.neighbour(dev, *address)?);
            lookups.insert(*address, socket.route_to(*address)?);
        }
        let addresses = socket.addresses_of(dev)?;
        let proxy_arp = String::new();
        Ok(HostEnd {
            link: link.clone(),
            addresses,
            neighbours,
            lookups,
            proxy_arp,
        })
    };
    let mut end = look().map_err(failure::netlink)?;
    if want.proxy_arp {
        let name = format!("net/ipv4/conf/{}/proxy_arp", want.host.name);
        end.proxy_arp =
            sysctl::read(&name).map_err(|error| Error::new(Code::Io, error.to_string()))?;
    }
    Ok(Some(end))
}

fn pod_end(want: &Expected, socket: &mut Socket) -> Result<Option<PodEnd>, gingham_netlink::Error> {
    let Some(link) = link(socket, &want.pod.name)? else {
        return Ok(None);
    };
    let (mut gateways, mut defaults) = (BTreeMap::new(), Vec::new());
    for family in want.ours.iter().map(|address| Family::of(*address)) {
        gateways.insert(family, socket.neighbour(link.index, gateway(family))?);
        let any: IpAddr = match family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut routes = socket.routes_around(any)?;
        routes.retain(|route| route.key.prefix.length() == 0);
        defaults.extend(routes);
    }
    let addresses = socket.addresses_of(link.index)?;
    Ok(Some(PodEnd {
        link,
        addresses,
        gateways,
        defaults,
    }))
}

fn link(socket: &mut Socket, name: &str) -> Result<Option<Link>, gingham_netlink::Error> {
    match socket.link(name) {
        Ok(link) => Ok(Some(link)),
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}
