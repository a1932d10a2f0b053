//! Our OPEN, and what follows from both. [`negotiate`] knows the two OPENs only, so that what was
//! offered counts, not what was configured since.

use super::{ConnectionId, Ends, Negotiated, PeerRestart, Plan, RefreshKind};
use crate::Moment;
use crate::config::{AddPathReceive, AsnWidth, MessageSize};
use crate::wire::{
    self, AddPathOffer, Capabilities, Codec, LongLivedOffer, Open, PeerKind, RestartOffer,
};
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The OPEN that offers what `plan` says at `now`.
pub(super) fn open(plan: &Plan, now: Moment) -> Open {
    let add_path = plan.families.iter().filter_map(|(family, settings)| {
        let offer = AddPathOffer {
            receive: settings.add_path.receive == AddPathReceive::On,
            send: settings.add_path.send > 0,
        };
        (offer.receive || offer.send).then_some((*family, offer))
    });
    Open {
        asn: plan.local_asn,
        hold_seconds: u16::try_from(plan.hold.as_secs()).unwrap_or(u16::MAX),
        router_id: plan.router_id,
        capabilities: Capabilities {
            families: plan.families.keys().copied().collect(),
            asn_width: plan.asn_width,
            refresh: true,
            enhanced_refresh: true,
            extended_messages: plan.messages == MessageSize::Extended,
            extended_next_hop: plan.families.contains_key(&Family::V4),
            add_path: add_path.collect(),
            restart: restart_offer(plan, now),
            long_lived: long_lived_offer(plan),
            codes: BTreeSet::new(),
        },
    }
}

/// Families that are offered, and whether their forwarding went on.
fn forwarding(plan: &Plan) -> impl Iterator<Item = (Family, bool)> + '_ {
    let families = plan.families.keys();
    families.map(|family| (*family, plan.forwarding.contains(family)))
}

fn restart_offer(plan: &Plan, now: Moment) -> Option<RestartOffer> {
    let seconds = plan.restart.restart_seconds;
    (seconds > 0).then(|| RestartOffer {
        restarting: now < plan.restarting_until,
        notification: true,
        time: Duration::from_secs(seconds.into()),
        families: forwarding(plan).collect(),
    })
}

/// RFC 9494 section 3.1: without graceful restart the capability means nothing.
fn long_lived_offer(plan: &Plan) -> BTreeMap<Family, LongLivedOffer> {
    let seconds = plan.restart.long_lived_stale_seconds;
    if seconds == 0 || plan.restart.restart_seconds == 0 {
        return BTreeMap::new();
    }
    let time = Duration::from_secs(seconds.into());
    let offers =
        forwarding(plan).map(|(family, forwarding)| (family, LongLivedOffer { forwarding, time }));
    offers.collect()
}

/// Whether the sender of `theirs` is in the AS of the sender of `ours`.
fn kind(ours: &Open, theirs: &Open) -> PeerKind {
    match ours.asn == theirs.asn {
        true => PeerKind::Internal,
        false => PeerKind::External,
    }
}

/// The families both offer.
pub(super) fn common_families(ours: &Open, theirs: &Open) -> BTreeSet<Family> {
    let (ours, theirs) = (&ours.capabilities.families, &theirs.capabilities.families);
    ours.intersection(theirs).copied().collect()
}

/// What the two OPENs of a connection agree on.
pub(super) fn negotiate(
    ours: &Open,
    theirs: &Open,
    connection: ConnectionId,
    ends: Ends,
) -> Negotiated {
    let families = common_families(ours, theirs);
    let hold = ours.hold_seconds.min(theirs.hold_seconds);
    let restart = restart(ours, theirs, &families);
    let long_lived = match restart {
        Some(_) => long_lived(ours, theirs, &families),
        None => BTreeMap::new(),
    };
    Negotiated {
        connection,
        ends,
        peer_asn: theirs.asn,
        peer_router_id: theirs.router_id,
        codec: codec(ours, theirs, families),
        hold: (hold > 0).then(|| Duration::from_secs(hold.into())),
        refresh: refresh(&ours.capabilities, &theirs.capabilities),
        restart,
        long_lived,
        capabilities: theirs.capabilities.codes.clone(),
    }
}

fn codec(ours: &Open, theirs: &Open, families: BTreeSet<Family>) -> Codec {
    let kind = kind(ours, theirs);
    let (ours, theirs) = (&ours.capabilities, &theirs.capabilities);
    let asn_width = match (ours.asn_width, theirs.asn_width) {
        (AsnWidth::Four, AsnWidth::Four) => AsnWidth::Four,
        _ => AsnWidth::Two,
    };
    let max_length = match ours.extended_messages && theirs.extended_messages {
        true => wire::MAX_EXTENDED,
        false => wire::MAX_STANDARD,
    };
    Codec {
        kind,
        asn_width,
        max_length,
        add_path_in: several_paths(theirs, ours, &families),
        add_path_out: several_paths(ours, theirs, &families),
        extended_next_hop: ours.extended_next_hop
            && theirs.extended_next_hop
            && families.contains(&Family::V4),
        families,
    }
}

/// Families in which `from` sends `to` several paths (RFC 7911 section 4).
fn several_paths(
    from: &Capabilities,
    to: &Capabilities,
    families: &BTreeSet<Family>,
) -> BTreeSet<Family> {
    let sends = |family: &Family| from.add_path.get(family).is_some_and(|offer| offer.send);
    let takes = |family: &Family| to.add_path.get(family).is_some_and(|offer| offer.receive);
    let both = families
        .iter()
        .filter(|family| sends(family) && takes(family));
    both.copied().collect()
}

fn refresh(ours: &Capabilities, theirs: &Capabilities) -> RefreshKind {
    match (
        ours.refresh && theirs.refresh,
        ours.enhanced_refresh && theirs.enhanced_refresh,
    ) {
        (true, true) => RefreshKind::Enhanced,
        (true, false) => RefreshKind::Plain,
        (false, _) => RefreshKind::None,
    }
}

fn restart(ours: &Open, theirs: &Open, families: &BTreeSet<Family>) -> Option<PeerRestart> {
    let (ours, theirs) = (&ours.capabilities.restart, &theirs.capabilities.restart);
    let (ours, theirs) = (ours.as_ref()?, theirs.as_ref()?);
    let agreed = |(family, _): &(&Family, &bool)| families.contains(family);
    let agreed = theirs.families.iter().filter(agreed);
    Some(PeerRestart {
        restarting: theirs.restarting,
        notification: ours.notification && theirs.notification,
        time: theirs.time,
        families: agreed.map(|(family, kept)| (*family, *kept)).collect(),
    })
}

/// The peer says how long its routes may be kept, we say how long we would: the smaller time counts.
fn long_lived(
    ours: &Open,
    theirs: &Open,
    families: &BTreeSet<Family>,
) -> BTreeMap<Family, LongLivedOffer> {
    let (ours, theirs) = (&ours.capabilities, &theirs.capabilities);
    let agreed = families.iter().filter_map(|family| {
        let (our, their) = (ours.long_lived.get(family)?, theirs.long_lived.get(family)?);
        let time = our.time.min(their.time);
        Some((*family, LongLivedOffer { time, ..*their }))
    });
    agreed.collect()
}
