//! Sockets as BGP wants them: who may dial, with which key, from how far away.

use super::md5::{keep_syns, set_key, set_least_ttl, syn_ttl};
use crate::config::{Password, Settings, Ttl};
use crate::wire::PeerKind;
use gingham_model::{Family, Prefix};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

/// Connections that may wait to be accepted: a thousand peers that all come back at once.
const BACKLOG: i32 = 4096;

/// Internetwork control (RFC 4271 appendix E, RFC 2474): first through a queue that is full.
const CLASS: u32 = 0xC0;

/// A non-blocking listener at `at`, with these keys from its first connection on; [`set_key`] sets others
/// at any time. Keys of the other family are left out.
///
/// Its answers to a SYN leave with a TTL of 255, before anybody knows who dialled: a peer with TTL
/// security takes nothing else, and the others do not mind.
///
/// # Errors
/// What the kernel says, such as `AddrInUse`.
pub fn listen(at: SocketAddr, keys: &BTreeMap<Prefix, &Password>) -> io::Result<TcpListener> {
    let socket = open(at.ip())?;
    socket.set_reuse_address(true)?;
    set_ttl(&socket, Family::of(at.ip()), u8::MAX)?;
    keep_syns(&socket)?;
    let family = Family::of(at.ip());
    for (from, key) in keys.iter().filter(|(from, _)| from.family() == family) {
        set_key(&socket, *from, Some(key))?;
    }
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A non-blocking socket from which to connect to `peer`: local address, key and TTL are set.
///
/// # Errors
/// What the kernel says, such as `AddrNotAvailable` for a local address that is not ours.
pub fn prepare_dial(peer: SocketAddr, settings: &Settings, kind: PeerKind) -> io::Result<Socket> {
    let socket = open(peer.ip())?;
    if let Some(password) = &settings.password {
        set_key(&socket, Prefix::host(peer.ip()), Some(password))?;
    }
    let (family, hops) = (Family::of(peer.ip()), hops(settings.ttl, kind));
    set_ttl(&socket, family, hops.ttl)?;
    set_least_ttl(&socket, family, hops.least)?;
    if let Some(local) = settings.local_address {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    Ok(socket)
}

/// Readies a connection the listener accepted; without it, nothing may be read from it.
///
/// A least TTL on the listener would hold for all peers, so it is set here. What came before was not
/// measured by the kernel: the SYN is looked at instead, which the listener kept. (A SYN answered with a
/// cookie is not kept. Then the kernel's measure is all there is.)
///
/// # Errors
/// `PermissionDenied` when the peer is farther away than its settings say; else what the kernel says. The
/// connection is of no use then.
pub fn prepare_accepted(stream: &impl AsFd, settings: &Settings, kind: PeerKind) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let family = match socket.domain()? {
        Domain::IPV4 => Family::V4,
        _ => Family::V6,
    };
    let hops = hops(settings.ttl, kind);
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    set_ttl(&socket, family, hops.ttl)?;
    set_least_ttl(stream, family, hops.least)?;
    match syn_ttl(stream, family)? {
        Some(ttl) if ttl < hops.least => {
            let least = hops.least;
            let text = format!("the peer is too far away: TTL {ttl} where {least} is the least");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
        }
        _ => Ok(()),
    }
}

/// How far packets go, and how far they may come from.
struct Hops {
    ttl: u8,
    least: u8,
}

fn hops(ttl: Ttl, kind: PeerKind) -> Hops {
    let (ttl, least) = match (ttl, kind) {
        (Ttl::Default, PeerKind::External) => (1, 0),
        (Ttl::Default, PeerKind::Internal) => (u8::MAX, 0),
        (Ttl::Multihop(hops), _) => (hops, 0),
        // RFC 5082 section 3: the sender starts at 255, each router between takes one.
        (Ttl::Security(hops), _) => (u8::MAX, u8::MAX - hops.saturating_sub(1)),
    };
    Hops { ttl, least }
}

fn set_ttl(socket: &Socket, family: Family, ttl: u8) -> io::Result<()> {
    match family {
        Family::V4 => socket.set_ttl_v4(ttl.into()),
        Family::V6 => socket.set_unicast_hops_v6(ttl.into()),
    }
}

/// A socket of one family alone: IPv4 never comes mapped into IPv6, where keys would have to follow.
fn open(towards: IpAddr) -> io::Result<Socket> {
    let domain = match towards {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    match towards {
        IpAddr::V4(_) => socket.set_tos_v4(CLASS)?,
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_tclass_v6(CLASS)?;
        }
    }
    Ok(socket)
}
