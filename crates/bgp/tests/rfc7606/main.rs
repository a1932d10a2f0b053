//! Every case of `cases.yaml` is decoded as an internal and as an external peer would send it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod cases;

use bytes::BytesMut;
use cases::{Case, Outcome, Sender, Width};
use gingham_bgp::Nlri;
use gingham_bgp::config::AsnWidth;
use gingham_bgp::wire::{
    Codec, Disposition, MAX_STANDARD, Message, Notification, PeerKind, Update, decode, pack_reach,
    split,
};
use gingham_model::Family;
use std::collections::BTreeSet;

#[test]
fn every_case_ends_as_its_rfc_says() {
    let cases = cases::all();
    assert!(cases.len() >= 80);
    let mut wrong = Vec::new();
    for case in &cases {
        for sender in [Sender::Internal, Sender::External(65001)] {
            if let Err(why) = check(case, sender) {
                wrong.push(format!("{} ({sender:?}): {why}; {}", case.name, case.rfc));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_unique_and_resets_say_why() {
    let cases = cases::all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    for case in &cases {
        let senders = [Sender::Internal, Sender::External(65001)];
        let resets = senders
            .map(|sender| case.outcome(sender))
            .contains(&Outcome::Reset);
        assert_eq!(case.notification().is_some(), resets, "{}", case.name);
    }
}

fn check(case: &Case, sender: Sender) -> Result<(), String> {
    let codec = codec(case, sender);
    let mut stream = BytesMut::from(case.message(sender).as_slice());
    let frame = split(&mut stream, MAX_STANDARD).ok_or("no whole frame")?;
    let decoded = decode(&frame, &codec);
    let prefix = Nlri::plain(case.prefix.parse().unwrap());
    let outcome = outcome(&decoded, prefix)?;
    if outcome != case.outcome(sender) {
        return Err(format!("{outcome:?} because of {decoded:?}"));
    }
    match decoded {
        Ok(Message::Update(update)) => attributes(case, &codec, &update),
        Err(notification) if case.notification() != Some(key(&notification)) => {
            Err(format!("reset with {notification}"))
        }
        _ => Ok(()),
    }
}

fn codec(case: &Case, sender: Sender) -> Codec {
    let kind = match sender {
        Sender::Internal => PeerKind::Internal,
        Sender::External(_) => PeerKind::External,
    };
    Codec {
        families: Family::ALL.into(),
        asn_width: match case.width {
            Width::Two => AsnWidth::Two,
            Width::Four => AsnWidth::Four,
        },
        ..Codec::opening(kind)
    }
}

fn outcome(decoded: &Result<Message, Notification>, prefix: Nlri) -> Result<Outcome, String> {
    let Ok(message) = decoded else {
        return Ok(Outcome::Reset);
    };
    let Message::Update(update) = message else {
        return Err(format!("not an UPDATE: {message:?}"));
    };
    let worst = update.faults.iter().map(|fault| fault.disposition).max();
    let announced = update.announced.iter().any(|reach| reach.nlri == [prefix]);
    let withdrawn = update.withdrawn.contains(&prefix);
    match (worst, announced, withdrawn) {
        (None, true, false) => Ok(Outcome::Accept),
        (Some(Disposition::AttributeDiscard), true, false) => Ok(Outcome::Discard),
        (Some(Disposition::TreatAsWithdraw), false, true) => Ok(Outcome::Withdraw),
        _ => Err(format!("neither here nor there: {update:?}")),
    }
}

/// Looks for type codes among what the path would be passed on with.
fn attributes(case: &Case, codec: &Codec, update: &Update) -> Result<(), String> {
    let Some(reach) = update.announced.first() else {
        return Ok(());
    };
    let mut out = Vec::new();
    pack_reach(codec, &reach.attributes, &reach.nlri, &mut out).map_err(|e| e.to_string())?;
    let codes = codes(&out);
    let lost = case.kept.iter().find(|code| !codes.contains(code));
    let left = case.gone.iter().find(|code| codes.contains(code));
    match (lost, left) {
        (None, None) => Ok(()),
        _ => Err(format!("lost {lost:?}, still has {left:?}")),
    }
}

/// The type codes in an UPDATE that withdraws nothing.
fn codes(message: &[u8]) -> BTreeSet<u8> {
    let length = usize::from(u16::from_be_bytes([message[21], message[22]]));
    let mut rest = &message[23..23 + length];
    let mut codes = BTreeSet::new();
    while let [flags, code, after @ ..] = rest {
        codes.insert(*code);
        let octets = match flags & 0x10 {
            0 => 1 + usize::from(after[0]),
            _ => 2 + usize::from(u16::from_be_bytes([after[0], after[1]])),
        };
        rest = &after[octets..];
    }
    codes
}

fn key(notification: &Notification) -> (u8, u8) {
    (notification.code, notification.subcode)
}
