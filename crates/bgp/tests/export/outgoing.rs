//! Each rule of what peers are told: one row.

use crate::given::{
    ASN, CLUSTER, SELF, accept, address, clients, codec, external, path, slash_24, source,
};
use gingham_bgp::attributes::{AsPath, Attributes, Community, ExtendedCommunity, LargeCommunity};
use gingham_bgp::config::NextHopMode;
use gingham_bgp::export::{Audience, Profile, outgoing};
use gingham_bgp::policy::{Action, Filter, Verdict};
use gingham_bgp::rib::{Freshness, Import, Path, Refusal, SourceKind};
use gingham_bgp::wire::PeerKind;
use gingham_bgp::{Asn, RouterId};
use gingham_model::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

const ALL: [SourceKind; 4] = [
    SourceKind::Local,
    SourceKind::Internal,
    SourceKind::Client,
    SourceKind::External,
];

fn internals() -> Profile {
    Profile {
        audience: Audience::Internal { cluster: CLUSTER },
        ..clients()
    }
}

fn filter(actions: Vec<Action>) -> Arc<Filter> {
    let rules = vec![accept("all", actions)];
    let otherwise = Verdict::Reject;
    Arc::new(Filter {
        rules,
        otherwise,
        next: None,
    })
}

/// External peers that are told what the filter says.
fn open(actions: Vec<Action>) -> Profile {
    Profile {
        filter: Some(filter(actions)),
        ..external()
    }
}

fn given() -> Attributes {
    Attributes::originated(address(1).into())
}

fn with(communities: &[Community]) -> Attributes {
    Attributes {
        communities: communities.into(),
        ..given()
    }
}

fn from(kind: SourceKind, attributes: Attributes) -> Path {
    Path {
        source: source(1, kind),
        ..path(1, attributes)
    }
}

fn told(profile: &Profile, path: &Path) -> Option<Attributes> {
    outgoing(profile, slash_24(1), path)
}

fn hears(profile: &Profile, attributes: Attributes) -> bool {
    told(profile, &from(SourceKind::Client, attributes)).is_some()
}

#[test]
fn who_hears_of_whom() {
    let hear = |profile: &Profile| ALL.map(|kind| told(profile, &from(kind, given())).is_some());
    assert_eq!(hear(&clients()), [true; 4]);
    assert_eq!(
        hear(&internals()),
        [true, false, true, true],
        "RFC 4456 section 6"
    );
    assert_eq!(hear(&open(vec![])), [true; 4]);
    assert_eq!(hear(&external()), [false; 4], "no filter: RFC 8212");
    let refused = Path {
        import: Import::Refused(Refusal::AsLoop),
        ..from(SourceKind::Client, given())
    };
    assert_eq!(told(&clients(), &refused), None);
}

#[test]
fn reflection_marks_what_it_passes_and_nothing_else() {
    let marks = |kind, attributes| {
        let told = told(&clients(), &from(kind, attributes)).unwrap();
        (told.originator, told.cluster_list.to_vec())
    };
    let origin = RouterId(address(1));
    assert_eq!(
        marks(SourceKind::Client, given()),
        (Some(origin), vec![CLUSTER])
    );
    assert_eq!(
        marks(SourceKind::Internal, given()),
        (Some(origin), vec![CLUSTER])
    );
    assert_eq!(marks(SourceKind::Local, given()), (None, vec![]));
    assert_eq!(marks(SourceKind::External, given()), (None, vec![]));
    let first = RouterId(Ipv4Addr::new(9, 9, 9, 9));
    let passed = Attributes {
        originator: Some(first),
        cluster_list: Box::new([first]),
        ..given()
    };
    assert_eq!(
        marks(SourceKind::Client, passed),
        (Some(first), vec![CLUSTER, first])
    );
}

#[test]
fn reflection_leaves_all_else_as_it_is() {
    let all = Attributes {
        as_path: AsPath::sequence([Asn(65001)]),
        med: Some(7),
        local_pref: Some(200),
        communities: Box::new([Community(1)]),
        extended_communities: Box::new([ExtendedCommunity(0x4000_0000_0000_0001)]),
        large_communities: Box::new([LargeCommunity([1, 2, 3])]),
        ..given()
    };
    let expected = Attributes {
        originator: Some(RouterId(address(1))),
        cluster_list: Box::new([CLUSTER]),
        ..all.clone()
    };
    assert_eq!(
        told(&clients(), &from(SourceKind::Client, all)),
        Some(expected)
    );
}

#[test]
fn internal_peers_get_a_local_preference() {
    let preference = |profile: &Profile, kind, local_pref| {
        let attributes = Attributes {
            local_pref,
            ..given()
        };
        told(profile, &from(kind, attributes)).unwrap().local_pref
    };
    assert_eq!(
        preference(&clients(), SourceKind::External, None),
        Some(100)
    );
    assert_eq!(
        preference(&internals(), SourceKind::Local, Some(7)),
        Some(7)
    );
    assert_eq!(preference(&open(vec![]), SourceKind::Local, Some(7)), None);
}

#[test]
fn external_peers_see_our_as_and_nothing_internal() {
    let inside = Attributes {
        as_path: AsPath::sequence([Asn(65002)]),
        med: Some(7),
        local_pref: Some(200),
        originator: Some(CLUSTER),
        cluster_list: Box::new([CLUSTER]),
        extended_communities: Box::new([
            ExtendedCommunity(0x0002_0000_0000_0001),
            ExtendedCommunity(0x4002_0000_0000_0001),
        ]),
        large_communities: Box::new([LargeCommunity([1, 2, 3])]),
        ..with(&[Community(5)])
    };
    let expected = Attributes {
        as_path: AsPath::sequence([ASN, Asn(65002)]),
        next_hop: SELF.into(),
        med: None,
        local_pref: None,
        originator: None,
        cluster_list: Box::default(),
        extended_communities: Box::new([ExtendedCommunity(0x0002_0000_0000_0001)]),
        ..inside.clone()
    };
    let path = from(SourceKind::Client, inside);
    assert_eq!(told(&open(vec![]), &path), Some(expected));
}

#[test]
fn med_goes_one_as_far() {
    let med = |profile: &Profile, as_path: &[Asn]| {
        let attributes = Attributes {
            med: Some(7),
            as_path: AsPath::sequence(as_path.iter().copied()),
            ..given()
        };
        told(profile, &from(SourceKind::Client, attributes))
            .unwrap()
            .med
    };
    let other = [Asn(65002)];
    assert_eq!(med(&clients(), &other), Some(7));
    assert_eq!(med(&open(vec![]), &other), None);
    assert_eq!(med(&open(vec![]), &[]), Some(7), "our own");
    assert_eq!(
        med(&open(vec![Action::SetMed(9)]), &other),
        Some(9),
        "the filter's"
    );
}

#[test]
fn next_hops() {
    let via = |profile: Profile, mode, path: &Path| {
        let profile = Profile {
            next_hop: mode,
            ..profile
        };
        told(&profile, path).map(|told| told.next_hop)
    };
    let (theirs, ours) = (IpAddr::from(address(1)), IpAddr::from(SELF));
    let client = from(SourceKind::Client, given());
    let unspecified = Attributes::originated(Ipv4Addr::UNSPECIFIED.into());
    let local = from(SourceKind::Local, unspecified);
    let rows = [
        (NextHopMode::Auto, &client, theirs, ours),
        (NextHopMode::Own, &client, ours, ours),
        (NextHopMode::Unchanged, &client, theirs, theirs),
        (NextHopMode::Auto, &local, ours, ours),
        (NextHopMode::Own, &local, ours, ours),
        (NextHopMode::Unchanged, &local, ours, ours),
    ];
    for (mode, path, internal, external) in rows {
        assert_eq!(via(clients(), mode, path), Some(internal), "{mode:?}");
        assert_eq!(via(open(vec![]), mode, path), Some(external), "{mode:?}");
        let unknown = Profile {
            own_next_hop: None,
            ..clients()
        };
        let expected = (internal == theirs).then_some(theirs);
        assert_eq!(
            via(unknown, mode, path),
            expected,
            "{mode:?}, no address of ours"
        );
    }
}

#[test]
fn a_next_hop_of_the_other_family_needs_an_agreement() {
    let v6 = from(
        SourceKind::Client,
        Attributes::originated(Ipv6Addr::LOCALHOST.into()),
    );
    assert_eq!(told(&clients(), &v6), None);
    let mut agreed = clients();
    agreed.codec.extended_next_hop = true;
    assert!(told(&agreed, &v6).is_some(), "RFC 8950");
    let other_way = Profile {
        family: Family::V6,
        ..agreed
    };
    assert_eq!(told(&other_way, &from(SourceKind::Client, given())), None);
}

#[test]
fn well_known_communities_hold() {
    let rows = [
        (Community::NO_ADVERTISE, [false, false, false]),
        (Community::NO_EXPORT, [true, true, false]),
        (Community::NO_EXPORT_SUBCONFED, [true, true, false]),
        (Community::LLGR_STALE, [false, false, false]),
        (Community::BLACKHOLE, [true, true, true]),
    ];
    for (community, expected) in rows {
        let profiles = [clients(), internals(), open(vec![])];
        let heard = profiles.map(|profile| hears(&profile, with(&[community])));
        assert_eq!(heard, expected, "{community}");
    }
    let tagging = open(vec![Action::AddCommunity(Community::NO_EXPORT)]);
    assert!(
        hears(&tagging, given()),
        "what the filter adds is for the peer"
    );
    let removing = open(vec![Action::RemoveCommunity(Community::NO_EXPORT)]);
    assert!(!hears(&removing, with(&[Community::NO_EXPORT])));
}

#[test]
fn long_lived_stale_paths_go_to_who_understands_them() {
    let stale = |freshness| Path {
        freshness,
        ..from(SourceKind::Client, given())
    };
    assert_eq!(told(&clients(), &stale(Freshness::LongLived)), None);
    let understanding = Profile {
        long_lived: true,
        ..clients()
    };
    let marked = told(&understanding, &stale(Freshness::LongLived)).unwrap();
    assert_eq!(*marked.communities, [Community::LLGR_STALE]);
    let restarting = told(&clients(), &stale(Freshness::Stale)).unwrap();
    assert_eq!(*restarting.communities, []);
    assert!(hears(&understanding, with(&[Community::LLGR_STALE])));
}

#[test]
fn the_filter_decides_before_anything_is_changed() {
    let mut rejecting = clients();
    rejecting.filter = Some(Arc::new(Filter {
        rules: vec![],
        otherwise: Verdict::Reject,
        next: None,
    }));
    assert!(!hears(&rejecting, given()));
    let mut prepending = open(vec![Action::Prepend {
        asn: Asn(65009),
        count: 2,
    }]);
    let path = from(SourceKind::Client, given());
    let prepended = told(&prepending, &path).unwrap().as_path;
    assert_eq!(prepended, AsPath::sequence([ASN, Asn(65009), Asn(65009)]));
    prepending.codec = codec(PeerKind::External);
    let mut preferring = clients();
    preferring.filter = Some(filter(vec![Action::SetLocalPref(7)]));
    assert_eq!(told(&preferring, &path).unwrap().local_pref, Some(7));
}
