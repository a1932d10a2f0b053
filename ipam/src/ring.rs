//! The addresses of one block, in the order in which a boot gives them out first.

use crate::BootId;
use crate::spread::spread;
use gingham_model::Prefix;
use std::collections::HashSet;
use std::net::IpAddr;

/// Above this many addresses a block is not remembered address by address: its ring goes round
/// again, and what has rested is forgotten.
const REMEMBERED: u128 = 65_536;

/// Whether the ring of `block` goes round again.
pub(crate) fn wraps(block: Prefix) -> bool {
    block.size() > REMEMBERED
}

/// The first address at or behind position `cursor` of the ring that can be given and is not in
/// `taken`, and the cursor behind it; `None` at the end of the ring.
///
/// The ring starts at a point given by the boot id: after a reboot an address of the last boot,
/// which others may still remember, is unlikely to come first again.
pub(crate) fn next(
    block: Prefix,
    boot: &BootId,
    cursor: u64,
    taken: &HashSet<IpAddr>,
) -> Option<(IpAddr, u64)> {
    let size = block.size();
    let start = spread(&format!("{boot} {block}"), size);
    let steps = if wraps(block) {
        size
    } else {
        size.saturating_sub(u128::from(cursor))
    };
    (0..steps)
        .map(|step| u128::from(cursor) + step)
        .find_map(|position| {
            let address = block.nth_address(start.wrapping_add(position) % size)?;
            let free = can_be_given(block, address) && !taken.contains(&address);
            free.then(|| (address, u64::try_from(position + 1).unwrap_or(u64::MAX)))
        })
}

/// Whether `address` of `block` is one for pods: not an IPv4 one ending in .0 or .255, which some
/// stacks take for a broadcast, nor the first of an IPv6 block, its Subnet-Router anycast address
/// (RFC 4291, section 2.6.1).
pub(crate) fn can_be_given(block: Prefix, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !matches!(v4.octets()[3], 0 | 255),
        IpAddr::V6(_) => address != block.address(),
    }
}

/// How many addresses of `block` are for pods; a /64 has exactly `u64::MAX`, shorter ones saturate.
pub fn capacity(block: Prefix) -> u64 {
    let unfit = match block.address() {
        IpAddr::V6(_) => 1,
        IpAddr::V4(_) if block.length() <= 24 => 2 << (24 - block.length()),
        IpAddr::V4(first) => {
            let first = u128::from(first.octets()[3]);
            let last = first + block.size() - 1;
            u128::from(first == 0) + u128::from(last == 255)
        }
    };
    u64::try_from(block.size().saturating_sub(unfit)).unwrap_or(u64::MAX)
}
