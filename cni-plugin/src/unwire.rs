//! Takes pairs away again, knowing no more than how they were named.

use crate::wire::KERNEL_TIMEOUT;
use gingham_model::{MacAddress, POD_LINK_GROUP, POD_LINK_PREFIX};
use gingham_netlink::{Error, Link, Netns, NetnsError, Request, Socket, link};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::path::Path;

/// Group of host ends that are about to be removed together.
const STALE_LINK_GROUP: u32 = POD_LINK_GROUP + 1;

/// How many links are put into that group and removed at once. All of it is one datagram, which the
/// kernel works off to its end even if we are killed: no link stays behind in a group where nobody
/// looks for it. Removing these many takes little longer than removing one.
const AT_ONCE: usize = 63;

/// What became of a host end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwired {
    /// It is gone, and the pod's end, addresses, neighbours and routes with it.
    Removed,
    /// There was none.
    Absent,
    /// Something of its name is there that no ADD made, since it is no veth. It was left alone.
    Foreign,
}

/// Removes the host end of that name. The name is a hash of the attachment's key, so a veth which
/// has it is the one that ADD made, whatever group a foreign hand has put it into since.
pub(crate) fn unwire(host_if: &str) -> Result<Unwired, Error> {
    let mut socket = Socket::open(KERNEL_TIMEOUT)?;
    match socket.link(host_if) {
        Ok(Link {
            index,
            veth_peer: Some(_),
            ..
        }) => {
            gone(socket.run(&[link::delete_index(index)]))?;
            Ok(Unwired::Removed)
        }
        Ok(_) => Ok(Unwired::Foreign),
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(Unwired::Absent),
        Err(error) => Err(error),
    }
}

/// Removes many host ends as [`unwire`] does one, and says of each how it ended.
///
/// # Errors
/// Only when the links cannot be listed.
pub(crate) fn unwire_all(host_ifs: &[&str]) -> Result<Vec<Result<Unwired, String>>, Error> {
    let mut socket = Socket::open(KERNEL_TIMEOUT)?;
    let links = match host_ifs {
        [] => Vec::new(),
        _ => socket.links()?,
    };
    let links: BTreeMap<&str, &Link> = links.iter().map(|l| (l.name.as_str(), l)).collect();
    let mut outcomes = Vec::with_capacity(host_ifs.len());
    let mut ours = Vec::new();
    for host_if in host_ifs {
        outcomes.push(Ok(match links.get(host_if) {
            None => Unwired::Absent,
            Some(Link {
                index,
                veth_peer: Some(_),
                ..
            }) => {
                ours.push((outcomes.len(), *index));
                Unwired::Removed
            }
            Some(_) => Unwired::Foreign,
        }));
    }
    for batch in ours.chunks(AT_ONCE) {
        let devs: Vec<u32> = batch.iter().map(|(_, dev)| *dev).collect();
        for ((at, _), outcome) in batch.iter().zip(remove(&mut socket, &devs)) {
            outcomes[*at] = outcome.map(|()| Unwired::Removed);
        }
    }
    Ok(outcomes)
}

fn remove(socket: &mut Socket, devs: &[u32]) -> Vec<Result<(), String>> {
    let into = |group| move |dev: &u32| link::set_group(*dev, group);
    let mut requests: Vec<Request> = devs.iter().map(into(STALE_LINK_GROUP)).collect();
    requests.push(link::delete_group(STALE_LINK_GROUP));
    let mut outcomes = socket.run_each(&requests);
    let deleted = gone(outcomes.pop().unwrap_or(Ok(()))).map_err(|error| error.to_string());
    if deleted.is_err() {
        // Best effort: where they were, the agent watches over them.
        let back: Vec<Request> = devs.iter().map(into(POD_LINK_GROUP)).collect();
        let _ = socket.run_each(&back);
    }
    let each = outcomes.into_iter().map(|moved| match moved {
        Ok(()) => deleted.clone(),
        moved => gone(moved).map_err(|error| error.to_string()),
    });
    each.collect()
}

/// Somebody was quicker, or the namespace of the pod has just ended: as good.
fn gone(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(()),
        outcome => outcome,
    }
}

/// Removes a pair by its end in the pod, whose host end is not where it was left: a foreign hand has
/// renamed it or moved it into another namespace. `None` when there is none, or no namespace.
///
/// It is known by its MAC address, and a pod may ask for the one that it had before in an older
/// sandbox: so an end whose other end stands where ADD leaves it is another attachment's.
pub(crate) fn unwire_in_pod(netns: &Path, mac: MacAddress) -> Result<Option<String>, Error> {
    let mut host = Socket::open(KERNEL_TIMEOUT)?;
    let Ok(Some(opened)) = socket_in(netns) else {
        return Ok(None);
    };
    let mut pod = opened?;
    let end = pod.links()?.into_iter().find_map(|link| {
        let peer = link.veth_peer.filter(|_| link.mac == Some(mac))?;
        Some((link, peer))
    });
    let Some((end, peer)) = end else {
        return Ok(None);
    };
    let named = host.link_at(peer).ok();
    if named.is_some_and(|other| other.name.starts_with(POD_LINK_PREFIX)) {
        return Ok(None);
    }
    gone(pod.run(&[link::delete_index(end.index)]))?;
    Ok(Some(end.name))
}

/// A socket in that namespace, if there is one and it is not ours.
fn socket_in(netns: &Path) -> Result<Option<Result<Socket, Error>>, NetnsError> {
    let (host, pod) = (Netns::current()?, Netns::open(netns)?);
    if host.id()? == pod.id()? {
        return Ok(None);
    }
    let open = || Socket::open(KERNEL_TIMEOUT);
    pod.step_in(&host, open).map(Some)
}
