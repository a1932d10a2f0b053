//! What a path looks like to the peers of a profile.

use super::{Audience, Profile};
use crate::RouterId;
use crate::attributes::{Attributes, Community};
use crate::config::NextHopMode;
use crate::policy::{Decision, Subject};
use crate::rib::{Freshness, Import, Path, Source, SourceKind};
use crate::{Asn, Nlri};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;

/// LOCAL_PREF of a path that came without one: what every implementation takes it for.
const DEFAULT_LOCAL_PREF: u32 = 100;

/// The attributes with which peers of `profile` are told of `path` to `prefix`; `None` when they are
/// not. That no peer is told of its own paths is not decided here but by [`super::Readers`].
///
/// In this order:
/// * NO_ADVERTISE goes to nobody, NO_EXPORT and NO_EXPORT_SUBCONFED not to external peers (RFC 1997), and
///   what one non-client said is not told to another (RFC 4456 section 6). Communities the filter adds
///   are for the peer, and keep nothing from it.
/// * Long-lived stale paths, ours and those a peer marked, go only to peers that understand them (RFC
///   9494 section 4.3). That internal peers which do not may have them with NO_EXPORT and LOCAL_PREF 0 is
///   not made use of: a path of last resort is no gain to a peer that cannot tell it from a good one.
/// * MULTI_EXIT_DISC of another AS is not for a third one (RFC 4271 section 5.1.4). The filter may set one.
/// * The filter.
/// * The next hop, by [`NextHopMode`]. What would need our own address where none is known, or a next hop
///   of the other family without RFC 8950, cannot be told.
/// * Internal peers: LOCAL_PREF; ORIGINATOR_ID and CLUSTER_LIST in reflected paths. External ones: our AS
///   in front; nothing that is internal.
pub fn outgoing(profile: &Profile, prefix: Prefix, path: &Path) -> Option<Attributes> {
    let Import::Accepted(accepted) = &path.import else {
        return None;
    };
    if !may_hear(profile, accepted, path) {
        return None;
    }
    let mut attributes = Attributes::clone(accepted);
    if is_external(profile) && attributes.as_path.hops() > 0 {
        attributes.med = None;
    }
    let mut attributes = filtered(profile, prefix, (path, attributes))?;
    attributes.next_hop = next_hop(profile, &path.source, attributes.next_hop)?;
    if path.freshness == Freshness::LongLived {
        attributes = attributes.with_community(Community::LLGR_STALE);
    }
    Some(match profile.audience {
        Audience::Client { cluster } | Audience::Internal { cluster } => {
            internal(attributes, &path.source, cluster)
        }
        Audience::External { local_asn, .. } => external(attributes, local_asn),
    })
}

fn is_external(profile: &Profile) -> bool {
    matches!(profile.audience, Audience::External { .. })
}

fn may_hear(profile: &Profile, accepted: &Attributes, path: &Path) -> bool {
    let stale = path.freshness == Freshness::LongLived || accepted.has(Community::LLGR_STALE);
    if accepted.has(Community::NO_ADVERTISE) || (stale && !profile.long_lived) {
        return false;
    }
    match profile.audience {
        Audience::Client { .. } => true,
        Audience::Internal { .. } => path.source.kind != SourceKind::Internal,
        Audience::External { .. } => {
            !accepted.has(Community::NO_EXPORT) && !accepted.has(Community::NO_EXPORT_SUBCONFED)
        }
    }
}

fn filtered(
    profile: &Profile,
    prefix: Prefix,
    (path, attributes): (&Path, Attributes),
) -> Option<Attributes> {
    let Some(filter) = &profile.filter else {
        return (!is_external(profile)).then_some(attributes);
    };
    let nlri = Nlri {
        prefix,
        path_id: path.path_id,
    };
    let decision = filter.decide(&Subject {
        nlri,
        attributes: &attributes,
        peer: path.source.peer,
        origin_node: path.source.node.as_ref(),
        provenance: path.provenance,
    });
    match decision {
        Decision::Accept => Some(attributes),
        Decision::Change(changed) => Some(*changed),
        Decision::Reject(_) => None,
    }
}

fn next_hop(profile: &Profile, source: &Source, given: IpAddr) -> Option<IpAddr> {
    let ours = match profile.next_hop {
        NextHopMode::Own => true,
        NextHopMode::Auto if is_external(profile) => true,
        NextHopMode::Auto | NextHopMode::Unchanged => {
            source.kind == SourceKind::Local && given.is_unspecified()
        }
    };
    let chosen = if ours { profile.own_next_hop? } else { given };
    let fits = match (profile.family, Family::of(chosen)) {
        (Family::V4, Family::V6) => profile.codec.extended_next_hop,
        (wanted, family) => wanted == family,
    };
    fits.then_some(chosen)
}

fn internal(mut attributes: Attributes, source: &Source, cluster: RouterId) -> Attributes {
    attributes.local_pref.get_or_insert(DEFAULT_LOCAL_PREF);
    if matches!(source.kind, SourceKind::Internal | SourceKind::Client) {
        attributes.originator.get_or_insert(source.router_id);
        let passed = attributes.cluster_list.iter().copied();
        attributes.cluster_list = std::iter::once(cluster).chain(passed).collect();
    }
    attributes
}

fn external(attributes: Attributes, local_asn: Asn) -> Attributes {
    let crossing = attributes.extended_communities.iter().copied();
    Attributes {
        as_path: attributes.as_path.prepended(local_asn, 1),
        local_pref: None,
        originator: None,
        cluster_list: Box::default(),
        extended_communities: crossing.filter(|it| it.is_transitive()).collect(),
        ..attributes
    }
}
