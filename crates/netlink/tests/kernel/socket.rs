//! The socket: errors, batches, deadlines.

use crate::support::*;
use gingham_model::{Change, Owner, Route, TABLE_MAIN};
use gingham_netlink::{Cause, Request, Socket, address, link, neighbour};
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
fn of_many_that_run_together_the_first_that_fails_is_named_and_all_are_done() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let address = |at: u8| address::add(dev, ip(&format!("10.2.0.{at}")), 32);
    let refused = |at: u8| link::set_group(1000 + u32::from(at), 1);
    for failing in [0, 5, 63, 64, 149] {
        let run: Vec<Request> = (0..150)
            .map(|at| match at {
                at if at == failing || at == 149 => refused(at),
                at => address(at),
            })
            .collect();
        let error = pair.host.run(&run).unwrap_err().to_string();
        let named = format!(
            "put interface {} into group 0x1: ",
            1000 + u32::from(failing)
        );
        assert!(error.starts_with(&named), "{error}");
        let mut done: Vec<_> = pair.host.addresses_of(dev).unwrap();
        done.retain(|address| address.length == 32);
        // The datagram in which it failed was carried out to its end, and no later one was sent.
        let sent = (usize::from(failing) / 64 + 1) * 64;
        let refusals = usize::from(failing != 149) + usize::from(sent >= 150);
        assert_eq!(done.len(), sent.min(150) - refusals);
        let undo = done.iter().map(|one| address::remove(dev, one.address, 32));
        pair.host.run(&undo.collect::<Vec<_>>()).unwrap();
    }
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
