use crate::make::{block, cluster, edit_config, planned, refused};
use gingham_agent::dirty::Culprit;
use gingham_agent::objects::Kind;
use gingham_agent::plan::Plan;
use gingham_agent::routes::fights::Fights;
use gingham_agent::routes::guard::{Hold, Verdict};
use gingham_agent::routes::table::{Table, rivals};
use gingham_agent::routes::work::{Situation, Work, work};
use gingham_agent::store::Event;
use gingham_model::{Change, NextHop, Owner, Route, RouteKey, RouteProtocol, Target};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn stale(owner: Owner, prefix: &str) -> Route {
    Route::of(owner, prefix.parse().unwrap(), Target::Unreachable)
}

fn want() -> Plan {
    planned(&cluster(&[block("10.64.0.0/26", "w2", &["10.1.0.2"])]))
}

fn first(plan: &Plan) -> Route {
    plan.routes.values().next().unwrap().clone()
}

/// What is to be done where the kernel has `routes`, as far as nobody holds anything.
fn worked(plan: &Plan, routes: Vec<Route>) -> Work {
    let (table, rest) = Table::part(routes);
    work(&Situation {
        plan,
        table: &table,
        rivals: &rivals(&plan.routes, &rest),
        verdict: &Verdict::default(),
        fights: &Fights::default(),
        now: Instant::now(),
    })
}

/// A route of somebody else at the prefix of `route`.
fn foreign(route: &Route, protocol: u8, metric: u32) -> Route {
    Route {
        key: RouteKey {
            metric,
            ..route.key
        },
        protocol: RouteProtocol(protocol),
        target: Target::Unreachable,
    }
}

#[test]
fn what_is_so_already_is_left_alone() {
    let plan = want();
    let table = plan.routes.values().cloned().collect();
    assert_eq!(worked(&plan, table), Work::default());
}

#[test]
fn a_missing_route_is_added_and_a_bent_one_replaced() {
    let plan = want();
    let route = first(&plan);
    assert_eq!(
        worked(&plan, vec![]).changes,
        [Change::Add(route.clone())],
        "where nobody stands, nobody can be taken over"
    );
    let bent = Route {
        target: Target::Unreachable,
        ..route.clone()
    };
    assert_eq!(worked(&plan, vec![bent]).changes, [Change::Replace(route)]);
}

#[test]
fn of_two_routes_at_one_key_the_second_goes_once_the_first_is_right() {
    let plan = want();
    let route = first(&plan);
    let hop = NextHop {
        via: "10.1.0.77".parse().unwrap(),
        dev: 2,
    };
    let other = Route {
        target: Target::Via(hop.into()),
        ..route.clone()
    };
    let appended = worked(&plan, vec![route.clone(), other.clone()]);
    assert_eq!(appended.changes, [Change::Remove(other.clone())]);
    let prepended = worked(&plan, vec![other, route.clone()]);
    assert_eq!(
        prepended.changes,
        [Change::Replace(route.clone()), Change::Remove(route)]
    );
}

#[test]
fn a_foreign_route_in_the_way_is_a_conflict_and_stays() {
    let plan = want();
    let route = first(&plan);
    let there = foreign(&route, 4, route.key.metric);
    let work = worked(&plan, vec![there.clone()]);
    assert!(work.changes.is_empty());
    let said = work.conflicts[&route.key].to_string();
    assert_eq!(said, "protocol 4 (static), metric 12");
}

#[test]
fn a_foreign_route_that_outranks_ours_is_a_conflict_and_ours_stands_behind_it() {
    let plan = want();
    let route = first(&plan);
    let work = worked(&plan, vec![foreign(&route, 12, 0)]);
    assert_eq!(work.changes, [Change::Add(route.clone())]);
    assert_eq!(
        work.conflicts[&route.key].to_string(),
        "protocol 12 (BIRD), metric 0"
    );
    let behind = worked(&plan, vec![foreign(&route, 12, 32)]);
    assert!(
        behind.conflicts.is_empty(),
        "the kernel prefers ours: a backup harms nobody"
    );
}

#[test]
fn a_foreign_route_is_taken_over_only_if_its_protocol_is_named_and_never_with_a_gap() {
    let mut index = cluster(&[block("10.64.0.0/26", "w2", &["10.1.0.2"])]);
    edit_config(&mut index, |config| {
        config.take_over = [RouteProtocol(3)].into();
    });
    let plan = planned(&index);
    let route = first(&plan);
    let flannel = foreign(&route, 3, 0);
    let work = worked(&plan, vec![flannel.clone()]);
    assert_eq!(
        work.changes,
        [Change::Add(route.clone()), Change::Remove(flannel)]
    );
    let same_key = foreign(&route, 3, route.key.metric);
    assert_eq!(
        worked(&plan, vec![same_key]).changes,
        [Change::Replace(route.clone())]
    );
    let not_named = foreign(&route, 4, 0);
    assert_eq!(worked(&plan, vec![not_named]).changes, [Change::Add(route)]);
}

#[test]
fn a_route_somebody_keeps_breaking_is_left_for_a_while() {
    let plan = want();
    let route = first(&plan);
    let (mut fights, now) = (Fights::default(), Instant::now());
    let culprit = Culprit {
        protocol: None,
        port: 7,
        program: None,
    };
    for _ in 0..5 {
        fights.repaired(&route.key, culprit.clone(), now);
    }
    let situation = Situation {
        plan: &plan,
        table: &Table::default(),
        rivals: &Default::default(),
        verdict: &Verdict::default(),
        fights: &fights,
        now,
    };
    let damped = work(&situation);
    assert!(damped.changes.is_empty());
    assert!(damped.contested.contains_key(&route.key));
    let later = work(&Situation {
        now: now + Duration::from_secs(2),
        ..situation
    });
    assert_eq!(later.changes, [Change::Add(route)]);
}

#[test]
fn routes_of_the_plugin_and_of_bgp_are_foreign_too() {
    let routes = vec![
        stale(Owner::Pod, "10.64.0.7/32"),
        stale(Owner::Learned, "10.65.0.0/16"),
    ];
    assert!(worked(&planned(&cluster(&[])), routes).changes.is_empty());
}

#[test]
fn the_route_to_a_block_that_cannot_be_read_stays() {
    let mut index = cluster(&[]);
    index.apply(refused(Kind::Block, "10-64-9-0-26"));
    let kept = stale(Owner::Direct, "10.64.9.0/26");
    let gone = stale(Owner::Direct, "10.64.8.0/26");
    let work = worked(&planned(&index), vec![kept.clone(), gone.clone()]);
    assert_eq!(work.changes, [Change::Remove(gone)]);
    assert_eq!(work.held.into_keys().collect::<Vec<_>>(), [kept.key]);
}

#[test]
fn what_the_guard_holds_stays() {
    let gone = stale(Owner::Direct, "10.64.8.0/26");
    let plan = planned(&cluster(&[]));
    let (table, _) = Table::part(vec![gone.clone()]);
    let verdict = Verdict {
        held: [(gone.key, Hold::Mass)].into(),
        ..Verdict::default()
    };
    let work = work(&Situation {
        plan: &plan,
        table: &table,
        rivals: &Default::default(),
        verdict: &verdict,
        fights: &Fights::default(),
        now: Instant::now(),
    });
    assert!(work.changes.is_empty());
    assert_eq!(work.held[&gone.key], "mass removal");
}

proptest! {
    /// Law 6, whichever source it is and whatever the kernel holds.
    #[test]
    fn a_source_that_is_not_synced_removes_nothing(
        kind in proptest::sample::select(Kind::ALL.to_vec()),
        thirds in proptest::collection::btree_set(any::<u8>(), 0..6),
    ) {
        let mut index = cluster(&[block("10.64.0.0/26", "w2", &["10.1.0.2"])]);
        index.apply(Event::Failed(kind, "gone".to_owned()));
        let routes = thirds.iter().map(|t| stale(Owner::Direct, &format!("10.70.{t}.0/24")));
        let routes: Vec<Route> = routes.collect();
        let work = worked(&planned(&index), routes.clone());
        prop_assert!(!work.changes.iter().any(|change| matches!(change, Change::Remove(_))));
        prop_assert_eq!(work.held.len(), routes.len());
    }
}
