//! From start to stop, alone with one peer.

use crate::bench::*;
use gingham_bgp::config::Connect;
use gingham_bgp::session::{Action, Cause, Event, Farewell, Machine, State};
use gingham_bgp::wire::{self, RefreshPart, Update};
use gingham_bgp::{Moment, RouterId};
use gingham_model::Family;

#[test]
fn a_session_comes_up_says_what_it_hears_and_goes_down() {
    let mut bench = Bench {
        machine: Machine::new(plan(), 1),
        now: Moment::START,
    };
    assert_eq!(bench.machine.state(), State::Idle);
    assert_eq!(bench.machine.deadline(), None);
    assert_eq!(bench.tell(Event::Start), [Action::Dial]);
    assert_eq!(bench.machine.state(), State::Connect);
    let sent = bench.dialled(FIRST);
    assert!(
        matches!(sent.as_slice(), [Action::Send(FIRST, _)]),
        "{sent:?}"
    );
    assert_eq!(bench.machine.state(), State::OpenSent);
    let keepalive = Action::Send(FIRST, wire::encode_keepalive());
    assert_eq!(bench.open(FIRST, &their_open()), [keepalive]);
    assert_eq!(bench.machine.state(), State::OpenConfirm);
    assert_eq!(bench.machine.negotiated(), None);
    assert!(is_up(&bench.keepalive(FIRST)));
    let negotiated = bench.machine.negotiated().unwrap();
    assert_eq!(negotiated.connection, FIRST);
    assert_eq!(negotiated.peer_router_id, router(6));

    let end_of_rib = bench.frame(FIRST, wire::encode_end_of_rib(Family::V4));
    let update = Update {
        end_of_rib: Some(Family::V4),
        ..Update::default()
    };
    assert_eq!(end_of_rib, [Action::Update(update)]);
    let closed = bench.tell(Event::Closed(FIRST, "reset by peer".to_owned()));
    assert_eq!(
        down(&closed).cause,
        Cause::Closed("reset by peer".to_owned())
    );
    assert_eq!(closed.len(), 1, "nothing is left to close: {closed:?}");
    assert_eq!(bench.machine.state(), State::Active);
    let (wait, actions) = bench.next_deadline();
    assert!((seconds(1)..=seconds(2)).contains(&wait), "{wait:?}");
    assert_eq!(actions, [Action::Dial]);
}

#[test]
fn a_peer_may_take_the_session_as_established_one_message_early() {
    // Everything after our KEEPALIVE may come in one piece.
    let mut bench = Bench::new(plan());
    bench.dialled(FIRST);
    bench.open(FIRST, &their_open());
    assert!(is_up(&bench.keepalive(FIRST)));
    let update = bench.frame(FIRST, wire::encode_end_of_rib(Family::V4));
    assert!(matches!(update.as_slice(), [Action::Update(_)]));
}

#[test]
fn refreshes_are_passed_on_as_negotiated() {
    let borders = [RefreshPart::Begin, RefreshPart::End];
    let mut bench = established(plan(), &their_open());
    let request = wire::encode_refresh(Family::V4, RefreshPart::Request);
    let request = bench.frame(FIRST, request);
    assert_eq!(request, [Action::Refresh(Family::V4, RefreshPart::Request)]);
    for part in borders {
        let ignored = bench.frame(FIRST, wire::encode_refresh(Family::V4, part));
        assert_eq!(ignored, [], "{part:?} was not agreed upon");
    }
    let other = wire::encode_refresh(Family::V6, RefreshPart::Request);
    assert_eq!(bench.frame(FIRST, other), []);

    let mut open = their_open();
    open.capabilities.refresh = true;
    open.capabilities.enhanced_refresh = true;
    let mut bench = established(plan(), &open);
    for part in borders {
        let border = bench.frame(FIRST, wire::encode_refresh(Family::V4, part));
        assert_eq!(border, [Action::Refresh(Family::V4, part)]);
    }
}

#[test]
fn a_stopped_neighbour_stays_idle_and_refuses() {
    let stops = [
        Farewell::Shutdown("over".to_owned()),
        Farewell::HardReset("over".to_owned()),
        Farewell::Deconfigured,
        Farewell::Restart,
    ];
    for farewell in stops {
        let mut bench = established(plan(), &their_open());
        let actions = bench.tell(Event::Stop(farewell.clone()));
        assert_eq!(down(&actions).cause, Cause::Stopped(farewell.clone()));
        assert_eq!(bench.machine.state(), State::Idle);
        assert_eq!(bench.machine.deadline(), None, "{farewell:?}");
        let reset = Event::Stop(Farewell::Reset(String::new()));
        assert_eq!(bench.tell(reset), [], "a reset starts nothing");
        assert_eq!(bench.dialled(SECOND), [Action::Close(SECOND)]);
        let rejected = Action::Send(THIRD, notification(6, 5, &[]));
        assert_eq!(bench.accepted(THIRD), [rejected, Action::Close(THIRD)]);
        assert_eq!(bench.tell(Event::Start), [Action::Dial]);
    }
}

#[test]
fn a_restart_closes_without_a_word() {
    let mut bench = established(plan(), &their_open());
    let actions = bench.tell(Event::Stop(Farewell::Restart));
    assert!(matches!(
        actions.as_slice(),
        [Action::Close(FIRST), Action::Down(_)]
    ));
}

#[test]
fn resets_dial_again_soon() {
    let resets = [
        Farewell::Reset(String::new()),
        Farewell::ConfigurationChange,
        Farewell::BfdDown,
    ];
    for farewell in resets {
        let mut bench = established(plan(), &their_open());
        bench.tell(Event::Stop(farewell));
        assert_eq!(bench.machine.state(), State::Active);
        let (wait, actions) = bench.next_deadline();
        assert!((seconds(1)..=seconds(2)).contains(&wait), "{wait:?}");
        assert_eq!(actions, [Action::Dial]);
    }
}

#[test]
fn too_many_prefixes_rest_for_five_minutes_or_until_somebody_asks() {
    let excess = Event::Stop(Farewell::MaxPrefixes(Family::V4, 1000));
    let mut bench = established(plan(), &their_open());
    let actions = bench.tell(excess.clone());
    let word = notification(6, 1, &[0, 1, 1, 0, 0, 3, 0xE8]);
    assert_eq!(actions[0], Action::Send(FIRST, word));
    assert_eq!(bench.machine.state(), State::Idle);
    let rejected = Action::Send(SECOND, notification(6, 5, &[]));
    assert_eq!(bench.accepted(SECOND), [rejected, Action::Close(SECOND)]);
    assert_eq!(bench.next_deadline(), (seconds(300), vec![Action::Dial]));

    bench.up(THIRD, &their_open());
    bench.tell(excess);
    assert_eq!(bench.tell(Event::Start), [Action::Dial]);
}

#[test]
fn bfd_speaks_of_sessions_that_are_up_only() {
    let mut bench = Bench::new(plan());
    bench.dialled(FIRST);
    assert_eq!(bench.tell(Event::Stop(Farewell::BfdDown)), []);
    assert_eq!(bench.machine.state(), State::OpenSent);
}

#[test]
fn who_may_not_dial_does_not_and_who_dials_only_accepts_nothing() {
    let mut passive = plan();
    passive.connect = Connect::Passive;
    let mut bench = Bench::new(passive);
    assert_eq!(bench.machine.state(), State::Active);
    assert_eq!(bench.machine.deadline(), None);
    bench.accepted(FIRST);
    bench.open(FIRST, &their_open());
    assert!(is_up(&bench.keepalive(FIRST)));
    bench.tell(Event::Closed(FIRST, String::new()));
    assert_eq!(bench.machine.deadline(), None);

    let mut active = plan();
    active.connect = Connect::Active;
    let mut bench = Bench::new(active);
    let rejected = Action::Send(FIRST, notification(6, 5, &[]));
    assert_eq!(bench.accepted(FIRST), [rejected, Action::Close(FIRST)]);
}

#[test]
fn what_is_over_or_unknown_leads_to_nothing() {
    let mut bench = established(plan(), &their_open());
    bench.tell(Event::Stop(Farewell::Reset(String::new())));
    let late = [
        Event::Frame(FIRST, wire::encode_keepalive()),
        Event::Frame(FIRST, vec![0; 19].into()),
        Event::Closed(FIRST, "late".to_owned()),
        Event::Blocked(FIRST),
        Event::Unblocked(FIRST),
        Event::Closed(THIRD, "never there".to_owned()),
        Event::DialFailed("of nothing".to_owned()),
    ];
    let deadline = bench.machine.deadline();
    for event in late {
        assert_eq!(bench.tell(event), []);
    }
    assert_eq!(bench.machine.deadline(), deadline);
}

#[test]
fn a_new_plan_counts_from_the_next_open_on() {
    let mut bench = established(plan(), &their_open());
    let mut changed = plan();
    changed.router_id = RouterId([192, 0, 2, 1].into());
    bench.machine.set_plan(changed.clone());
    assert_eq!(bench.machine.plan(), &changed);
    assert_eq!(bench.machine.state(), State::Established);
    bench.tell(Event::Stop(Farewell::ConfigurationChange));
    bench.next_deadline();
    let sent = bench.dialled(SECOND);
    let [Action::Send(SECOND, open)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!(open[24..28], [192, 0, 2, 1]);
}
