use crate::make::{block, cluster, edit_config, learned, planned, planned_with, refused};
use gingham_agent::bgp::learned::Learned;
use gingham_agent::dirty::Culprit;
use gingham_agent::objects::Kind;
use gingham_agent::plan::Plan;
use gingham_agent::routes::fights::Fights;
use gingham_agent::routes::guard::{Asked, Guard, Hold, Verdict};
use gingham_agent::routes::table::{Table, rivals};
use gingham_agent::routes::work::{Situation, Work, work};
use gingham_agent::store::Event;
use gingham_model::{Change, Family, NextHop, Owner, Route, RouteKey, RouteProtocol, Target, diff};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;
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
fn routes_of_the_plugin_are_foreign_too() {
    let routes = vec![stale(Owner::Pod, "10.64.0.7/32")];
    assert!(worked(&planned(&cluster(&[])), routes).changes.is_empty());
}

/// What BGP has learned so far, with IPv4 still to be heard out.
fn v4_pending(routes: &[(&str, &[&str])]) -> Learned {
    Learned {
        pending: [(Family::V4, "two peers have not said all yet".to_owned())].into(),
        ..learned(routes)
    }
}

#[test]
fn a_withdrawn_prefix_goes_though_the_cluster_is_not_known() {
    let mut index = cluster(&[]);
    index.apply(Event::Failed(Kind::Block, "gone".to_owned()));
    let withdrawn = stale(Owner::Learned, "10.65.0.0/16");
    let block = stale(Owner::Direct, "10.64.8.0/26");
    let work = worked(&planned(&index), vec![withdrawn.clone(), block.clone()]);
    assert_eq!(work.changes, [Change::Remove(withdrawn)]);
    assert_eq!(work.held.into_keys().collect::<Vec<_>>(), [block.key]);
}

#[test]
fn a_family_that_is_not_heard_out_holds_its_own_learned_routes_only() {
    let plan = planned_with(&cluster(&[]), &v4_pending(&[]));
    let kept = stale(Owner::Learned, "10.65.0.0/16");
    let other_family = stale(Owner::Learned, "fd00:102::/48");
    let block = stale(Owner::Direct, "10.64.8.0/26");
    let work = worked(
        &plan,
        vec![kept.clone(), other_family.clone(), block.clone()],
    );
    assert_eq!(
        work.changes,
        [Change::Remove(block), Change::Remove(other_family)]
    );
    assert_eq!(work.held[&kept.key], "two peers have not said all yet");
}

#[test]
fn a_pause_holds_learned_routes_too() {
    let mut index = cluster(&[]);
    edit_config(&mut index, |config| config.paused = true);
    let withdrawn = stale(Owner::Learned, "10.65.0.0/16");
    let work = worked(&planned(&index), vec![withdrawn.clone()]);
    assert!(work.changes.is_empty() && work.held.contains_key(&withdrawn.key));
}

/// The first peer to be heard after a restart knows of one next hop of two.
#[test]
fn next_hops_that_were_not_heard_of_yet_stay_until_all_is_heard() {
    let [both, one, other]: [&[&str]; 3] =
        [&["10.1.0.8", "10.1.0.9"], &["10.1.0.8"], &["10.1.0.7"]];
    let table = |vias| {
        let plan = planned_with(&cluster(&[]), &learned(&[("10.65.0.0/16", vias)]));
        plan.routes.into_values().collect::<Vec<_>>()
    };
    let pending = |vias| planned_with(&cluster(&[]), &v4_pending(&[("10.65.0.0/16", vias)]));
    let held = worked(&pending(one), table(both));
    assert!(held.changes.is_empty());
    assert_eq!(held.held.len(), 1);
    let heard_out = planned_with(&cluster(&[]), &learned(&[("10.65.0.0/16", one)]));
    let [fewer, elsewhere, more] = [table(one), table(other), table(both)].map(|mut routes| {
        let route = routes.remove(0);
        [Change::Replace(route)]
    });
    assert_eq!(worked(&heard_out, table(both)).changes, fewer);
    assert_eq!(worked(&pending(other), table(both)).changes, elsewhere);
    assert_eq!(worked(&pending(both), table(one)).changes, more);
}

#[test]
fn all_learned_routes_may_go_at_once() {
    let thirds = 0..200u8;
    let routes = thirds.map(|third| stale(Owner::Learned, &format!("10.70.{third}.0/24")));
    let (table, _) = Table::part(routes.collect());
    let plan = planned(&cluster(&[]));
    let asked = Asked {
        standing: table.routes(),
        wanted: &plan.routes,
        off_link: &BTreeSet::new(),
        hold: plan.mass_removal_hold,
    };
    let verdict = Guard::default().ask(&asked, Instant::now());
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn a_learned_route_whose_next_hop_is_off_the_link_for_a_moment_stays_for_that_moment() {
    let off = planned_with(&cluster(&[]), &learned(&[("10.65.0.0/16", &["10.9.0.9"])]));
    let stands = stale(Owner::Learned, "10.65.0.0/16");
    let (table, _) = Table::part(vec![stands.clone()]);
    let off_link = off.off_link();
    let asked = Asked {
        standing: table.routes(),
        wanted: &off.routes,
        off_link: &off_link,
        hold: off.mass_removal_hold,
    };
    let (mut guard, now) = (Guard::default(), Instant::now());
    let verdict = guard.ask(&asked, now);
    let situation = Situation {
        plan: &off,
        table: &table,
        rivals: &Default::default(),
        verdict: &verdict,
        fights: &Fights::default(),
        now,
    };
    let why = "next hop 10.9.0.9 is on no link of this node";
    assert_eq!(work(&situation).held[&stands.key], why);
    let verdict = guard.ask(&asked, now + Duration::from_secs(6));
    let later = Situation {
        verdict: &verdict,
        ..situation
    };
    assert_eq!(work(&later).changes, [Change::Remove(stands)]);
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

/// Few prefixes of both families, and few next hops, one of them on no link.
fn any_learned() -> impl Strategy<Value = Vec<(String, Vec<IpAddr>)>> {
    let prefix = (any::<bool>(), 0u8..6).prop_map(|(v4, at)| match v4 {
        true => format!("10.{}.0.0/16", 100 + at),
        false => format!("fd00:{}::/48", 100 + at),
    });
    let hops = proptest::collection::btree_set(6u8..10, 1..4);
    proptest::collection::btree_map(prefix, hops, 0..8).prop_map(|all| {
        let all = all.into_iter().map(|(prefix, lasts)| {
            let via = |last: u8| match (prefix.contains(':'), last) {
                (false, 9) => "10.9.0.9".parse().unwrap(),
                (true, 9) => "fd00:9::9".parse().unwrap(),
                (false, last) => format!("10.1.0.{last}").parse().unwrap(),
                (true, last) => format!("fd00:1::{last}").parse().unwrap(),
            };
            let vias = lasts.into_iter().map(via).collect();
            (prefix, vias)
        });
        all.collect()
    })
}

fn taken_in(all: &[(String, Vec<IpAddr>)], pending: &[Family]) -> Learned {
    let pending = pending.iter().map(|family| (*family, "why".to_owned()));
    let mut learned = Learned {
        pending: pending.collect(),
        ..Learned::default()
    };
    let all = all.iter().cloned();
    learned.take_in(
        all.map(|(prefix, vias)| (prefix.parse().unwrap(), vias))
            .collect(),
    );
    learned
}

proptest! {
    /// Law 6 for BGP: whatever the kernel holds and whatever has been heard, no learned prefix and
    /// no next hop of one that leads on is lost while its family is pending; and what is done
    /// later is just the difference.
    #[test]
    fn nothing_learned_is_lost_before_its_family_is_heard_out(
        before in any_learned(),
        heard in any_learned(),
        all in any_learned(),
        v6_pending in any::<bool>(),
    ) {
        let plan = |all: &[_], pending: &[Family]| {
            planned_with(&cluster(&[]), &taken_in(all, pending))
        };
        let standing = plan(&before, &[]).routes;
        let pending: &[Family] = if v6_pending { &Family::ALL } else { &[Family::V4] };
        let mut set = standing.clone();
        for change in worked(&plan(&heard, pending), standing.values().cloned().collect()).changes {
            change.apply(&mut set);
        }
        for (key, route) in &standing {
            if pending.contains(&key.prefix.family()) {
                let Some(Target::Via(now)) = set.get(key).map(|route| &route.target) else {
                    return Err(TestCaseError::fail(format!("{route:?} is lost")));
                };
                let Target::Via(then) = &route.target else { unreachable!() };
                let news = now.iter().any(|hop| !then.contains(hop));
                prop_assert!(news || now == then);
            }
        }
        let nothing = plan(&[], &Family::ALL);
        let idle = worked(&nothing, standing.values().cloned().collect());
        prop_assert_eq!(idle.changes, [], "a restart writes nothing");

        let end = plan(&all, &[]);
        let last = worked(&end, set.values().cloned().collect()).changes;
        prop_assert_eq!(&last, &diff(&end.routes, &set));
        for change in last {
            change.apply(&mut set);
        }
        prop_assert_eq!(set, end.routes);
    }
}

proptest! {
    /// Law 6, whichever source it is and whatever the kernel holds.
    #[test]
    fn a_source_that_is_not_synced_removes_nothing(
        kind in proptest::sample::select(Vec::from_iter(Kind::ALL.into_iter().filter(|kind| !kind.is_of_bgp()))),
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
