use crate::make::{block, cluster, planned, refused};
use gingham_agent::objects::Kind;
use gingham_agent::plan::Plan;
use gingham_agent::reconcile::{Table, work};
use gingham_agent::store::Event;
use gingham_model::{Change, Owner, Route, RouteProtocol, Target};
use proptest::prelude::*;

fn stale(owner: Owner, prefix: &str) -> Route {
    Route::of(owner, prefix.parse().unwrap(), Target::Unreachable)
}

fn want() -> Plan {
    planned(&cluster(&[block("10.64.0.0/26", "w2", &["10.1.0.2"])]))
}

#[test]
fn what_is_so_already_is_left_alone() {
    let plan = want();
    let table = Table::new(plan.routes.values().cloned().collect());
    assert_eq!(work(&plan, &table), Default::default());
}

#[test]
fn a_foreign_route_in_the_way_is_a_conflict_and_stays() {
    let plan = want();
    let mut foreign = plan.routes.values().next().unwrap().clone();
    foreign.protocol = RouteProtocol(4);
    let work = work(&plan, &Table::new(vec![foreign.clone()]));
    assert!(work.changes.is_empty());
    assert_eq!(work.conflicts, [(foreign.key, RouteProtocol(4))].into());
}

#[test]
fn routes_of_the_plugin_and_of_bgp_are_foreign_too() {
    let routes = vec![
        stale(Owner::Pod, "10.64.0.7/32"),
        stale(Owner::Learned, "10.65.0.0/16"),
    ];
    let table = Table::new(routes);
    assert!(table.own.is_empty());
    let plan = planned(&cluster(&[]));
    assert!(work(&plan, &table).changes.is_empty());
}

#[test]
fn the_route_to_a_block_that_cannot_be_read_stays() {
    let mut index = cluster(&[]);
    index.apply(refused(Kind::Block, "10-64-9-0-26"));
    let kept = stale(Owner::Direct, "10.64.9.0/26");
    let gone = stale(Owner::Direct, "10.64.8.0/26");
    let work = work(
        &planned(&index),
        &Table::new(vec![kept.clone(), gone.clone()]),
    );
    assert_eq!(work.changes, [Change::Remove(gone)]);
    assert_eq!(work.held.into_values().collect::<Vec<_>>(), [kept]);
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
        let work = work(&planned(&index), &Table::new(routes.clone()));
        prop_assert!(!work.changes.iter().any(|change| matches!(change, Change::Remove(_))));
        prop_assert_eq!(work.held.len(), routes.len());
    }
}
