//! Route refresh, plain and with borders (RFC 2918, RFC 7313).

use super::lab::{Lab, open, restarting};
use crate::session::ConnectionId;
use crate::wire::{Open, RefreshPart};

const ONE: &str = "{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'], neighbours: [
    {name: two, address: 10.0.0.2, asn: 64512, connect: passive}],
    announce: [{prefix: 10.1.0.0/24}]}";

fn enhanced(mut open: Open) -> Open {
    open.capabilities.enhanced_refresh = true;
    open
}

fn lab(open: Open) -> (Lab, ConnectionId) {
    let mut lab = Lab::new(ONE);
    lab.settle();
    let two = lab.dial("10.0.0.2", open).unwrap();
    assert_eq!(lab.heard(two), ["10.1.0.0/24", "End-of-RIB"]);
    (lab, two)
}

#[test]
fn a_request_is_answered_with_everything_and_with_borders_where_they_are_agreed() {
    let (mut plain, two) = lab(open(64512, 2));
    plain.refresh(two, RefreshPart::Request);
    assert_eq!(plain.heard(two), ["10.1.0.0/24"]);
    plain.refresh(two, RefreshPart::Request);
    assert_eq!(plain.heard(two), ["10.1.0.0/24"], "as often as it asks");

    let (mut bordered, two) = lab(enhanced(open(64512, 2)));
    bordered.refresh(two, RefreshPart::Request);
    assert_eq!(bordered.heard(two), ["Begin", "10.1.0.0/24", "End"]);
}

#[test]
fn what_was_not_repeated_between_the_borders_is_gone() {
    let (mut lab, two) = lab(enhanced(open(64512, 2)));
    lab.announce(two, &["10.2.0.0/24", "10.3.0.0/24"]);
    lab.refresh(two, RefreshPart::Begin);
    assert_eq!(lab.table()[1], "10.3.0.0/24 from two via 10.0.0.2, Stale");
    lab.announce(two, &["10.2.0.0/24"]);
    lab.refresh(two, RefreshPart::End);
    assert_eq!(lab.table(), ["10.2.0.0/24 from two via 10.0.0.2"]);
    lab.refresh(two, RefreshPart::End);
    assert_eq!(
        lab.table().len(),
        1,
        "an end without a beginning says nothing"
    );
}

#[test]
fn a_refresh_that_is_never_ended_ends_by_itself() {
    let (mut lab, two) = lab(enhanced(open(64512, 2)));
    lab.announce(two, &["10.2.0.0/24", "10.3.0.0/24"]);
    lab.refresh(two, RefreshPart::Begin);
    lab.announce(two, &["10.2.0.0/24"]);
    lab.pass(359);
    assert_eq!(lab.table().len(), 2);
    lab.pass(2);
    assert_eq!(lab.table(), ["10.2.0.0/24 from two via 10.0.0.2"]);
}

#[test]
fn borders_that_were_not_agreed_upon_say_nothing() {
    let (mut lab, two) = lab(open(64512, 2));
    lab.announce(two, &["10.2.0.0/24"]);
    lab.refresh(two, RefreshPart::Begin);
    lab.refresh(two, RefreshPart::End);
    assert_eq!(lab.table(), ["10.2.0.0/24 from two via 10.0.0.2"]);
}

#[test]
fn a_peer_lost_in_the_middle_of_a_refresh_still_stood_by_what_it_had_yet_to_repeat() {
    let (mut lab, two) = lab(enhanced(restarting(64512, 2, false)));
    lab.announce(two, &["10.2.0.0/24", "10.3.0.0/24"]);
    lab.end_of_rib(two);
    lab.refresh(two, RefreshPart::Begin);
    lab.announce(two, &["10.2.0.0/24"]);
    lab.lose(two);
    assert_eq!(
        lab.table(),
        [
            "10.2.0.0/24 from two via 10.0.0.2, Stale",
            "10.3.0.0/24 from two via 10.0.0.2, Stale",
        ]
    );
}
