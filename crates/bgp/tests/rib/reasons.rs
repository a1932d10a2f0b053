//! Each step of the decision with two paths that differ in it, and in a later step the other way round.

use crate::given::{Given, as_path, decided, external, id, internal, ip};
use gingham_bgp::attributes::{Community, Origin};
use gingham_bgp::rib::{Candidate, Freshness, Loss, Reach, Refusal, SourceKind, Standing, select};

/// Peer 1 is the better one wherever nothing else decides.
fn rows() -> Vec<(Given, Given, Loss)> {
    let set = |given: Given, local_pref| given.with(|a| a.local_pref = Some(local_pref));
    let med = |given: Given, med| given.with(|a| a.med = Some(med));
    let clusters = |given: Given, count: u8| {
        given.with(|a| {
            a.originator = Some(id(9));
            a.cluster_list = (0..count).map(id).collect();
        })
    };
    vec![
        (
            internal(2),
            set(
                Given {
                    freshness: Freshness::LongLived,
                    ..internal(1)
                },
                300,
            ),
            Loss::LongLivedStale,
        ),
        (
            internal(2),
            set(internal(1), 300).with(|a| *a = a.clone().with_community(Community::LLGR_STALE)),
            Loss::LongLivedStale,
        ),
        (
            set(
                Given {
                    kind: SourceKind::Internal,
                    ..external(2, [1, 2])
                },
                101,
            ),
            Given {
                kind: SourceKind::Local,
                ..internal(1)
            },
            Loss::LocalPref {
                ours: 100,
                best: 101,
            },
        ),
        (
            external(2, [1]),
            set(internal(1), 99),
            Loss::LocalPref {
                ours: 99,
                best: 100,
            },
        ),
        (
            Given {
                kind: SourceKind::Local,
                ..internal(2)
            }
            .with(|a| a.as_path = as_path([1, 2])),
            external(1, [1]),
            Loss::LocalOrigin,
        ),
        (
            external(2, [7]).with(|a| a.origin = Origin::Incomplete),
            external(1, [7, 8]),
            Loss::AsPathHops { ours: 2, best: 1 },
        ),
        (
            med(external(2, [7]), 9),
            external(1, [7]).with(|a| a.origin = Origin::Egp),
            Loss::Origin {
                ours: Origin::Egp,
                best: Origin::Igp,
            },
        ),
        (
            Given {
                kind: SourceKind::Internal,
                ..external(2, [7])
            },
            med(external(1, [7]), 1),
            Loss::Med { ours: 1, best: 0 },
        ),
        (
            Given {
                cost: 10,
                ..external(2, [7])
            },
            Given {
                kind: SourceKind::Client,
                ..external(1, [7])
            },
            Loss::ExternalPreferred,
        ),
        (
            internal(2),
            Given {
                cost: 5,
                ..internal(1)
            },
            Loss::Cost { ours: 5, best: 0 },
        ),
        (
            Given {
                router_id: 1,
                ..internal(2)
            }
            .with(|a| a.cluster_list = [id(5)].into()),
            Given {
                router_id: 2,
                ..internal(1)
            },
            Loss::RouterId {
                ours: id(2),
                best: id(1),
            },
        ),
        (
            internal(2).with(|a| a.originator = Some(id(3))),
            internal(1).with(|a| a.originator = Some(id(4))),
            Loss::RouterId {
                ours: id(4),
                best: id(3),
            },
        ),
        (
            clusters(internal(2), 1),
            clusters(internal(1), 2),
            Loss::ClusterListLength { ours: 2, best: 1 },
        ),
        (
            Given {
                router_id: 7,
                path_id: 2,
                ..internal(1)
            },
            Given {
                router_id: 7,
                path_id: 1,
                ..internal(2)
            },
            Loss::PeerAddress {
                ours: ip(2),
                best: ip(1),
            },
        ),
        (
            Given {
                path_id: 1,
                ..internal(1)
            },
            Given {
                path_id: 2,
                ..internal(1)
            },
            Loss::PathId { ours: 2, best: 1 },
        ),
    ]
}

#[test]
fn every_step_decides_before_those_after_it() {
    for (better, worse, loss) in rows() {
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
