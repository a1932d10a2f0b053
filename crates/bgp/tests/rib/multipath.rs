//! Which paths share the load.

use crate::given::{Given, decided, external, id, internal, ip};
use gingham_bgp::rib::{Loss, Standing};

fn sharing(given: &[Given], multipath: usize) -> Vec<u32> {
    decided(given, multipath)
        .multipath()
        .map(|path| path.source.peer.0)
        .collect()
}

#[test]
fn ties_share_up_to_the_limit_and_the_best_always_counts() {
    let four = [internal(3), internal(1), internal(4), internal(2)];
    assert_eq!(sharing(&four, 16), [1, 2, 3, 4]);
    assert_eq!(sharing(&four, 3), [1, 2, 3]);
    assert_eq!(sharing(&four, 1), [1]);
    assert_eq!(sharing(&four, 0), [1]);
    let standing = &decided(&four, 2).ranked[1].standing;
    assert_eq!(
        *standing,
        Standing::Multipath(Loss::RouterId {
            ours: id(2),
            best: id(1)
        })
    );
}

#[test]
fn a_next_hop_shares_once() {
    let twice = internal(2).with(|attributes| attributes.next_hop = ip(1));
    let selection = decided(&[internal(3), twice, internal(1)], 16);
    let peers: Vec<_> = selection
        .multipath()
        .map(|path| path.source.peer.0)
        .collect();
    assert_eq!(peers, [1, 3]);
    let lost = Standing::Lost(Loss::RouterId {
        ours: id(2),
        best: id(1),
    });
    assert_eq!(selection.ranked[1].standing, lost);
    assert_eq!(selection.usable().count(), 3);
}

#[test]
fn another_cost_or_another_sort_of_peer_does_not_share() {
    assert_eq!(
        sharing(
            &[
                internal(1),
                Given {
                    cost: 1,
                    ..internal(2)
                }
            ],
            16
        ),
        [1]
    );
    let through = |given: Given| given.with(|a| a.as_path = crate::given::as_path([7]));
    assert_eq!(sharing(&[through(internal(1)), external(2, [7])], 16), [2]);
}

#[test]
fn external_paths_share_within_a_neighbouring_system_internal_ones_at_equal_length() {
    let three = [
        external(1, [7, 9]),
        external(2, [8, 9]),
        external(3, [7, 8]),
    ];
    assert_eq!(sharing(&three, 16), [1, 3]);
    let inside = three.map(|given| internal(given.address).with(|a| *a = given.attributes));
    assert_eq!(sharing(&inside, 16), [1, 2, 3]);
}
