//! Socket options no crate offers: the keys of TCP's MD5 signatures (RFC 2385), and the TTL packets of a
//! peer must come with (RFC 5082).

use crate::config::Password;
use gingham_model::{Family, Prefix};
use std::ffi::c_int;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

/// `TCP_MD5SIG_FLAG_PREFIX` of linux/tcp.h: the key is for a prefix.
const FLAG_PREFIX: u8 = 1;

/// Makes every segment between `socket` and peers in `from` carry a signature made with `key`; without
/// a key, takes back what was set for exactly that prefix. Of several prefixes that hold a peer the
/// longest wins. On a listener it counts for whoever dials next, and connections inherit it.
///
/// # Errors
/// `InvalidInput` for a key that is not 1 to 80 octets long or a prefix of another family than the
/// socket; else what the kernel says.
pub fn set_key(socket: &impl AsFd, from: Prefix, key: Option<&Password>) -> io::Result<()> {
    let octets = key.map_or(&[][..], |key| key.0.as_bytes());
    let least = usize::from(key.is_some());
    if !(least..=Password::MOST_OCTETS).contains(&octets.len()) {
        let (given, most) = (octets.len(), Password::MOST_OCTETS);
        let text = format!("a key of {given} octets: 1 to {most} are possible");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let option = signature(from, octets);
    match set_option(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG_EXT, &option) {
        // There was none.
        Err(error) if key.is_none() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// Drops packets of the peer that come with less than `ttl` left, before TCP sees them.
///
/// # Errors
/// What the kernel says.
pub(super) fn set_least_ttl(socket: &impl AsFd, family: Family, ttl: u8) -> io::Result<()> {
    let value = c_int::from(ttl).to_ne_bytes();
    match family {
        Family::V4 => set_option(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &value),
        Family::V6 => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &value),
    }
}

/// Makes a listener remember the headers of each SYN until [`syn_ttl`] asks.
pub(super) fn keep_syns(listener: &impl AsFd) -> io::Result<()> {
    let on = c_int::from(true).to_ne_bytes();
    set_option(listener, libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, &on)
}

/// The TTL of the SYN that opened an accepted connection. `None` when the kernel has not kept it: it was
/// asked before, or the SYN was answered with a cookie in a flood.
pub(super) fn syn_ttl(stream: &impl AsFd, family: Family) -> io::Result<Option<u8>> {
    // The longest headers are 60 octets of IPv4, or 40 of IPv6 and extensions, and 60 of TCP.
    let mut headers = [0; 512];
    let length = option(stream, libc::IPPROTO_TCP, libc::TCP_SAVED_SYN, &mut headers)?;
    let at = match family {
        Family::V4 => 8,
        Family::V6 => 7,
    };
    Ok(headers.get(..length).and_then(|kept| kept.get(at)).copied())
}

/// `struct tcp_md5sig` of linux/tcp.h, byte for byte: a `sockaddr_storage` of 128 octets, flags, prefix
/// length, key length, interface index, key. No key asks for removal.
fn signature(from: Prefix, key: &[u8]) -> Vec<u8> {
    let (family, address) = match from.address() {
        // sin_family, sin_port, sin_addr
        IpAddr::V4(v4) => (libc::AF_INET, [&[0; 2][..], &v4.octets()].concat()),
        // sin6_family, sin6_port, sin6_flowinfo, sin6_addr, sin6_scope_id
        IpAddr::V6(v6) => (libc::AF_INET6, [&[0; 6][..], &v6.octets()].concat()),
    };
    let family = family as libc::sa_family_t;
    let mut option = Vec::with_capacity(136 + Password::MOST_OCTETS);
    option.extend(family.to_ne_bytes());
    option.extend(address);
    option.resize(128, 0);
    option.extend([FLAG_PREFIX, from.length()]);
    option.extend((key.len() as u16).to_ne_bytes());
    option.extend([0; 4]);
    option.extend(key);
    option.resize(136 + Password::MOST_OCTETS, 0);
    option
}

/// setsockopt(2).
#[expect(unsafe_code, reason = "neither nix nor socket2 know these options")]
fn set_option(socket: &impl AsFd, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `fd` is open as long as `socket` is borrowed, and the kernel reads `value.len()` octets of
    // `value`, which outlives the call; it keeps no pointer.
    let code = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// getsockopt(2): how many octets of `value` were written.
#[expect(unsafe_code, reason = "neither nix nor socket2 know these options")]
fn option(socket: &impl AsFd, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let fd = socket.as_fd().as_raw_fd();
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: `fd` is open as long as `socket` is borrowed, and the kernel writes at most `length` octets,
    // all of them inside `value`; it keeps no pointer.
    let code =
        unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut length) };
    if code == 0 {
        Ok(length as usize)
    } else {
        Err(io::Error::last_os_error())
    }
}
