//! Takes a pair away again, knowing no more than how it was named.

use crate::wire::KERNEL_TIMEOUT;
use gingham_netlink::{Error, Link, Socket, link};
use nix::errno::Errno;

/// What became of a host end.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        }) => remove(&mut socket, index),
        Ok(_) => Ok(Unwired::Foreign),
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(Unwired::Absent),
        Err(error) => Err(error),
    }
}

fn remove(socket: &mut Socket, dev: u32) -> Result<Unwired, Error> {
    match socket.run(&[link::delete_index(dev)]) {
        Ok(()) => Ok(Unwired::Removed),
        // Somebody was quicker, or the namespace of the pod has just ended.
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(Unwired::Removed),
        Err(error) => Err(error),
    }
}
