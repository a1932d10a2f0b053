//! Peers out of ranges: which range they are of, how many there may be, and when they are forgotten.

use super::lab::{Lab, open, restarting};
use crate::Moment;
use crate::session::Ends;

const ONE: &str = "{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'], filters: {all: {otherwise: accept}},
    neighbours: [{name: known, address: 10.2.1.9, asn: 64512, connect: passive}],
    ranges: [
    {name: wide, prefix: 10.2.0.0/16, asn: 64512, limit: 2, families: {IPv4: {maxPrefixes: {count: 1}}}},
    {name: narrow, prefix: 10.2.1.0/24, asn: 65001, limit: 1, import: all}]}";

fn names(lab: &Lab) -> Vec<&str> {
    let peers = lab.core.peers.values();
    peers.map(|peer| peer.name.as_str()).collect()
}

#[test]
fn the_longest_range_counts_and_a_neighbour_before_any() {
    let mut lab = Lab::new(ONE);
    let wide = lab.peer("10.2.2.2", open(64512, 2));
    let narrow = lab.peer("10.2.1.2", open(65001, 3));
    let known = lab.peer("10.2.1.9", open(64512, 4));
    assert_eq!(names(&lab), ["known", "wide/10.2.2.2", "narrow/10.2.1.2"]);
    assert!([wide, narrow, known].iter().all(|it| lab.is_open(*it)));
    lab.announce(narrow, &["10.9.0.0/24", "10.8.0.0/24"]);
    assert_eq!(
        lab.table()[1],
        "10.9.0.0/24 from narrow/10.2.1.2 via 10.2.1.2, path 65001"
    );
    assert!(lab.dial("10.3.0.1", open(64512, 5)).is_none(), "a stranger");
}

#[test]
fn a_range_that_is_full_takes_nobody_until_one_is_gone() {
    let mut lab = Lab::new(ONE);
    let first = lab.peer("10.2.1.2", open(65001, 2));
    assert!(
        lab.dial("10.2.1.3", open(65001, 3)).is_none(),
        "nor does a wider range take it"
    );
    lab.lose(first);
    assert_eq!(names(&lab), ["known"]);
    let second = lab.peer("10.2.1.3", open(65001, 3));
    lab.announce(second, &["10.9.0.0/24"]);
    lab.lose(second);
    assert!(lab.table().is_empty() && names(&lab) == ["known"]);
}

#[test]
fn a_caller_nothing_comes_of_takes_no_place() {
    let mut lab = Lab::new(ONE);
    let ends = Ends {
        local: "10.0.0.1:179".parse().unwrap(),
        remote: "10.2.1.2:40000".parse().unwrap(),
    };
    let caller = lab.core.caller(Moment::START, ends).unwrap();
    lab.core.forget_spent(caller);
    assert_eq!(names(&lab), ["known"]);
    lab.peer("10.2.1.3", open(65001, 3));
    let up = lab.core.caller(
        Moment::START,
        Ends {
            remote: "10.2.1.3:1".parse().unwrap(),
            ..ends
        },
    );
    lab.core.forget_spent(up.unwrap());
    assert_eq!(
        names(&lab),
        ["known", "narrow/10.2.1.3"],
        "a second call ends no session"
    );
}

#[test]
fn a_peer_whose_routes_are_kept_is_remembered() {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.2.2.2", restarting(64512, 2, false));
    lab.announce(two, &["10.9.0.0/24"]);
    lab.lose(two);
    assert_eq!(
        lab.table(),
        ["10.9.0.0/24 from wide/10.2.2.2 via 10.2.2.2, Stale"]
    );
    let two = lab.peer("10.2.2.2", restarting(64512, 2, true));
    assert_eq!(lab.table().len(), 1);
    lab.end_of_rib(two);
    assert!(lab.table().is_empty());
    lab.announce(two, &["10.8.0.0/24"]);
    lab.lose(two);
    lab.pass(101);
    assert!(lab.table().is_empty() && names(&lab) == ["known"]);
    lab.peer("10.2.2.2", open(64512, 2));
    assert_eq!(names(&lab), ["known", "wide/10.2.2.2"]);
}

#[test]
fn a_peer_that_said_too_much_is_remembered_until_it_may_come_back() {
    let mut lab = Lab::new(ONE);
    let two = lab.peer("10.2.2.2", open(64512, 2));
    lab.announce(two, &["10.9.0.0/24", "10.8.0.0/24"]);
    assert!(!lab.is_open(two) && lab.table().is_empty());
    let early = lab.dial("10.2.2.2", open(64512, 2)).unwrap();
    assert!(!lab.is_open(early));
    lab.pass(301);
    assert_eq!(names(&lab), ["known"]);
    let two = lab.peer("10.2.2.2", open(64512, 2));
    assert!(lab.is_open(two));
}

#[test]
fn a_peer_that_another_range_or_a_neighbour_takes_over_begins_anew() {
    let mut lab = Lab::new(ONE);
    let wide = lab.peer("10.2.2.2", restarting(64512, 2, false));
    let narrow = lab.peer("10.2.1.2", open(65001, 3));
    lab.announce(wide, &["10.9.0.0/24"]);
    let taken = "{name: mine, address: 10.2.2.2, asn: 64512, connect: passive}";
    lab.configure(&ONE.replace("neighbours: [", &format!("neighbours: [{taken}, ")));
    assert!(!lab.is_open(wide) && lab.is_open(narrow));
    assert_eq!(names(&lab), ["known", "narrow/10.2.1.2", "mine"]);
    assert!(lab.table().is_empty());
    lab.configure(&ONE.replace("10.2.1.0/24", "10.2.2.0/24"));
    assert!(!lab.is_open(narrow));
    assert_eq!(names(&lab), ["known"]);
}
