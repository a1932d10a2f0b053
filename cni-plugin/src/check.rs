//! CHECK: whether what ADD made still stands.

mod differences;
mod observe;

use crate::add::places;
use crate::failure;
use crate::lease;
use crate::names::Names;
use crate::run_dir::RunDir;
use differences::{Expected, ExpectedEnd, differences};
use gingham_cni::{Check, Code, Error, IpConfig, RouteConfig};
use gingham_ipam::Lease;
use gingham_model::{Family, HOST_MAC, MacAddress, Prefix, TABLE_MAIN, gateway};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Compares kernel and leases with what the chain has answered when the pod was attached. Nothing is
/// changed: what the host's side lacks the agent makes good, and what the pod's side lacks only a new
/// sandbox does.
pub(crate) fn check(request: &Check) -> Result<(), Error> {
    let places = places(&request.netns, request.netns_override)?;
    let run_dir = RunDir::of(&request.conf)?;
    let leases = (run_dir.leases)
        .read(&run_dir.boot)
        .map_err(failure::file(Code::Io))?;
    let names = Names::of(&request.attachment);
    let lease = lease::find(&leases, &request.attachment, &names.host_if);
    let want = expected(request, names, lease);
    let have = observe::observe(&want, lease, &places)?;
    let found = differences(&want, &have);
    let mut found = found.iter().map(ToString::to_string);
    match found.next() {
        None => Ok(()),
        Some(first) => {
            let others: Vec<String> = found.collect();
            Err(Error::new(Code::Differs, first).with_details(others.join("\n")))
        }
    }
}

/// The last result of the chain is the measure, since later plugins may have given the pod another
/// MAC address, addresses besides ours, or other routes. What it leaves out is taken from the lease.
fn expected(request: &Check, names: Names, lease: Option<&Lease>) -> Expected {
    let prev = &request.prev;
    let pod_if = request.attachment.ifname.as_str();
    let sandbox = Some(request.netns.as_str());
    let find = |name: &str, sandbox| {
        let mut interfaces = prev.interfaces.iter();
        interfaces.position(|i| i.name == name && i.sandbox.as_deref() == sandbox)
    };
    let (pod, host) = (find(pod_if, sandbox), find(&names.host_if, None));
    let listed: Vec<&IpConfig> = prev.ips.iter().filter(|ip| ip.interface == pod).collect();
    let ours: Vec<IpAddr> = Family::ALL
        .into_iter()
        .filter_map(|family| {
            let mut listed = listed.iter().filter(|ip| is_ours(ip, family));
            let listed = listed.next().map(|ip| ip.address.0);
            listed.or_else(|| lease?.address(family))
        })
        .collect();
    let mut addresses: Vec<(IpAddr, u8)> = listed.iter().map(|ip| ip.address).collect();
    let whole = |address: &IpAddr| (*address, Family::of(*address).bits());
    addresses.extend(
        ours.iter()
            .map(whole)
            .filter(|one| !addresses.contains(one))
            .collect::<Vec<_>>(),
    );
    let interface = |at: Option<usize>| prev.interfaces.get(at?);
    Expected {
        host: ExpectedEnd {
            name: names.host_if,
            mac: Some(HOST_MAC),
            mtu: interface(host).and_then(|host| host.mtu),
        },
        pod: ExpectedEnd {
            name: pod_if.to_owned(),
            mac: interface(pod)
                .and_then(|pod| pod.mac)
                .or_else(|| Some(lease?.mac).filter(|mac| *mac != MacAddress::UNKNOWN)),
            mtu: interface(pod).and_then(|pod| pod.mtu),
        },
        defaults: defaults(&prev.routes, &ours),
        listed: addresses,
        ours,
        proxy_arp: request.conf.proxy_arp,
    }
}

/// Whether we gave an address: it is alone in its prefix, and our gateway is its.
fn is_ours(ip: &IpConfig, family: Family) -> bool {
    let (address, length) = ip.address;
    Family::of(address) == family && length == family.bits() && ip.gateway == Some(gateway(family))
}

/// The default routes through our gateways, of the families of our addresses. One that a later plugin
/// has taken out of the result is its affair.
fn defaults(routes: &[RouteConfig], ours: &[IpAddr]) -> BTreeMap<Family, u32> {
    let families = ours.iter().map(|address| Family::of(*address));
    let listed = families.filter_map(|family| {
        let is_it = |route: &&RouteConfig| {
            let via = route.gw.is_none_or(|gw| gw == gateway(family));
            route.dst == Prefix::default_of(family) && via
        };
        let route = routes.iter().find(is_it)?;
        Some((family, route.table.unwrap_or(TABLE_MAIN)))
    });
    listed.collect()
}

#[cfg(test)]
mod tests;
