//! Two machines joined back to back end with one session, whatever the network does.

use crate::bench::{plan, router, seconds};
use crate::network::{Network, Side};
use gingham_bgp::Moment;
use gingham_bgp::config::Connect;
use gingham_bgp::session::{Event, Farewell, Plan};
use proptest::prelude::*;
use std::time::Duration;

/// What happens to a pair once it has started.
#[derive(Clone, Debug)]
enum Trouble {
    /// Every connection breaks; these ends hear of it at once.
    Cut(Vec<Side>),
    /// One end resets the session.
    Reset(Side),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let ends = prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1])];
    prop_oneof![
        2 => ends.prop_map(Trouble::Cut),
        1 => (0..2usize).prop_map(Trouble::Reset),
    ]
}

/// Two plans that fit: who dials, and whether routes are kept through restarts.
fn plans() -> impl Strategy<Value = [Plan; 2]> {
    let connect = prop_oneof![
        4 => Just([Connect::Both, Connect::Both]),
        1 => Just([Connect::Active, Connect::Passive]),
        1 => Just([Connect::Passive, Connect::Both]),
        1 => Just([Connect::Both, Connect::Active]),
    ];
    (connect, any::<bool>(), any::<bool>()).prop_map(|(connect, restart, swapped)| {
        let mut ids = [router(1), router(2)];
        if swapped {
            ids.reverse();
        }
        [0, 1].map(|side: Side| {
            let mut plan = plan();
            plan.connect = connect[side];
            plan.router_id = ids[side];
            plan.hold = seconds(9);
            if !restart {
                plan.restart.restart_seconds = 0;
            }
            plan
        })
    })
}

fn milliseconds(count: u64) -> Moment {
    Moment::after_start(Duration::from_millis(count))
}

/// The longest the network may take to carry anything.
fn delay() -> impl Strategy<Value = Duration> {
    let most = prop_oneof![Just(1u64), Just(20), Just(300), Just(1500)];
    most.prop_map(Duration::from_millis)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_pair_ends_with_one_session_and_keeps_it(
        plans in plans(),
        delay in delay(),
        seed in any::<u32>(),
        starts in (0..3000u64, 0..3000u64),
        troubles in proptest::collection::vec((trouble(), 1..20_000u64), 0..6),
    ) {
        let mut network = Network::new(plans, seed.into(), delay);
        network.plan(milliseconds(starts.0), 0, Event::Start);
        network.plan(milliseconds(starts.1), 1, Event::Start);
        network.run(milliseconds(3000));
        for (trouble, wait) in troubles {
            match trouble {
                Trouble::Cut(ends) => network.cut(&ends),
                Trouble::Reset(side) => {
                    let reset = Event::Stop(Farewell::Reset(String::new()));
                    network.plan(network.now, side, reset);
                }
            }
            network.run(network.now + Duration::from_millis(wait));
        }
        let settled = network.now + seconds(120);
        network.run(settled + seconds(300));
        network.assert_one_session();
        for node in &network.nodes {
            prop_assert!(node.changed <= settled, "still changing at {:?}", node.changed);
        }
    }

    /// Where nothing breaks, a collision costs no session and no second try, in whatever order things
    /// arrive.
    #[test]
    fn a_collision_is_resolved_at_the_first_try(plans in plans(), seed in any::<u32>()) {
        let mut network = Network::new(plans, seed.into(), Duration::from_millis(150));
        network.refused = 0;
        for side in [0, 1] {
            network.plan(milliseconds(0), side, Event::Start);
        }
        network.run(milliseconds(120_000));
        network.assert_one_session();
        for node in &network.nodes {
            prop_assert!(node.dials <= 1, "{} dials", node.dials);
            prop_assert_eq!((node.ups, node.downs), (1, 0));
        }
    }
}
