//! What two OPENs agree on, and what ours says.

use crate::bench::*;
use gingham_bgp::Asn;
use gingham_bgp::config::{AddPath, AddPathReceive, AsnWidth, FamilySettings, MessageSize};
use gingham_bgp::session::{Action, Machine, Negotiated, Plan, RefreshKind};
use gingham_bgp::wire::{
    self, AddPathOffer, Codec, LongLivedOffer, Message, Open, PeerKind, RestartOffer,
};
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};

/// The OPEN a machine sends 1000 s after the start.
fn sent(plan: Plan) -> Open {
    let mut bench = Bench::new(plan);
    let actions = bench.dialled(FIRST);
    let [Action::Send(FIRST, frame)] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    match wire::decode(frame, &Codec::opening(PeerKind::Internal)) {
        Ok(Message::Open(open)) => open,
        other => panic!("{other:?}"),
    }
}

fn agreed(plan: Plan, open: &Open) -> Negotiated {
    Bench::new(plan).up(FIRST, open)
}

fn with_add_path(families: &[Family], receive: bool, send: bool) -> Plan {
    let receive = match receive {
        true => AddPathReceive::On,
        false => AddPathReceive::Off,
    };
    let send = if send { 8 } else { 0 };
    let settings = FamilySettings {
        add_path: AddPath { receive, send },
        max_prefixes: None,
        ..FamilySettings::default()
    };
    let mut plan = plan();
    plan.families = families.iter().map(|family| (*family, settings)).collect();
    plan
}

#[test]
fn add_path_is_agreed_by_direction_and_family() {
    let choices = [(false, false), (false, true), (true, false), (true, true)];
    let lists = [[Family::V4].as_slice(), &[Family::V6], &Family::ALL];
    for ((receive, send), families) in choices.iter().flat_map(|c| lists.map(|l| (*c, l))) {
        for (their_receive, their_send) in choices {
            let mut open = their_open();
            open.capabilities.families = Family::ALL.into();
            let offer = AddPathOffer {
                receive: their_receive,
                send: their_send,
            };
            // Offered for IPv4 only: IPv6 must never be agreed upon.
            open.capabilities.add_path = BTreeMap::from([(Family::V4, offer)]);
            let codec = agreed(with_add_path(families, receive, send), &open).codec;
            let both = |one: bool, other: bool| {
                let agreed = one && other && families.contains(&Family::V4);
                agreed.then_some(Family::V4).into_iter().collect()
            };
            assert_eq!(codec.add_path_in, both(receive, their_send));
            assert_eq!(codec.add_path_out, both(send, their_receive));
            assert_eq!(codec.families, families.iter().copied().collect());
        }
    }
}

#[test]
fn our_open_says_what_the_plan_says() {
    let mut plan = with_add_path(&Family::ALL, true, false);
    plan.restart.long_lived_stale_seconds = 3600;
    plan.forwarding = BTreeSet::from([Family::V6]);
    let open = sent(plan);
    assert_eq!((open.asn, open.hold_seconds), (Asn(64512), 90));
    assert_eq!(open.router_id, router(5));
    let capabilities = open.capabilities;
    assert_eq!(capabilities.families, Family::ALL.into());
    assert_eq!(capabilities.asn_width, AsnWidth::Four);
    assert!(capabilities.refresh && capabilities.enhanced_refresh);
    assert!(capabilities.extended_messages && capabilities.extended_next_hop);
    let offer = AddPathOffer {
        receive: true,
        send: false,
    };
    assert_eq!(
        capabilities.add_path,
        Family::ALL.map(|family| (family, offer)).into()
    );
    let forwarding = [(Family::V4, false), (Family::V6, true)];
    let restart = RestartOffer {
        restarting: false,
        notification: true,
        time: seconds(120),
        families: forwarding.into(),
    };
    assert_eq!(capabilities.restart, Some(restart));
    let long_lived = forwarding.map(|(family, forwarding)| {
        let time = seconds(3600);
        (family, LongLivedOffer { forwarding, time })
    });
    assert_eq!(capabilities.long_lived, long_lived.into());
}

#[test]
fn our_open_is_silent_on_what_is_off() {
    let mut plan = plan();
    plan.restart.restart_seconds = 0;
    plan.restart.long_lived_stale_seconds = 3600;
    plan.messages = MessageSize::Standard;
    plan.asn_width = AsnWidth::Two;
    let open = sent(plan);
    assert_eq!(open.capabilities.restart, None);
    assert_eq!(open.capabilities.long_lived, BTreeMap::new());
    assert_eq!(open.capabilities.add_path, BTreeMap::new());
    assert_eq!(open.capabilities.asn_width, AsnWidth::Two);
    assert!(!open.capabilities.extended_messages);
}

#[test]
fn we_say_that_we_restart_for_as_long_as_we_do() {
    let mut restarted = plan();
    restarted.restarting_until = Bench::new(plan()).now + seconds(1);
    let restarting = |plan: Plan| sent(plan).capabilities.restart.unwrap().restarting;
    assert!(restarting(restarted.clone()));
    restarted.restarting_until = Bench::new(plan()).now;
    assert!(!restarting(restarted));
}

#[test]
fn the_smaller_hold_time_counts_and_zero_is_none() {
    for (ours, theirs, hold) in [(90, 30, 30), (9, 90, 9), (0, 90, 0), (90, 0, 0)] {
        let (mut plan, mut open) = (plan(), their_open());
        plan.hold = seconds(ours);
        open.hold_seconds = theirs;
        let hold = (hold > 0).then(|| seconds(hold));
        assert_eq!(agreed(plan, &open).hold, hold);
    }
}

#[test]
fn what_only_one_end_offers_is_not_agreed_upon() {
    let mut open = their_open();
    open.capabilities.asn_width = AsnWidth::Two;
    let poor = agreed(plan(), &open);
    assert_eq!(poor.codec.asn_width, AsnWidth::Two);
    assert_eq!(poor.codec.max_length, 4096);
    assert!(!poor.codec.extended_next_hop);
    assert_eq!(poor.refresh, RefreshKind::None);
    assert_eq!(poor.restart, None);

    let capabilities = &mut open.capabilities;
    capabilities.asn_width = AsnWidth::Four;
    capabilities.extended_messages = true;
    capabilities.extended_next_hop = true;
    capabilities.refresh = true;
    let rich = agreed(plan(), &open);
    assert_eq!(rich.codec.asn_width, AsnWidth::Four);
    assert_eq!(rich.codec.max_length, 65535);
    assert!(rich.codec.extended_next_hop);
    assert_eq!(rich.refresh, RefreshKind::Plain);
    assert!(
        rich.capabilities
            .is_superset(&BTreeSet::from([1, 2, 5, 6, 65]))
    );

    let mut standard = plan();
    standard.messages = MessageSize::Standard;
    assert_eq!(agreed(standard, &open).codec.max_length, 4096);
    open.capabilities.enhanced_refresh = true;
    assert_eq!(agreed(plan(), &open).refresh, RefreshKind::Enhanced);
}

#[test]
fn long_lived_times_need_graceful_restart_and_the_smaller_counts() {
    let offer = LongLivedOffer {
        forwarding: false,
        time: seconds(7200),
    };
    let mut open = their_restarting_open(true);
    open.capabilities.long_lived = BTreeMap::from([(Family::V4, offer)]);
    let mut plan = plan();
    assert_eq!(agreed(plan.clone(), &open).long_lived, BTreeMap::new());
    plan.restart.long_lived_stale_seconds = 3600;
    let of = |time| BTreeMap::from([(Family::V4, LongLivedOffer { time, ..offer })]);
    let ours = of(seconds(3600));
    assert_eq!(agreed(plan.clone(), &open).long_lived, ours);
    plan.restart.long_lived_stale_seconds = 86400;
    let theirs = of(seconds(7200));
    assert_eq!(agreed(plan.clone(), &open).long_lived, theirs);
    open.capabilities.restart = None;
    assert_eq!(agreed(plan, &open).long_lived, BTreeMap::new());
}

#[test]
fn both_ends_agree_on_the_same() {
    let mut left = with_add_path(&Family::ALL, true, false);
    left.peer_asn = Asn(64513);
    left.restart.long_lived_stale_seconds = 60;
    let mut right = with_add_path(&[Family::V6], true, true);
    (right.local_asn, right.peer_asn) = (Asn(64513), Asn(64512));
    right.router_id = router(6);
    right.restart.long_lived_stale_seconds = 30;
    right.asn_width = AsnWidth::Two;
    let (ours, theirs) = (sent(left.clone()), sent(right.clone()));
    let (left, right) = (agreed(left, &theirs), agreed(right, &ours));
    assert_eq!(left.codec.add_path_in, right.codec.add_path_out);
    assert_eq!(left.codec.add_path_out, right.codec.add_path_in);
    assert_eq!(left.codec.add_path_in, BTreeSet::from([Family::V6]));
    assert_eq!(left.codec.add_path_out, BTreeSet::new());
    assert_eq!(left.codec.families, right.codec.families);
    assert_eq!(left.codec.asn_width, right.codec.asn_width);
    assert_eq!(left.codec.max_length, right.codec.max_length);
    assert_eq!(left.codec.kind, PeerKind::External);
    assert_eq!(left.hold, right.hold);
    assert_eq!(left.long_lived, right.long_lived);
    assert_eq!(left.refresh, right.refresh);
}

#[test]
fn a_machine_that_was_not_started_has_nothing_to_say() {
    let machine = Machine::new(plan(), 1);
    assert_eq!(machine.negotiated(), None);
    assert_eq!(machine.deadline(), None);
}
