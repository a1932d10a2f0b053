//! A classic BPF program that keeps the events of some ports out of the buffer.

use socket2::{SockFilter, SockRef};
use std::collections::BTreeSet;
use std::os::fd::AsFd;

/// Offset of `nlmsg_pid` in `struct nlmsghdr`. An event is one message.
const PORT: u32 = 12;

/// Instructions of `linux/filter.h`: load a big-endian word, jump if equal, return.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// A jump reaches 255 instructions.
const MOST: usize = 250;

/// Filters by `ports`. When the kernel refuses, everything passes, and the reader drops it.
pub(super) fn attach(socket: &impl AsFd, ports: &BTreeSet<u32>) {
    let _ = SockRef::from(socket).attach_filter(&program(ports));
}

/// ```text
/// load port; if == p1 goto drop; if == p2 goto drop; ..; return all; drop: return none
/// ```
fn program(ports: &BTreeSet<u32>) -> Vec<SockFilter> {
    let mut program = vec![
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    // Written from the end, where the distance to the last instruction is known.
    for (port, distance) in ports.iter().take(MOST).zip(1u8..) {
        program.push(SockFilter::new(JUMP_IF_EQUAL, distance, 0, port.to_be()));
    }
    program.push(SockFilter::new(LOAD, 0, 0, PORT));
    program.reverse();
    program
}
