//! What makes a prefix dirty, and what does not.

use crate::given::{Given, intern, internal, ip};
use gingham_bgp::attributes::Community;
use gingham_bgp::rib::{Freshness, Import, Path, Reach, Refusal, Rib, SourceKind};
use gingham_bgp::{Nlri, PeerId};
use gingham_model::{Family, Prefix};

const PEER: PeerId = PeerId(1);

fn prefix() -> Prefix {
    "10.1.0.0/24".parse().unwrap()
}

/// One path of one peer, already taken note of.
fn rib_with(given: &Given) -> Rib {
    let mut rib = Rib::new(16);
    rib.update(prefix(), given.path());
    assert_eq!(rib.take_dirty(), [prefix()]);
    assert_eq!(rib.take_dirty(), []);
    rib
}

fn freshness(rib: &Rib) -> Vec<Freshness> {
    rib.of_peer(PEER).map(|(_, path)| path.freshness).collect()
}

#[test]
fn the_same_again_is_no_news_and_stale_paths_become_fresh_by_it() {
    let mut rib = rib_with(&internal(1));
    rib.update(prefix(), internal(1).path());
    assert_eq!(rib.take_dirty(), []);
    rib.mark_stale(PEER, Family::V4);
    assert_eq!(freshness(&rib), [Freshness::Stale]);
    rib.update(prefix(), internal(1).path());
    assert_eq!(freshness(&rib), [Freshness::Fresh]);
    assert_eq!(rib.take_dirty(), [], "stale or fresh, it counts the same");
    rib.update(
        prefix(),
        internal(1)
            .with(|attributes| attributes.med = Some(1))
            .path(),
    );
    assert_eq!(rib.take_dirty(), [prefix()]);
}

#[test]
fn a_peer_with_another_identifier_is_news() {
    let mut rib = rib_with(&internal(1));
    rib.update(
        prefix(),
        Given {
            router_id: 9,
            ..internal(1)
        }
        .path(),
    );
    assert_eq!(rib.take_dirty(), [prefix()]);
}

#[test]
fn long_lived_paths_are_news_both_ways() {
    let mut rib = rib_with(&internal(1));
    rib.long_lived(PEER, Family::V4);
    assert_eq!(
        freshness(&rib),
        [Freshness::Fresh],
        "a peer that is back has fresh ones"
    );
    rib.mark_stale(PEER, Family::V4);
    rib.long_lived(PEER, Family::V4);
    assert_eq!(rib.take_dirty(), [prefix()]);
    rib.mark_stale(PEER, Family::V4);
    assert_eq!(freshness(&rib), [Freshness::LongLived]);
    rib.update(prefix(), internal(1).path());
    assert_eq!(freshness(&rib), [Freshness::Fresh]);
    assert_eq!(rib.take_dirty(), [prefix()]);
}

#[test]
fn a_path_that_asks_not_to_be_kept_long_goes() {
    let asks = internal(1).community(Community::NO_LLGR);
    let mut rib = rib_with(&asks);
    rib.mark_stale(PEER, Family::V4);
    rib.long_lived(PEER, Family::V6);
    assert_eq!(rib.len(), 1);
    rib.long_lived(PEER, Family::V4);
    assert!(rib.is_empty());
    assert_eq!(rib.take_dirty(), [prefix()]);
    assert_eq!(rib.select(prefix()).best(), None);
}

#[test]
fn what_was_not_repeated_is_swept() {
    let mut rib = rib_with(&internal(1));
    rib.update(
        prefix(),
        Given {
            path_id: 7,
            ..internal(1)
        }
        .path(),
    );
    rib.mark_stale(PEER, Family::V4);
    rib.update(prefix(), internal(1).path());
    rib.sweep(PEER, Family::V4);
    assert_eq!(rib.count(PEER, Family::V4), 1);
    rib.flush(PEER, Family::V4);
    assert_eq!(rib.count(PEER, Family::V4), 0);
    rib.withdraw(PEER, Nlri::plain(prefix()));
    assert_eq!(rib.take_dirty(), [prefix()]);
}

#[test]
fn a_next_hop_touches_its_own_prefixes_alone() {
    let mut rib = rib_with(&internal(1));
    rib.set_reach(ip(1), Reach::Cost(0));
    rib.set_reach(ip(2), Reach::Unreachable);
    assert_eq!(rib.take_dirty(), []);
    rib.set_reach(ip(1), Reach::Cost(5));
    assert_eq!(rib.take_dirty(), [prefix()]);
    rib.set_default_reach(Reach::Unreachable);
    assert_eq!(rib.take_dirty(), [], "this next hop is known");
    rib.set_reach(ip(1), Reach::Unreachable);
    assert_eq!(rib.take_dirty(), [prefix()]);
    assert_eq!(rib.select(prefix()).usable().count(), 0);
}

#[test]
fn what_we_originate_needs_no_way_to_its_next_hop() {
    let own = Given {
        kind: SourceKind::Local,
        ..internal(1)
    };
    let mut rib = rib_with(&own);
    rib.set_default_reach(Reach::Unreachable);
    rib.set_reach(ip(1), Reach::Unreachable);
    assert_eq!(rib.take_dirty(), []);
    assert_eq!(rib.select(prefix()).best(), Some(&own.path()));
}

/// What import makes of a path.
fn made(path: &Path, import: Import) -> Path {
    Path {
        import,
        ..path.clone()
    }
}

#[test]
fn another_filter_is_news_where_it_says_something_else() {
    let mut rib = rib_with(&internal(1));
    rib.reimport(PEER, &mut |_, path| {
        made(path, Import::Accepted(path.received.clone()))
    });
    assert_eq!(rib.take_dirty(), []);
    rib.reimport(PEER, &mut |to, path| {
        assert_eq!(to, prefix());
        made(path, Import::Refused(Refusal::NoFilter))
    });
    assert_eq!(rib.take_dirty(), [prefix()]);
    assert_eq!(
        rib.count(PEER, Family::V4),
        1,
        "kept, for when the filter changes again"
    );
    let other = internal(1)
        .with(|attributes| attributes.local_pref = Some(7))
        .attributes;
    rib.reimport(PEER, &mut |_, path| {
        made(path, Import::Accepted(intern(&other)))
    });
    assert_eq!(rib.take_dirty(), [prefix()]);
    assert_eq!(
        rib.select(prefix())
            .best()
            .unwrap()
            .accepted()
            .unwrap()
            .local_pref,
        Some(7)
    );
}

#[test]
fn only_next_hops_whose_reach_changed_are_news() {
    let mut rib = Rib::new(1);
    for last in 1..=3 {
        let to = Prefix::containing([10, last, 0, 0].into(), 24).unwrap();
        rib.update(to, internal(last).path());
    }
    rib.take_dirty();
    let connected = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    rib.set_connected(connected(&["10.0.0.0/30"]));
    assert_eq!(rib.take_dirty(), [], "all three were at hand, and are");
    rib.set_connected(connected(&["10.0.0.2/32", "10.0.0.2/31"]));
    assert_eq!(rib.take_dirty(), ["10.1.0.0/24".parse().unwrap()]);
    rib.set_reach(ip(3), Reach::Cost(7));
    rib.take_dirty();
    rib.set_connected(vec![]);
    assert_eq!(
        rib.take_dirty(),
        ["10.2.0.0/24".parse().unwrap()],
        "of the third something was said"
    );
}
