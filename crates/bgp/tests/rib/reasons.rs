//! Each step of the decision with two paths that differ in it, and in a later step the other way round.

use crate::given::{Given, decided, external, id, internal, ip};
use gingham_bgp::attributes::{Community, Origin};
use gingham_bgp::rib::{Candidate, Freshness, Loss, Reach, Refusal, SourceKind, Standing, select};

/// The better one, the other, and why. The other is of peer 1 where that speaks for it.
type Row = (Given, Given, Loss);

fn long_lived() -> Vec<Row> {
    let good = internal(1).local_pref(300);
    let kept = Given {
        freshness: Freshness::LongLived,
        ..good.clone()
    };
    let told = good.community(Community::LLGR_STALE);
    vec![
        (internal(2), kept, Loss::LongLivedStale),
        (internal(2), told, Loss::LongLivedStale),
    ]
}

fn before_med() -> Vec<Row> {
    let local = SourceKind::Local;
    let (egp, igp) = (Origin::Egp, Origin::Igp);
    vec![
        (
            external(2, [1, 2]).local_pref(101),
            internal(1).kind(local),
            Loss::LocalPref {
                ours: 100,
                best: 101,
            },
        ),
        (
            external(2, [1]),
            internal(1).local_pref(99),
            Loss::LocalPref {
                ours: 99,
                best: 100,
            },
        ),
        (
            external(2, [1, 2]).kind(local),
            external(1, [1]),
            Loss::LocalOrigin,
        ),
        (
            external(2, [7]).origin(egp),
            external(1, [7, 8]),
            Loss::AsPathHops { ours: 2, best: 1 },
        ),
        (
            external(2, [7]).med(9),
            external(1, [7]).origin(egp),
            Loss::Origin {
                ours: egp,
                best: igp,
            },
        ),
    ]
}

fn from_med_on() -> Vec<Row> {
    let (one, other) = (external(1, [7]), external(2, [7]));
    let (inside, client) = (SourceKind::Internal, SourceKind::Client);
    vec![
        (
            other.clone().kind(inside),
            one.clone().med(1),
            Loss::Med { ours: 1, best: 0 },
        ),
        (other.cost(10), one.kind(client), Loss::ExternalPreferred),
        (
            internal(2),
            internal(1).cost(5),
            Loss::Cost { ours: 5, best: 0 },
        ),
    ]
}

fn tie_breaks() -> Vec<Row> {
    let by_id = |ours, best| Loss::RouterId {
        ours: id(ours),
        best: id(best),
    };
    let by_clusters = Loss::ClusterListLength { ours: 2, best: 1 };
    let by_address = Loss::PeerAddress {
        ours: ip(2),
        best: ip(1),
    };
    let by_number = Loss::PathId { ours: 2, best: 1 };
    vec![
        (
            internal(2).reflected(1, 3),
            internal(1).router_id(2),
            by_id(2, 1),
        ),
        (
            internal(2).reflected(3, 1),
            internal(1).reflected(4, 1),
            by_id(4, 3),
        ),
        (
            internal(2).reflected(9, 1),
            internal(1).reflected(9, 2),
            by_clusters,
        ),
        (
            internal(1).router_id(7).path_id(2),
            internal(2).router_id(7).path_id(1),
            by_address,
        ),
        (internal(1).path_id(1), internal(1).path_id(2), by_number),
    ]
}

#[test]
fn every_step_decides_before_those_after_it() {
    let rows = [long_lived(), before_med(), from_med_on(), tie_breaks()];
    for (better, worse, loss) in rows.concat() {
        for order in [[better.clone(), worse.clone()], [worse, better.clone()]] {
            let selection = decided(&order, 1);
            assert_eq!(selection.best(), Some(&better.path()), "{loss:?}");
            assert_eq!(selection.ranked[1].standing, Standing::Lost(loss));
        }
    }
}

#[test]
fn stale_paths_are_not_less_preferred() {
    let stale = Given {
        freshness: Freshness::Stale,
        ..internal(1)
    };
    let selection = decided(&[internal(2), stale.clone()], 1);
    assert_eq!(selection.best(), Some(&stale.path()));
}

#[test]
fn what_cannot_be_used_is_never_the_best_and_comes_last() {
    let refused = Given {
        refused: true,
        ..internal(1)
    };
    let far = Candidate {
        path: internal(2).path(),
        reach: Reach::Unreachable,
    };
    let near = |given: &Given| Candidate {
        path: given.path(),
        reach: Reach::Cost(0),
    };
    let selection = select(vec![near(&refused), far.clone(), near(&internal(3))], 4);
    let standings: Vec<_> = selection
        .ranked
        .iter()
        .map(|ranked| &ranked.standing)
        .collect();
    assert_eq!(
        standings,
        [
            &Standing::Best,
            &Standing::Unreachable,
            &Standing::Refused(Refusal::AsLoop)
        ]
    );
    assert_eq!(selection.usable().count(), 1);
    assert_eq!(select(vec![near(&refused), far], 4).best(), None);
    assert_eq!(select(vec![], 4).ranked, []);
}
