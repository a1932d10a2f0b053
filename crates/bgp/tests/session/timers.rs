//! Hold, keepalive, send hold, dial and OPEN timers.

use crate::bench::*;
use gingham_bgp::session::{Action, Cause, Event, State};
use gingham_bgp::wire;
use gingham_model::Family;
use std::time::Duration;

fn keepalive() -> Action {
    Action::Send(FIRST, wire::encode_keepalive())
}

#[test]
fn keepalives_go_out_at_a_third_of_the_hold_time_or_somewhat_sooner() {
    let mut open = their_open();
    open.hold_seconds = 30;
    let mut bench = established(plan(), &open);
    for _ in 0..50 {
        let (wait, actions) = bench.next_deadline();
        assert!((Duration::from_millis(7500)..=seconds(10)).contains(&wait));
        assert_eq!(actions, [keepalive()]);
        bench.keepalive(FIRST);
    }
}

#[test]
fn keepalives_and_updates_keep_a_session_up_and_nothing_else_does() {
    let mut bench = established(plan(), &their_open());
    let heard = [
        wire::encode_keepalive(),
        wire::encode_end_of_rib(Family::V4),
    ];
    for frame in heard {
        bench.wait(seconds(89));
        bench.frame(FIRST, frame);
        bench.wait(seconds(89));
        assert_eq!(bench.machine.state(), State::Established);
        bench.keepalive(FIRST);
    }
    bench.wait(seconds(89));
    let request = wire::encode_refresh(Family::V4, wire::RefreshPart::Request);
    bench.frame(FIRST, request);
    let actions = bench.wait(seconds(1));
    let word = Action::Send(FIRST, notification(4, 0, &[]));
    assert_eq!(actions[..2], [word, Action::Close(FIRST)]);
    assert_eq!(down(&actions).cause, Cause::HoldTimer);
}

#[test]
fn without_a_hold_time_a_session_lives_for_ever_but_comes_up_in_time() {
    let mut open = their_open();
    open.hold_seconds = 0;
    let bench = established(plan(), &open);
    assert_eq!(bench.machine.negotiated().unwrap().hold, None);
    assert_eq!(bench.machine.deadline(), None);

    let mut bench = Bench::new(plan());
    bench.dialled(FIRST);
    bench.open(FIRST, &open);
    let (wait, actions) = bench.next_deadline();
    assert_eq!(wait, seconds(30));
    assert_eq!(actions[0], Action::Send(FIRST, notification(4, 0, &[])));
}

#[test]
fn a_peer_that_stays_silent_is_left_after_thirty_seconds() {
    let mut bench = Bench::new(plan());
    bench.dialled(FIRST);
    let (wait, actions) = bench.next_deadline();
    assert_eq!(wait, seconds(30));
    let word = Action::Send(FIRST, notification(4, 0, &[]));
    let failed = Action::Failed("hold timer expired".to_owned());
    assert_eq!(actions, [word, Action::Close(FIRST), failed]);
}

#[test]
fn a_peer_that_does_not_read_is_left_after_eight_minutes_or_twice_the_hold_time() {
    for (hold, limit) in [(90, 480), (300, 600)] {
        let mut plan = plan();
        plan.hold = seconds(hold);
        let mut open = their_open();
        open.hold_seconds = 300;
        let mut bench = established(plan, &open);
        bench.tell(Event::Blocked(FIRST));
        bench.wait(seconds(20));
        bench.tell(Event::Blocked(FIRST));
        let mut waited = 20;
        while waited < limit - 1 {
            bench.wait(seconds(1));
            bench.keepalive(FIRST);
            waited += 1;
        }
        assert_eq!(bench.machine.state(), State::Established);
        let actions = bench.wait(seconds(1));
        let word = Action::Send(FIRST, notification(8, 0, &[]));
        assert_eq!(actions[..2], [word, Action::Close(FIRST)]);
        assert_eq!(down(&actions).cause, Cause::SendHoldTimer);
    }
}

#[test]
fn a_peer_that_reads_again_is_kept() {
    let mut bench = established(plan(), &their_open());
    bench.tell(Event::Blocked(FIRST));
    for _ in 0..479 {
        bench.wait(seconds(1));
        bench.keepalive(FIRST);
    }
    bench.tell(Event::Unblocked(FIRST));
    bench.tell(Event::Blocked(FIRST));
    for _ in 0..479 {
        bench.wait(seconds(1));
        bench.keepalive(FIRST);
    }
    assert_eq!(bench.machine.state(), State::Established);
}

#[test]
fn dials_that_fail_are_repeated_within_one_to_five_seconds() {
    let mut bench = Bench::new(plan());
    for _ in 0..20 {
        let failed = bench.tell(Event::DialFailed("refused".to_owned()));
        assert_eq!(failed, [Action::Failed("refused".to_owned())]);
        let (wait, actions) = bench.next_deadline();
        assert!((seconds(1)..=seconds(5)).contains(&wait), "{wait:?}");
        assert_eq!(actions, [Action::Dial]);
    }
    let (wait, actions) = bench.next_deadline();
    assert_eq!(wait, seconds(10));
    let timed_out = Action::Failed("the dial timed out".to_owned());
    assert_eq!(actions, [timed_out]);
    assert_eq!(bench.next_deadline().1, [Action::Dial]);
}

#[test]
fn a_dial_that_comes_through_late_is_taken_once() {
    let mut bench = Bench::new(plan());
    bench.next_deadline();
    assert_eq!(bench.machine.state(), State::Active);
    assert!(matches!(
        bench.dialled(FIRST).as_slice(),
        [Action::Send(FIRST, _)]
    ));
    assert_eq!(bench.dialled(SECOND), [Action::Close(SECOND)]);
    assert_eq!(bench.machine.state(), State::OpenSent);
}
