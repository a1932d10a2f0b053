//! OPENs that cannot be accepted, and messages that have no place: the exact octets of the answer.

use crate::bench::*;
use gingham_bgp::config::AsnWidth;
use gingham_bgp::session::{Action, Cause, Plan, State};
use gingham_bgp::wire::{self, Open};
use gingham_bgp::{Asn, RouterId};
use gingham_model::Family;
use std::collections::BTreeSet;

/// What is wrong; the plan and the OPEN made so; the answer.
type Case = (&'static str, fn(&mut Plan), fn(&mut Open), Answer);

/// Code, subcode and data of a NOTIFICATION.
type Answer = (u8, u8, &'static [u8]);

/// What is right, and the plan and the OPEN made so.
type Accepted = (&'static str, fn(&mut Plan), fn(&mut Open));

const CASES: &[Case] = &[
    (
        "another AS",
        |_| {},
        |open| open.asn = Asn(64513),
        (2, 2, &[]),
    ),
    (
        "AS 0",
        |plan| plan.peer_asn = Asn(0),
        |open| open.asn = Asn(0),
        (2, 2, &[]),
    ),
    (
        "AS_TRANS of a peer that knows four octets no better",
        |plan| plan.peer_asn = Asn(4_200_000_000),
        |open| {
            open.asn = Asn::TRANS;
            open.capabilities.asn_width = AsnWidth::Two;
        },
        (2, 2, &[]),
    ),
    (
        "no identifier",
        |_| {},
        |open| open.router_id = RouterId([0, 0, 0, 0].into()),
        (2, 3, &[]),
    ),
    (
        "our identifier inside our AS",
        |_| {},
        |open| open.router_id = router(5),
        (2, 3, &[]),
    ),
    (
        "hold time 1",
        |_| {},
        |open| open.hold_seconds = 1,
        (2, 6, &[]),
    ),
    (
        "hold time 2",
        |_| {},
        |open| open.hold_seconds = 2,
        (2, 6, &[]),
    ),
    (
        "no common family",
        |_| {},
        |open| open.capabilities.families = BTreeSet::from([Family::V6]),
        (2, 7, &[1, 4, 0, 1, 0, 1]),
    ),
    (
        "no common family, IPv6 wanted",
        |plan| {
            plan.families.insert(Family::V6, Default::default());
            plan.families.remove(&Family::V4);
        },
        |_| {},
        (2, 7, &[1, 4, 0, 2, 0, 1]),
    ),
    // The first fault in the order of the fields is told.
    (
        "another AS and hold time 1",
        |_| {},
        |open| {
            open.asn = Asn(64513);
            open.hold_seconds = 1;
        },
        (2, 2, &[]),
    ),
];

#[test]
fn each_fault_of_an_open_has_its_answer() {
    for (name, change_plan, change_open, (code, subcode, data)) in CASES {
        let (mut plan, mut open) = (plan(), their_open());
        change_plan(&mut plan);
        change_open(&mut open);
        let mut bench = Bench::new(plan);
        bench.dialled(FIRST);
        let actions = bench.open(FIRST, &open);
        let word = Action::Send(FIRST, notification(*code, *subcode, data));
        assert_eq!(actions[..2], [word, Action::Close(FIRST)], "{name}");
        assert!(matches!(actions[2], Action::Failed(_)), "{name}");
        assert_eq!(actions.len(), 3, "{name}");
    }
}

#[test]
fn opens_at_the_edge_are_accepted() {
    let accepted: &[Accepted] = &[
        ("hold time 0", |_| {}, |open| open.hold_seconds = 0),
        ("hold time 3", |_| {}, |open| open.hold_seconds = 3),
        (
            "our identifier in another AS (RFC 6286)",
            |plan| plan.peer_asn = Asn(64513),
            |open| {
                open.asn = Asn(64513);
                open.router_id = router(5);
            },
        ),
        (
            "an AS of four octets",
            |plan| plan.peer_asn = Asn(4_200_000_000),
            |open| open.asn = Asn(4_200_000_000),
        ),
    ];
    for (name, change_plan, change_open) in accepted {
        let (mut plan, mut open) = (plan(), their_open());
        change_plan(&mut plan);
        change_open(&mut open);
        let mut bench = Bench::new(plan);
        bench.dialled(FIRST);
        let actions = bench.open(FIRST, &open);
        let keepalive = Action::Send(FIRST, wire::encode_keepalive());
        assert_eq!(actions, [keepalive], "{name}");
    }
}

#[test]
fn a_message_out_of_place_is_an_error_of_the_state_machine() {
    let frames = [
        (1, wire::encode_open(&their_open())),
        (2, wire::encode_end_of_rib(Family::V4)),
        // Contents do not matter: this UPDATE is nonsense.
        (2, frame(2, &[0xFF; 4])),
        (4, wire::encode_keepalive()),
        (
            5,
            wire::encode_refresh(Family::V4, wire::RefreshPart::Request),
        ),
    ];
    for (message_type, message) in frames {
        for (subcode, state) in [
            (1, State::OpenSent),
            (2, State::OpenConfirm),
            (3, State::Established),
        ] {
            let expected = match state {
                State::OpenSent => [1].as_slice(),
                State::OpenConfirm => &[4],
                _ => &[2, 4, 5],
            };
            if expected.contains(&message_type) {
                continue;
            }
            let mut bench = bench_in(state);
            let actions = bench.frame(FIRST, message.clone());
            let word = Action::Send(FIRST, notification(5, subcode, &[message_type]));
            assert_eq!(actions[..2], [word, Action::Close(FIRST)], "{state:?}");
        }
    }
}

#[test]
fn a_header_that_cannot_be_is_told_in_every_state() {
    let mut marker = wire::encode_keepalive().to_vec();
    marker[3] = 0;
    let mut short = wire::encode_keepalive().to_vec();
    short[17] = 18;
    let cases = [
        (marker.into(), notification(1, 1, &[])),
        (short.into(), notification(1, 2, &[0, 18])),
        (frame(9, &[]), notification(1, 3, &[9])),
    ];
    for (message, word) in cases {
        for state in [State::OpenSent, State::OpenConfirm, State::Established] {
            let mut bench = bench_in(state);
            let actions = bench.frame(FIRST, message.clone());
            let word = Action::Send(FIRST, word.clone());
            assert_eq!(actions[..2], [word, Action::Close(FIRST)], "{state:?}");
        }
    }
}

#[test]
fn what_ended_an_established_session_is_told() {
    let mut bench = bench_in(State::Established);
    let actions = bench.frame(FIRST, frame(9, &[]));
    assert_eq!(down(&actions).cause, Cause::Sent(notice(1, 3, &[9])));
    let mut bench = bench_in(State::Established);
    let actions = bench.frame(FIRST, notification(6, 8, &[]));
    assert_eq!(actions[0], Action::Close(FIRST), "nothing is answered");
    assert_eq!(down(&actions).cause, Cause::Received(notice(6, 8, &[])));
}

fn frame(message_type: u8, body: &[u8]) -> bytes::Bytes {
    let mut frame = vec![0xFF; 16];
    frame.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    frame.push(message_type);
    frame.extend(body);
    frame.into()
}

fn bench_in(state: State) -> Bench {
    let mut bench = Bench::new(plan());
    bench.dialled(FIRST);
    if state >= State::OpenConfirm {
        bench.open(FIRST, &their_open());
    }
    if state == State::Established {
        bench.keepalive(FIRST);
    }
    assert_eq!(bench.machine.state(), state);
    bench
}
