//! Two connections of one peer, in every order; and new ones while a session is up.

use crate::bench::*;
use gingham_bgp::session::{Action, Cause, ConnectionId, Event, Keep, State};
use gingham_bgp::wire::{self, Open};
use gingham_bgp::{Asn, RouterId};
use gingham_model::Family;

fn refused(id: ConnectionId) -> [Action; 2] {
    [Action::Send(id, notification(6, 7, &[])), Action::Close(id)]
}

fn confirmed(id: ConnectionId) -> Action {
    Action::Send(id, wire::encode_keepalive())
}

/// Both connections in OpenSent: [`FIRST`] dialled, [`SECOND`] accepted.
fn both() -> Bench {
    let mut bench = Bench::new(plan());
    bench.dialled(FIRST);
    bench.accepted(SECOND);
    assert_eq!(bench.machine.state(), State::OpenSent);
    bench
}

/// A peer that is below us (ours wins) or above us (theirs wins).
fn peer(last: u8) -> Open {
    let mut open = their_open();
    open.router_id = router(last);
    open
}

#[test]
fn the_connection_of_the_higher_identifier_survives_in_any_order() {
    for (last, winner, loser) in [(4, FIRST, SECOND), (6, SECOND, FIRST), (200, SECOND, FIRST)] {
        // The winner's OPEN first: the loser goes once it shows that it is of the same peer.
        let mut bench = both();
        assert_eq!(bench.open(winner, &peer(last)), [confirmed(winner)]);
        assert_eq!(bench.open(loser, &peer(last)), refused(loser));
        assert!(is_up(&bench.keepalive(winner)));

        // The winner is up before the loser has said anything.
        let mut bench = both();
        bench.open(winner, &peer(last));
        let actions = bench.keepalive(winner);
        assert_eq!(actions[..2], refused(loser));
        assert!(is_up(&actions));

        // The loser's OPEN first: it is not confirmed, then goes.
        let mut bench = both();
        assert_eq!(bench.open(loser, &peer(last)), []);
        let mut expected = refused(loser).to_vec();
        expected.push(confirmed(winner));
        assert_eq!(bench.open(winner, &peer(last)), expected);
        assert!(is_up(&bench.keepalive(winner)));

        // The same, and the peer has confirmed the loser.
        let mut bench = both();
        bench.open(loser, &peer(last));
        assert_eq!(bench.keepalive(loser), []);
        assert_eq!(bench.open(winner, &peer(last)), expected);
    }
}

#[test]
fn equal_identifiers_are_told_apart_by_as() {
    for (asn, winner, loser) in [(64000, FIRST, SECOND), (65000, SECOND, FIRST)] {
        let mut plan = plan();
        plan.peer_asn = Asn(asn);
        let mut open = peer(5);
        open.asn = Asn(asn);
        let mut bench = Bench::new(plan);
        bench.dialled(FIRST);
        bench.accepted(SECOND);
        bench.open(winner, &open);
        assert_eq!(bench.open(loser, &open), refused(loser));
    }
}

#[test]
fn the_one_that_would_lose_goes_on_when_the_other_dies_or_stays_silent() {
    for (last, winner, loser) in [(4, FIRST, SECOND), (6, SECOND, FIRST)] {
        let mut bench = both();
        bench.open(loser, &peer(last));
        bench.keepalive(loser);
        let actions = bench.tell(Event::Closed(winner, String::new()));
        assert_eq!(actions[0], confirmed(loser));
        assert!(is_up(&actions));

        let mut bench = both();
        bench.open(loser, &peer(last));
        let (wait, actions) = bench.next_deadline();
        assert_eq!(wait, seconds(2));
        let mut expected = refused(winner).to_vec();
        expected.push(confirmed(loser));
        assert_eq!(actions, expected);
        assert!(is_up(&bench.keepalive(loser)));
    }
}

#[test]
fn a_confirmed_connection_waits_but_yields_to_what_the_peer_does() {
    // The peer's connection would win, but ours was confirmed before it was there.
    let waiting = || {
        let mut bench = Bench::new(plan());
        bench.dialled(FIRST);
        assert_eq!(bench.open(FIRST, &peer(6)), [confirmed(FIRST)]);
        bench.accepted(SECOND);
        assert_eq!(bench.keepalive(FIRST), []);
        assert_eq!(bench.machine.state(), State::OpenConfirm);
        bench
    };
    let mut bench = waiting();
    let actions = bench.open(SECOND, &peer(6));
    assert_eq!(actions[..2], refused(FIRST));

    let mut bench = waiting();
    let closed = bench.tell(Event::Closed(SECOND, String::new()));
    assert!(is_up(&closed));

    // An UPDATE shows that the peer has it established.
    let mut bench = waiting();
    let actions = bench.frame(FIRST, wire::encode_end_of_rib(Family::V4));
    assert_eq!(actions[..2], refused(SECOND));
    assert!(matches!(actions[2..], [Action::Up(_), Action::Update(_)]));
}

#[test]
fn a_dial_that_comes_after_the_peers_open_is_dropped_unheard() {
    let mut bench = Bench::new(plan());
    bench.accepted(SECOND);
    bench.open(SECOND, &peer(4));
    assert_eq!(bench.dialled(FIRST), [Action::Close(FIRST)]);
    assert!(is_up(&bench.keepalive(SECOND)));
    assert_eq!(bench.dialled(THIRD), [Action::Close(THIRD)]);
}

#[test]
fn a_second_accepted_connection_takes_the_place_of_the_first() {
    let mut bench = Bench::new(plan());
    bench.accepted(FIRST);
    let actions = bench.accepted(SECOND);
    assert_eq!(actions[0], Action::Close(FIRST));
    assert!(matches!(actions[1..], [Action::Send(SECOND, _)]));
    bench.open(SECOND, &peer(4));
    assert!(is_up(&bench.keepalive(SECOND)));
}

#[test]
fn while_a_session_is_up_a_new_connection_is_refused_without_graceful_restart() {
    let mut bench = established(plan(), &their_open());
    bench.wait(seconds(20));
    assert_eq!(bench.accepted(SECOND), refused(SECOND));
    assert_eq!(bench.machine.state(), State::Established);
}

#[test]
fn a_peer_that_restarted_unnoticed_takes_the_place_of_its_old_session() {
    let mut bench = established(plan(), &their_restarting_open(true));
    // Right after the start it may be a leftover of a collision.
    assert_eq!(bench.accepted(SECOND), refused(SECOND));
    bench.now = bench.now + seconds(5);
    let opened = bench.accepted(THIRD);
    assert!(matches!(opened.as_slice(), [Action::Send(THIRD, _)]));
    assert_eq!(bench.machine.state(), State::Established);

    let mut restarted = their_restarting_open(true);
    restarted.router_id = RouterId([10, 0, 0, 200].into());
    let actions = bench.open(THIRD, &restarted);
    assert_eq!(actions[0], Action::Close(FIRST), "without a word");
    let lost = down(&actions);
    assert_eq!(lost.cause, Cause::Replaced);
    let stale = Keep {
        stale: seconds(60),
        long_lived: seconds(0),
    };
    assert_eq!(lost.keep, [(Family::V4, stale)].into());
    assert_eq!(actions[2], confirmed(THIRD));
    assert_eq!(bench.machine.state(), State::OpenConfirm);
    assert!(is_up(&bench.keepalive(THIRD)));
    assert_eq!(bench.machine.negotiated().unwrap().connection, THIRD);
}

#[test]
fn a_challenger_that_fails_leaves_the_session_alone() {
    let mut bench = established(plan(), &their_restarting_open(true));
    bench.now = bench.now + seconds(5);
    bench.accepted(SECOND);
    let mut wrong = their_restarting_open(true);
    wrong.asn = Asn(65000);
    let word = Action::Send(SECOND, notification(2, 2, &[]));
    assert_eq!(bench.open(SECOND, &wrong), [word, Action::Close(SECOND)]);
    assert_eq!(bench.machine.state(), State::Established);

    // One that outlives the session becomes the next.
    bench.accepted(THIRD);
    bench.tell(Event::Closed(FIRST, String::new()));
    bench.open(THIRD, &their_restarting_open(true));
    assert!(is_up(&bench.keepalive(THIRD)));
}
