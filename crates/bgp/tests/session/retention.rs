//! Which routes outlive a session, and what the peer is told so that it does the same with ours.

use crate::bench::*;
use bytes::Bytes;
use gingham_bgp::session::{Action, Cause, Event, Farewell, Keep};
use gingham_bgp::wire::{self, LongLivedOffer, Open};
use gingham_model::Family;
use std::collections::BTreeMap;

/// What the peer offered: nothing, graceful restart, or that with the N bit.
const OFFERS: [fn() -> Open; 3] = [
    their_open,
    || their_restarting_open(false),
    || their_restarting_open(true),
];

/// What happens, whether routes are kept under each of [`OFFERS`], and the last word under the last
/// two of them.
type Case = (Event, [bool; 3], Option<(Bytes, Bytes)>);

const DROPPED: [bool; 3] = [false, false, false];
const N_BIT: [bool; 3] = [false, false, true];

fn soft(word: Bytes) -> Option<(Bytes, Bytes)> {
    Some((word.clone(), word))
}

/// The same word alone, and inside Cease/9.
fn hard(code: u8, subcode: u8, data: &[u8]) -> Option<(Bytes, Bytes)> {
    let inner: Vec<u8> = [code, subcode].iter().chain(data).copied().collect();
    Some((
        notification(code, subcode, data),
        notification(6, 9, &inner),
    ))
}

fn cases() -> Vec<Case> {
    let stop = Event::Stop;
    let received = |subcode| Event::Frame(FIRST, notification(6, subcode, &[]));
    let text = |text: &str| text.to_owned();
    let nonsense = wire::encode_open(&their_open());
    vec![
        (
            Event::Closed(FIRST, text("reset")),
            [false, true, true],
            None,
        ),
        (received(4), N_BIT, None),
        (received(2), N_BIT, None),
        (received(9), DROPPED, None),
        (
            Event::Frame(FIRST, nonsense),
            N_BIT,
            soft(notification(5, 3, &[1])),
        ),
        (Event::Deadline, N_BIT, soft(notification(4, 0, &[]))),
        (
            stop(Farewell::Shutdown(text("bye"))),
            DROPPED,
            hard(6, 2, b"\x03bye"),
        ),
        (
            stop(Farewell::HardReset(text("bye"))),
            DROPPED,
            hard(6, 2, b"\x03bye"),
        ),
        (
            stop(Farewell::Reset(text("bye"))),
            N_BIT,
            soft(notification(6, 4, b"\x03bye")),
        ),
        (stop(Farewell::Deconfigured), DROPPED, hard(6, 3, &[])),
        (
            stop(Farewell::ConfigurationChange),
            N_BIT,
            soft(notification(6, 6, &[])),
        ),
        (
            stop(Farewell::MaxPrefixes(Family::V6, 7)),
            DROPPED,
            hard(6, 1, &[0, 2, 1, 0, 0, 0, 7]),
        ),
        (stop(Farewell::BfdDown), DROPPED, hard(6, 10, &[])),
        (stop(Farewell::Restart), DROPPED, None),
    ]
}

#[test]
fn routes_are_kept_as_the_agreement_and_the_cause_say() {
    for (event, kept, word) in cases() {
        for (index, (offer, kept)) in OFFERS.iter().zip(kept).enumerate() {
            let mut bench = established(plan(), &offer());
            if event == Event::Deadline {
                bench.now = bench.now + seconds(90);
            }
            let actions = bench.tell(event.clone());
            let stale = Keep {
                stale: seconds(60),
                long_lived: seconds(0),
            };
            let keep = kept.then_some((Family::V4, stale)).into_iter().collect();
            assert_eq!(down(&actions).keep, keep, "{event:?}, offer {index}");

            let said = actions.iter().find_map(|action| match action {
                Action::Send(FIRST, said) => Some(said),
                _ => None,
            });
            let word = word.as_ref().map(|(plain, with_n)| match index {
                2 => with_n,
                _ => plain,
            });
            assert_eq!(said, word, "{event:?}, offer {index}");
        }
    }
}

#[test]
fn a_peer_that_does_not_read_keeps_its_routes_with_the_n_bit_only() {
    for (notification, kept) in [(true, 1), (false, 0)] {
        let mut bench = established(plan(), &their_restarting_open(notification));
        bench.tell(Event::Blocked(FIRST));
        for _ in 0..8 {
            bench.now = bench.now + seconds(60);
            bench.keepalive(FIRST);
        }
        let down = down(&bench.tell(Event::Deadline));
        assert_eq!(down.cause, Cause::SendHoldTimer);
        assert_eq!(down.keep.len(), kept);
    }
}

#[test]
fn nothing_is_kept_for_a_peer_when_we_do_not_offer_it() {
    let mut plan = plan();
    plan.restart.restart_seconds = 0;
    let mut bench = established(plan, &their_restarting_open(true));
    let actions = bench.tell(Event::Closed(FIRST, String::new()));
    assert_eq!(down(&actions).keep, BTreeMap::new());
}

#[test]
fn each_family_is_kept_as_the_peer_offered_it() {
    let mut plan = plan();
    plan.families.insert(Family::V6, Default::default());
    plan.restart.long_lived_stale_seconds = 600;
    let mut open = their_restarting_open(true);
    open.capabilities.families = Family::ALL.into();
    let offer = LongLivedOffer {
        forwarding: false,
        time: seconds(500),
    };
    let closed = |open: &Open| {
        let mut bench = established(plan.clone(), open);
        down(&bench.tell(Event::Closed(FIRST, String::new()))).keep
    };
    let keep = |stale, long_lived| Keep {
        stale: seconds(stale),
        long_lived: seconds(long_lived),
    };
    assert_eq!(closed(&open), BTreeMap::from([(Family::V4, keep(60, 0))]));
    open.capabilities.long_lived = Family::ALL.map(|family| (family, offer)).into();
    assert_eq!(
        closed(&open),
        BTreeMap::from([(Family::V4, keep(60, 500)), (Family::V6, keep(0, 500))])
    );
    if let Some(restart) = &mut open.capabilities.restart {
        restart.time = seconds(0);
    }
    let at_once = Family::ALL.map(|family| (family, keep(0, 500)));
    assert_eq!(closed(&open), at_once.into());
}
