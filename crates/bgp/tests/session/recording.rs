//! A life kept as JSON lines and lived again.

use crate::bench::*;
use gingham_bgp::Moment;
use gingham_bgp::session::record::{Entry, replay};
use gingham_bgp::session::{Action, Event, Machine};
use gingham_bgp::wire;
use gingham_model::Family;
use std::time::Duration;

const SEED: u64 = 42;

/// A dial that fails, a collision, up, an update, keepalives, down, up again.
fn life() -> Vec<(u64, Event)> {
    let open = |id| Event::Frame(id, wire::encode_open(&their_restarting_open(true)));
    let keepalive = |id| Event::Frame(id, wire::encode_keepalive());
    vec![
        (0, Event::Start),
        (5, Event::DialFailed("refused".to_owned())),
        (3000, Event::Deadline),
        (3001, Event::Dialled(FIRST, ends())),
        (3002, Event::Accepted(SECOND, ends())),
        (3003, open(FIRST)),
        (3004, open(SECOND)),
        (3005, keepalive(SECOND)),
        (
            3006,
            Event::Frame(SECOND, wire::encode_end_of_rib(Family::V4)),
        ),
        (33_000, Event::Deadline),
        (33_001, keepalive(SECOND)),
        (33_002, Event::Blocked(SECOND)),
        (33_003, Event::Unblocked(SECOND)),
        (40_000, Event::Closed(SECOND, "reset by peer".to_owned())),
        (45_000, Event::Deadline),
        (45_001, Event::Dialled(THIRD, ends())),
        (45_002, open(THIRD)),
        (45_003, keepalive(THIRD)),
    ]
}

#[test]
fn a_recording_replays_to_the_same_actions() {
    let mut machine = Machine::new(plan(), SEED);
    let mut recording = String::new();
    let mut lived = Vec::new();
    for (milliseconds, event) in life() {
        let at = Moment::after_start(Duration::from_millis(milliseconds));
        lived.push((at, machine.handle(at, &event)));
        let entry = Entry {
            at,
            peer: "core".to_owned(),
            event,
        };
        recording += &serde_json::to_string(&entry).unwrap();
        recording.push('\n');
    }
    let happened = |wanted: fn(&Action) -> bool| {
        let actions = lived.iter().flat_map(|(_, actions)| actions);
        actions.filter(|action| wanted(action)).count()
    };
    assert_eq!(happened(|action| matches!(action, Action::Up(_))), 2);
    assert_eq!(happened(|action| matches!(action, Action::Down(_))), 1);
    assert_eq!(happened(|action| matches!(action, Action::Update(_))), 1);

    let entries: Vec<Entry> = recording
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(replay(plan(), SEED, &entries), lived);
}
