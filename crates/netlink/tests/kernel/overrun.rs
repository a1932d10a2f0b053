//! Too much for the buffer, too much for the socket, and many at once.

use crate::monitor::until;
use crate::support::*;
use gingham_model::{Change, Owner, Route};
use gingham_netlink::monitor::{Heard, Object};
use gingham_netlink::{Cause, Monitor, Socket, route};
use nix::errno::Errno;
use std::time::Duration;

const BLOCKS: u32 = 5000;

fn block(number: u32, dev: u32) -> Route {
    let block = prefix("10.128.0.0/10").nth(26, number.into()).unwrap();
    Route::of(Owner::Direct, block, via(&[("10.1.0.22", dev)]))
}

fn additions(dev: u32) -> Vec<Change> {
    (0..BLOCKS).map(|n| Change::Add(block(n, dev))).collect()
}

#[test]
fn after_an_overrun_the_monitor_hears_again() {
    let mut pair = connected();
    let small = || Monitor::open_with(64 * 1024);
    let mut monitor = pair.host_netns.visit(small).unwrap().unwrap();
    assert!(monitor.buffer_bytes() < 1024 * 1024);
    for outcome in pair.host.apply(&additions(pair.host_dev)) {
        outcome.unwrap();
    }
    assert_eq!(monitor.hear().unwrap(), Heard::Overrun);
    let next = block(BLOCKS, pair.host_dev);
    apply(&mut pair.host, Change::Add(next.clone())).unwrap();
    let next = Object::Route(next);
    until(&mut monitor, |notice| notice.object == next);
}

#[test]
fn own_writes_do_not_fill_the_buffer_once_ignored() {
    let mut pair = connected();
    let small = || Monitor::open_with(64 * 1024);
    let mut monitor = pair.host_netns.visit(small).unwrap().unwrap();
    let own = pair.host.port();
    monitor.ignore(own);
    for outcome in pair.host.apply(&additions(pair.host_dev)) {
        outcome.unwrap();
    }
    let last = block(BLOCKS, pair.host_dev);
    apply(&mut open(&pair.host_netns), Change::Add(last.clone())).unwrap();
    let last = Object::Route(last);
    let heard = until(&mut monitor, |notice| notice.object == last);
    assert!(heard.iter().all(|notice| notice.port != own), "{heard:?}");
}

#[test]
fn of_many_changes_each_has_its_outcome() {
    let mut pair = connected();
    let dev = pair.host_dev;
    let mut changes = additions(dev);
    let taken = changes[4000].clone();
    apply(&mut pair.host, taken).unwrap();
    let never_there = Change::Remove(block(BLOCKS, dev));
    changes.push(never_there);
    let outcomes = pair.host.apply(&changes);
    assert_eq!(outcomes.len(), changes.len());
    let failed: Vec<_> = (0..).zip(outcomes).filter(|(_, o)| o.is_err()).collect();
    let [(4000, Err(error))] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    assert!(error.to_string().starts_with("add route 10."), "{error}");
    let there = owned(&mut pair.host, Owner::Direct).len();
    assert_eq!(there, BLOCKS as usize);
}

#[test]
fn when_the_socket_fails_the_rest_is_told_so() {
    let netns = new_namespace();
    let short = || Socket::open(Duration::from_nanos(1));
    let mut socket = netns.visit(short).unwrap().unwrap();
    let requests: Vec<_> = (0..100).map(|n| route::add(&block(n, 1))).collect();
    let outcomes = socket.run_each(&requests);
    assert_eq!(outcomes.len(), requests.len());
    let mut causes = outcomes.into_iter().map(|o| o.unwrap_err().cause);
    assert!(matches!(causes.next(), Some(Cause::Timeout(_))));
    assert!(causes.all(|cause| matches!(cause, Cause::Unanswered)));
    assert!(socket.run_each(&[]).is_empty());
}
