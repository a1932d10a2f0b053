//! Whatever happens in whatever order: no panic, no contradiction.

use crate::bench::*;
use gingham_bgp::config::Connect;
use gingham_bgp::session::{Action, ConnectionId, Event, Farewell, Machine, Plan, State};
use gingham_bgp::wire;
use gingham_bgp::{Asn, Moment};
use gingham_model::Family;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

fn farewell() -> impl Strategy<Value = Farewell> {
    prop_oneof![
        Just(Farewell::Shutdown("text".to_owned())),
        Just(Farewell::Reset(String::new())),
        Just(Farewell::HardReset("text".to_owned())),
        Just(Farewell::Deconfigured),
        Just(Farewell::ConfigurationChange),
        Just(Farewell::MaxPrefixes(Family::V4, 9)),
        Just(Farewell::BfdDown),
        Just(Farewell::Restart),
    ]
}

fn frame() -> impl Strategy<Value = bytes::Bytes> {
    let open = |last, restart: bool| {
        let mut open = match restart {
            true => their_restarting_open(true),
            false => their_open(),
        };
        open.router_id = router(last);
        wire::encode_open(&open)
    };
    let good = (0..8u8, any::<bool>()).prop_map(move |(last, restart)| open(last, restart));
    prop_oneof![
        6 => good,
        6 => Just(wire::encode_keepalive()),
        3 => Just(wire::encode_end_of_rib(Family::V4)),
        1 => Just(wire::encode_refresh(Family::V4, wire::RefreshPart::Request)),
        1 => Just(notification(6, 4, &[])),
        1 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Into::into),
    ]
}

/// Connections are numbered in the order they appear, and few, so that events meet.
fn event() -> impl Strategy<Value = Event> {
    let id = || (0..6u64).prop_map(ConnectionId);
    prop_oneof![
        2 => Just(Event::Start),
        1 => farewell().prop_map(Event::Stop),
        4 => id().prop_map(|id| Event::Dialled(id, ends())),
        1 => Just(Event::DialFailed("refused".to_owned())),
        4 => id().prop_map(|id| Event::Accepted(id, ends())),
        20 => (id(), frame()).prop_map(|(id, frame)| Event::Frame(id, frame)),
        1 => id().prop_map(|id| Event::Closed(id, "reset".to_owned())),
        1 => id().prop_map(Event::Blocked),
        1 => id().prop_map(Event::Unblocked),
        4 => Just(Event::Deadline),
    ]
}

/// What must hold of every machine after every event.
#[derive(Default)]
struct Watch {
    up: Option<ConnectionId>,
    closed: BTreeSet<ConnectionId>,
}

impl Watch {
    fn check(&mut self, machine: &Machine, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Up(negotiated) => {
                    assert_eq!(self.up, None, "up twice");
                    assert!(!self.closed.contains(&negotiated.connection));
                    self.up = Some(negotiated.connection);
                }
                Action::Down(_) => assert!(self.up.take().is_some(), "down twice"),
                Action::Update(_) | Action::Refresh(..) => assert!(self.up.is_some()),
                Action::Send(id, _) => assert!(!self.closed.contains(id), "sent after a close"),
                Action::Close(id) => assert!(self.closed.insert(*id), "closed twice"),
                Action::Dial | Action::Failed(_) => {}
            }
        }
        assert_eq!(
            machine.negotiated().map(|agreed| agreed.connection),
            self.up
        );
        assert_eq!(machine.state() == State::Established, self.up.is_some());
    }
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let connect = prop_oneof![
        3 => Just(Connect::Both),
        1 => Just(Connect::Active),
        1 => Just(Connect::Passive),
    ];
    (connect, 0..2u64, 0..2u16).prop_map(|(connect, hold, restart)| {
        let mut plan = plan();
        plan.connect = connect;
        plan.hold = seconds(hold * 90);
        plan.restart.restart_seconds = restart * 120;
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_stream_of_events_is_survived(
        plan in any_plan(),
        seed in any::<u64>(),
        events in proptest::collection::vec((event(), 0..20_000u64), 1..120),
    ) {
        let mut machine = Machine::new(plan, seed);
        let mut watch = Watch::default();
        let mut now = Moment::START;
        // The rim never gives a number twice: a new connection gets a new one.
        let mut latest = [0u64; 6];
        let mut next = 0;
        for (event, milliseconds) in events {
            now = now + Duration::from_millis(milliseconds);
            let event = match event {
                Event::Dialled(ConnectionId(slot), ends) => {
                    next += 1;
                    latest[slot as usize] = next;
                    Event::Dialled(ConnectionId(next), ends)
                }
                Event::Accepted(ConnectionId(slot), ends) => {
                    next += 1;
                    latest[slot as usize] = next;
                    Event::Accepted(ConnectionId(next), ends)
                }
                Event::Frame(id, frame) => Event::Frame(present(id, &latest), frame),
                Event::Closed(id, why) => Event::Closed(present(id, &latest), why),
                Event::Blocked(id) => Event::Blocked(present(id, &latest)),
                Event::Unblocked(id) => Event::Unblocked(present(id, &latest)),
                other => other,
            };
            let actions = machine.handle(now, &event);
            watch.check(&machine, &actions);
            if event == Event::Deadline {
                let next = machine.deadline();
                prop_assert!(next.is_none_or(|next| next > now), "{next:?} is not after {now:?}");
            }
        }
    }

    /// The same with numbers that lie: nothing is guaranteed but that it is survived.
    #[test]
    fn even_impossible_events_are_survived(
        asn in 0..3u32,
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut plan = plan();
        plan.peer_asn = Asn(64511 + asn);
        let mut machine = Machine::new(plan, 3);
        for event in events {
            machine.handle(Moment::START, &event);
        }
    }
}

fn present(ConnectionId(slot): ConnectionId, latest: &[u64; 6]) -> ConnectionId {
    ConnectionId(latest[slot as usize])
}
