use super::*;
use gingham_model::{NextHop, Owner};
use proptest::prelude::*;

const HOLD: Duration = Duration::from_secs(300);

/// A route to the block of node `n`; node 0 is this one.
fn route(n: u8) -> Route {
    let prefix = format!("10.64.{n}.0/24").parse().unwrap();
    match n {
        0 => Route::of(Owner::Sink, prefix, Target::Unreachable),
        n => {
            let via = format!("10.1.0.{n}").parse().unwrap();
            let hop = NextHop { via, dev: 2 };
            Route::of(Owner::Direct, prefix, Target::Via(hop.into()))
        }
    }
}

fn routes(nodes: impl IntoIterator<Item = u8>) -> RouteSet {
    let routes = nodes.into_iter().map(route);
    routes.map(|route| (route.key, route)).collect()
}

fn ask(guard: &mut Guard, standing: &RouteSet, wanted: &RouteSet, now: Instant) -> Verdict {
    let off_link = BTreeSet::new();
    let asked = Asked {
        standing,
        wanted,
        off_link: &off_link,
        hold: HOLD,
    };
    guard.ask(&asked, now)
}

#[test]
fn a_few_nodes_may_go_and_an_empty_list_may_not() {
    let now = Instant::now();
    for (before, after, held) in [
        (0..10, 0..9, 0),
        (0..10, 0..8, 0),
        (0..10, 0..7, 3),
        (0..3, 0..2, 0),
        // The other node, and this node's own block: nothing is left.
        (0..2, 0..0, 2),
        (0..1, 0..0, 0),
        (0..100, 0..75, 0),
        (0..100, 0..74, 26),
    ] {
        let (standing, wanted) = (routes(before.clone()), routes(after.clone()));
        let verdict = ask(&mut Guard::default(), &standing, &wanted, now);
        assert_eq!(verdict.held.len(), held, "{before:?} to {after:?}");
        assert_eq!(verdict.mass.is_some(), held > 0);
    }
}

#[test]
fn what_is_removed_one_by_one_counts_together_for_a_while() {
    let (mut guard, mut now) = (Guard::default(), Instant::now());
    let mut gone = 0;
    for left in (0..10).rev() {
        let (standing, wanted) = (routes(0..left + 1), routes(0..left));
        if ask(&mut guard, &standing, &wanted, now).held.is_empty() {
            guard.removed([route(left)].iter(), now);
            gone += 1;
        }
        now += Duration::from_secs(1);
    }
    assert_eq!(gone, FEW);
    let verdict = ask(&mut guard, &routes(0..8), &routes(0..7), now + WINDOW);
    assert!(verdict.held.is_empty(), "slowly they may all go");
}

#[test]
fn a_list_that_stays_so_is_believed_in_the_end() {
    let (mut guard, now) = (Guard::default(), Instant::now());
    let (standing, wanted) = (routes(0..10), routes(0..1));
    let verdict = ask(&mut guard, &standing, &wanted, now);
    assert_eq!(verdict.again, Some(now + HOLD));
    let mass = verdict.mass.unwrap();
    assert_eq!((mass.losing, mass.all, mass.routes), (9, 10, 9));
    assert!(
        ask(&mut guard, &standing, &wanted, now + HOLD)
            .held
            .is_empty()
    );

    // Back in between: the clock starts anew.
    let mut guard = Guard::default();
    ask(&mut guard, &standing, &wanted, now);
    ask(&mut guard, &standing, &standing, now + HOLD / 2);
    let verdict = ask(&mut guard, &standing, &wanted, now + HOLD);
    assert_eq!(verdict.held.len(), 9);
}

#[test]
fn an_operator_may_confirm_what_is_held_and_nothing_that_comes_later() {
    let (mut guard, now) = (Guard::default(), Instant::now());
    let (standing, wanted) = (routes(0..10), routes(0..5));
    assert_eq!(ask(&mut guard, &standing, &wanted, now).held.len(), 5);
    guard.confirm();
    assert!(ask(&mut guard, &standing, &wanted, now).held.is_empty());
    assert_eq!(ask(&mut guard, &standing, &routes(0..1), now).held.len(), 4);
}

#[test]
fn a_next_hop_off_the_link_for_a_moment_removes_nothing_and_is_no_mass() {
    let (mut guard, now) = (Guard::default(), Instant::now());
    let (standing, wanted) = (routes(0..10), routes(0..1));
    let off_link = standing.keys().copied().skip(1).collect();
    let asked = Asked {
        standing: &standing,
        wanted: &wanted,
        off_link: &off_link,
        hold: HOLD,
    };
    let verdict = guard.ask(&asked, now);
    assert_eq!(verdict.held.len(), 9);
    assert_eq!((verdict.mass, verdict.again), (None, Some(now + FLAP)));
    assert!(guard.ask(&asked, now + FLAP).held.is_empty());
}

proptest! {
    /// Only superfluous routes are held, and none for longer than the longest hold.
    #[test]
    fn a_hold_ends(
        before in proptest::collection::btree_set(0u8..40, 0..40),
        after in proptest::collection::btree_set(0u8..40, 0..40),
    ) {
        let now = Instant::now();
        let (standing, wanted) = (routes(before), routes(after));
        let mut guard = Guard::default();
        let verdict = ask(&mut guard, &standing, &wanted, now);
        for key in verdict.held.keys() {
            prop_assert!(standing.contains_key(key) && !wanted.contains_key(key));
        }
        prop_assert!(ask(&mut guard, &standing, &wanted, now + HOLD).held.is_empty());
    }
}
