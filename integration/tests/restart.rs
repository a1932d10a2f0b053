//! A restart of the agent is invisible: no packet lost, no route written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use gingham_integration::{Flow, Pod, RouteMonitor, Store, Traffic, on_both_stores};
use gingham_model::Family;
use nix::sys::signal::Signal;
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::{one_zone, up};

on_both_stores! {
    twenty_kills_under_traffic_lose_no_packet_and_write_no_route,
}

/// Kills in a row.
const KILLS: usize = 20;
/// How long no agent runs each time.
const GAP: Duration = Duration::from_millis(200);

/// Packets lost in each family while `disturb` goes on, and how long that took.
fn lost(from: &Pod, to: &Pod, disturb: impl FnOnce()) -> (Vec<u64>, Duration) {
    let start = |family| Traffic::start(from, to, Flow { family, rate: 1000 }).unwrap();
    let flows = Family::ALL.map(start);
    let began = Instant::now();
    disturb();
    let took = began.elapsed();
    let counts = flows.map(|flow| flow.stop().unwrap());
    // A sender that hardly sent proves nothing.
    let least = u64::try_from(took.as_millis()).unwrap() / 2;
    let sent_enough = counts.iter().all(|count| count.sent.sent > least);
    assert!(sent_enough, "{counts:?} in {took:?}");
    (counts.iter().map(|count| count.lost()).collect(), took)
}

fn twenty_kills_under_traffic_lose_no_packet_and_write_no_route(store: Store) {
    let lab = up(store, one_zone());
    let (z1w1, z1w2) = (lab.node("z1w1").unwrap(), lab.node("z1w2").unwrap());
    let (from, to) = (z1w1.add_pod("from").unwrap(), z1w2.add_pod("to").unwrap());
    let before = [z1w1.agent_routes().unwrap(), z1w2.agent_routes().unwrap()];
    let monitor = RouteMonitor::start(z1w1.host()).unwrap();

    let (killed, took) = lost(&from, &to, || {
        for _ in 0..KILLS {
            z1w1.stop_agent(Signal::SIGKILL).unwrap();
            sleep(GAP);
            z1w1.start_agent().unwrap();
            z1w1.wait_ready(world::PATIENCE).unwrap();
            let status = z1w1.agent_status().unwrap();
            assert_eq!(status["round"]["appliedSinceStart"], 0, "{status:#}");
        }
    });
    let (undisturbed, _) = lost(&from, &to, || sleep(took));
    assert_eq!(undisturbed, [0, 0], "the control run loses some itself");
    assert_eq!(killed, [0, 0]);
    assert_eq!(monitor.seen().unwrap(), [""; 0]);
    assert_eq!(
        [z1w1.agent_routes().unwrap(), z1w2.agent_routes().unwrap()],
        before
    );
}
