//! The socket: errors, batches, deadlines.

use crate::support::*;
use gingham_model::{Change, Owner, Route, TABLE_MAIN};
use gingham_netlink::{Cause, Socket, address, neighbour};
use nix::errno::Errno;
use std::time::Duration;

#[test]
fn the_kernels_own_words_are_kept() {
    let mut pair = connected();
    let gone = Route::of(
        Owner::Direct,
        prefix("10.9.0.0/24"),
        via(&[("192.0.2.1", pair.host_dev)]),
    );
    let error = apply(&mut pair.host, Change::Replace(gone)).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENETUNREACH));
    let text = error.to_string();
    assert_eq!(
        text,
        "replace route 10.9.0.0/24 metric 12: Network is unreachable (ENETUNREACH): \
         Nexthop has invalid gateway"
    );
}

#[test]
fn in_a_batch_the_failing_step_is_named_and_the_socket_stays_in_step() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let twice = address::add(dev, ip("10.1.0.21"), 24);
    let fine = neighbour::set_permanent(dev, ip("10.1.0.99"), POD_MAC);
    let error = pair.host.run(&[fine.clone(), twice, fine]).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    assert!(
        error
            .to_string()
            .starts_with(&format!("add address 10.1.0.21/24 to interface {dev}: "))
    );
    assert_eq!(pair.host.link("gh0").unwrap().index, dev);
}

#[test]
fn an_unanswered_request_ends_in_time() {
    let netns = new_namespace();
    let mut socket = netns
        .visit(|| Socket::open(Duration::from_nanos(1)))
        .unwrap()
        .unwrap();
    let outcome = socket.routes(TABLE_MAIN).map_err(|error| error.cause);
    assert!(matches!(outcome, Err(Cause::Timeout(_))), "{outcome:?}");
}
