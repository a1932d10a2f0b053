//! ADD: an address, a datapath, a lease.

use crate::failure;
use crate::lease::key;
use crate::log::Log;
use crate::names::{Names, alias};
use crate::run_dir::{AddAtWork, LOCK_DEADLINE, RunDir, now};
use crate::unwire::unwire;
use crate::wire::{self, KERNEL_TIMEOUT, Places, Wiring};
use gingham_cni::{Add, AddResult, Code, Conf, Error, Interface, IpConfig, RouteConfig};
use gingham_ipam::{
    LONGEST_INTENT, Lease, LeaseError, NodeState, Request, Reservation, Supply, Wanted,
};
use gingham_model::{Family, HOST_MAC, Prefix, gateway};
use gingham_netlink::{Netns, NetnsError};
use std::net::IpAddr;
use std::path::Path;

/// IPv6 is off on a link whose MTU is below this (RFC 8200 section 5).
const LEAST_IPV6_MTU: u32 = 1280;

/// What an ADD may wait for once its intent is stamped: the lock four times (reserve, confirm line by
/// line or else all, cancel), and thirteen exchanges with the kernel (two to clear away, two for the
/// pair, four in the pod, three on the host, two to undo), each for up to twice its time-out. Agent and
/// GC take an older intent for that of an ADD which was killed.
const LONGEST_ADD: u64 = 4 * LOCK_DEADLINE.as_secs() + 13 * 2 * KERNEL_TIMEOUT.as_secs();
const _: () = assert!(LONGEST_ADD < LONGEST_INTENT);

/// Attaches a pod. What an ADD that fails has done, it undoes in reverse; what one that is killed
/// has done, its lease in state Intent leads back to.
pub(crate) fn add(request: &Add, log: &Log<'_>) -> Result<AddResult, Error> {
    let _at_work = AddAtWork::in_dir(&request.conf.run_dir);
    let run_dir = RunDir::of(&request.conf)?;
    let state = run_dir.node_state(&request.conf, Code::TryAgainLater)?;
    let mtu = mtu(&request.conf, &state)?;
    let places = places(&request.netns, request.netns_override)?;
    let names = names(request);

    let lease = reserve(request, &run_dir, (&state, &names), log)?;
    let wiring = Wiring {
        host_if: names.host_if,
        alias: alias(&request.attachment, request.pod.as_ref()),
        pod_if: request.attachment.ifname.to_string(),
        pod_mac: names.pod_mac,
        addresses: lease.addresses().collect(),
        mtu,
        proxy_arp: request.conf.proxy_arp,
    };
    match wire_and_confirm(request, &run_dir, (&wiring, &places), log) {
        Ok(()) => Ok(result(&wiring, request)),
        Err(error) => Err(give_back(request, &run_dir, error, log)),
    }
}

/// As DEL finds them, but for a MAC address that was asked for.
fn names(request: &Add) -> Names {
    let names = Names::of(&request.attachment);
    let asked = request.wanted.mac.as_ref().map(|mac| mac.value);
    Names {
        pod_mac: asked.unwrap_or(names.pod_mac),
        ..names
    }
}

fn mtu(conf: &Conf, state: &NodeState) -> Result<u32, Error> {
    match conf.mtu {
        None => Ok(state.mtu),
        Some(mtu) if mtu < LEAST_IPV6_MTU && state.families.contains(&Family::V6) => {
            let msg = format!("mtu {mtu}: must be at least {LEAST_IPV6_MTU}, since pods have IPv6");
            Err(Error::new(Code::InvalidNetworkConfig, msg))
        }
        Some(mtu) => Ok(mtu),
    }
}

/// Our namespace and the pod's, which must not be one: the veth would have both ends on the host.
pub(crate) fn places(netns: &str, may_be_own: bool) -> Result<Places, Error> {
    let open = || -> Result<(Places, bool), NetnsError> {
        let pod = Netns::open(Path::new(netns))?;
        let host = Netns::current()?;
        let apart = pod.id()? != host.id()?;
        Ok((Places { host, pod }, apart))
    };
    match open().map_err(failure::netns)? {
        (places, apart) if apart || may_be_own => Ok(places),
        _ => {
            let msg = format!("CNI_NETNS {netns:?}: is the plugin's own namespace");
            Err(Error::new(Code::OwnNamespace, msg))
        }
    }
}

/// Writes the intent. Parts of an earlier ADD of the same key that was killed are cleared away.
fn reserve(
    request: &Add,
    run_dir: &RunDir,
    (state, names): (&NodeState, &Names),
    log: &Log<'_>,
) -> Result<Lease, Error> {
    let asked = Request {
        key: key(&request.attachment),
        pod: request
            .pod
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        mac: names.pod_mac,
        host_if: names.host_if.clone(),
        wanted: wanted(&request.wanted),
    };
    let supply = supply(&request.conf, state);
    let now = now()?;
    let reservation = run_dir
        .update(log, |leases| leases.reserve(asked, &supply, now))
        .map_err(|error| refusal(error, &request.wanted))?;
    match reservation {
        Reservation::New(lease) => Ok(lease),
        Reservation::Resumed(lease) => {
            unwire(&names.host_if).map_err(failure::netlink)?;
            Ok(lease)
        }
    }
}

fn wanted(wanted: &gingham_cni::Wanted) -> Wanted {
    Wanted {
        v4: wanted.v4.as_ref().map(|asked| asked.value),
        v6: wanted.v6.as_ref().map(|asked| asked.value),
        pool: wanted.pool.as_ref().map(|asked| asked.value.clone()),
    }
}

/// Why nothing was reserved; of what was asked for by name with the words by which it was.
fn refusal(error: LeaseError, wanted: &gingham_cni::Wanted) -> Error {
    let by = match &error {
        LeaseError::NotGiven { address, .. } | LeaseError::Taken { address, .. } => match address {
            IpAddr::V4(_) => wanted.v4.as_ref().map(ToString::to_string),
            IpAddr::V6(_) => wanted.v6.as_ref().map(ToString::to_string),
        },
        LeaseError::NoBlockOfPool { .. } => wanted.pool.as_ref().map(ToString::to_string),
        _ => None,
    };
    let error = failure::lease(error);
    match by {
        Some(by) => Error {
            msg: format!("{by}: {}", error.msg),
            ..error
        },
        None => error,
    }
}

/// What addresses are given out of. The configuration's time to rest wins over the node's.
pub(crate) fn supply<'a>(conf: &Conf, state: &'a NodeState) -> Supply<'a> {
    let cooldown = conf.cooldown_seconds.unwrap_or(state.cooldown_seconds);
    Supply {
        cooldown,
        ..state.supply()
    }
}

fn wire_and_confirm(
    request: &Add,
    run_dir: &RunDir,
    (wiring, places): (&Wiring, &Places),
    log: &Log<'_>,
) -> Result<(), Error> {
    wire::wire(wiring, places).map_err(failure::wire)?;
    let now = now()?;
    let key = key(&request.attachment);
    let confirmed = run_dir.confirm(log, &key, now).map_err(failure::lease);
    confirmed.map_err(|error| match unwire(&wiring.host_if) {
        Ok(_) => error,
        Err(undo) => also(error, &undo.to_string()),
    })
}

/// The lease of an ADD that failed goes to rest. If that fails too, the Intent remains and is found
/// by the DEL which the runtime sends.
fn give_back(request: &Add, run_dir: &RunDir, error: Error, log: &Log<'_>) -> Error {
    let key = key(&request.attachment);
    let given_back = now().and_then(|now| {
        let cancelled = run_dir.update(log, |leases| {
            leases.cancel(&key, now);
            Ok(())
        });
        cancelled.map_err(failure::store)
    });
    match given_back {
        Ok(()) => error,
        Err(undo) => also(error, &undo.to_string()),
    }
}

/// An error with what went wrong while it was being undone.
fn also(error: Error, undo: &str) -> Error {
    let details = match error.details.as_str() {
        "" => format!("and undoing it: {undo}"),
        details => format!("{details}; and undoing it: {undo}"),
    };
    error.with_details(details)
}

/// What we have made, behind what the plugins before us have.
fn result(wiring: &Wiring, request: &Add) -> AddResult {
    let interface = |name: &String, mac, sandbox| Interface {
        name: name.clone(),
        mac: Some(mac),
        mtu: Some(wiring.mtu),
        sandbox,
        ..Interface::default()
    };
    let ip = |address: &IpAddr| {
        let family = Family::of(*address);
        IpConfig {
            address: (*address, family.bits()),
            gateway: Some(gateway(family)),
            interface: Some(1),
        }
    };
    let default = |address: &IpAddr| {
        let gateway = gateway(Family::of(*address));
        RouteConfig::new(Prefix::default_of(Family::of(*address)), Some(gateway))
    };
    let sandbox = Some(request.netns.clone());
    let ours = AddResult {
        interfaces: vec![
            interface(&wiring.host_if, HOST_MAC, None),
            interface(&wiring.pod_if, wiring.pod_mac, sandbox),
        ],
        ips: wiring.addresses.iter().map(ip).collect(),
        routes: wiring.addresses.iter().map(default).collect(),
        dns: None,
    };
    ours.chained_after(request.prev.clone().unwrap_or_default())
}
