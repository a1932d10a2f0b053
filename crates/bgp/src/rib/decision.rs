//! The decision for one prefix: a pure function of its paths, whatever their order.
//!
//! MED is no order over all paths (it compares paths of the same neighbouring AS only), so each path is
//! first given what its MED exceeds the lowest of its group by. With that, the order of [`Key`] is total.

use super::{
    Candidate, Freshness, Import, Loss, Path, Ranked, Reach, Selection, SourceKind, Standing,
};
use crate::attributes::{Attributes, Community, Origin};
use crate::{Asn, PeerId, RouterId};
use std::cmp::Reverse;
use std::net::IpAddr;

/// LOCAL_PREF of a path that has none.
const DEFAULT_LOCAL_PREF: u32 = 100;

/// Ranks the paths to one prefix. At most `multipath` of them (at least one) share the load: those that
/// tie with the best up to the cost of the next hop, each with a next hop of its own, external ones from
/// the same neighbouring AS.
pub fn select(candidates: Vec<Candidate>, multipath: usize) -> Selection {
    let mut contenders = Vec::with_capacity(candidates.len());
    let mut unusable = Vec::new();
    for Candidate { path, reach } in candidates {
        let standing = match (&path.import, reach) {
            (Import::Accepted(attributes), Reach::Cost(cost)) => {
                contenders.push(Contender::new(&attributes.clone(), cost, path));
                continue;
            }
            (Import::Accepted(_), Reach::Unreachable) => Standing::Unreachable,
            (Import::Refused(refusal), _) => Standing::Refused(refusal.clone()),
        };
        unusable.push(Ranked { path, standing });
    }
    compare_med(&mut contenders);
    contenders.sort_unstable_by_key(|contender| contender.key);
    unusable.sort_unstable_by_key(|ranked| {
        let refused = matches!(ranked.standing, Standing::Refused(_));
        (
            refused,
            ranked.path.source.address,
            ranked.path.source.peer,
            ranked.path.path_id,
        )
    });
    let mut ranked = stand(contenders, multipath);
    ranked.append(&mut unusable);
    Selection { ranked }
}

/// A path that can be used, and everything that is compared.
struct Contender {
    path: Path,
    key: Key,
    neighbour: Option<Asn>,
    med: u32,
    next_hop: IpAddr,
}

/// What is compared, step by step; less is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    long_lived: bool,
    local_pref: Reverse<u32>,
    learned: bool,
    hops: usize,
    origin: Origin,
    /// How far MED is above the lowest of the paths that get as far and have the same neighbouring AS.
    med_excess: u32,
    internal: bool,
    cost: u32,
    router_id: RouterId,
    clusters: usize,
    address: IpAddr,
    /// Two peers may be at one address, on two ports.
    peer: PeerId,
    path_id: u32,
}

/// Returns from [`Contender::loss`] when the two values of a step differ.
macro_rules! step {
    ($loss:ident, $ours:expr, $best:expr) => {
        if $ours != $best {
            return Loss::$loss {
                ours: $ours,
                best: $best,
            };
        }
    };
}

impl Contender {
    fn new(attributes: &Attributes, cost: u32, path: Path) -> Contender {
        let source = &path.source;
        let key = Key {
            long_lived: path.freshness == Freshness::LongLived
                || attributes.has(Community::LLGR_STALE),
            local_pref: Reverse(attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)),
            learned: source.kind != SourceKind::Local,
            hops: attributes.as_path.hops(),
            origin: attributes.origin,
            med_excess: 0,
            internal: source.kind != SourceKind::External,
            cost,
            router_id: attributes.originator.unwrap_or(source.router_id),
            clusters: attributes.cluster_list.len(),
            address: source.address,
            peer: source.peer,
            path_id: path.path_id,
        };
        Contender {
            key,
            neighbour: attributes.as_path.first(),
            med: attributes.med.unwrap_or(0),
            next_hop: attributes.next_hop,
            path,
        }
    }

    /// At which step it lost against `best`.
    fn loss(&self, best: &Contender) -> Loss {
        let (ours, best) = (&self.key, &best.key);
        if ours.long_lived != best.long_lived {
            return Loss::LongLivedStale;
        }
        step!(LocalPref, ours.local_pref.0, best.local_pref.0);
        if ours.learned != best.learned {
            return Loss::LocalOrigin;
        }
        step!(AsPathHops, ours.hops, best.hops);
        step!(Origin, ours.origin, best.origin);
        step!(Med, self.med, self.med - ours.med_excess);
        if ours.internal != best.internal {
            return Loss::ExternalPreferred;
        }
        step!(Cost, ours.cost, best.cost);
        step!(RouterId, ours.router_id, best.router_id);
        step!(ClusterListLength, ours.clusters, best.clusters);
        let (ours_at, best_at) = (ours.address, best.address);
        if (ours_at, ours.peer) != (best_at, best.peer) {
            return Loss::PeerAddress {
                ours: ours_at,
                best: best_at,
            };
        }
        Loss::PathId {
            ours: ours.path_id,
            best: best.path_id,
        }
    }

    /// Whether it may share the load with `best`.
    fn ties(&self, best: &Contender) -> bool {
        self.key.before_tie_breaks() == best.key.before_tie_breaks()
            && (self.key.internal || self.neighbour == best.neighbour)
    }
}

impl Key {
    fn before_med(&self) -> impl Ord + use<> {
        (
            self.long_lived,
            self.local_pref,
            self.learned,
            self.hops,
            self.origin,
        )
    }

    fn before_tie_breaks(&self) -> impl Ord + use<> {
        (self.before_med(), self.med_excess, self.internal, self.cost)
    }
}

/// Fills in [`Key::med_excess`], group by group of a neighbouring AS. Paths that begin in our own AS are
/// a group too.
fn compare_med(contenders: &mut [Contender]) {
    let group = |contender: &Contender| (contender.key.before_med(), contender.neighbour);
    contenders.sort_unstable_by_key(|contender| (group(contender), contender.med));
    for group in contenders.chunk_by_mut(|a, b| group(a) == group(b)) {
        let lowest = group.first().map_or(0, |first| first.med);
        for contender in group {
            contender.key.med_excess = contender.med - lowest;
        }
    }
}

/// Gives each its standing; the first is the best.
fn stand(contenders: Vec<Contender>, multipath: usize) -> Vec<Ranked> {
    let mut ranked = Vec::with_capacity(contenders.len());
    let mut contenders = contenders.into_iter();
    let Some(best) = contenders.next() else {
        return ranked;
    };
    ranked.push(Ranked {
        path: best.path.clone(),
        standing: Standing::Best,
    });
    let mut next_hops = vec![best.next_hop];
    for contender in contenders {
        let loss = contender.loss(&best);
        let shares = next_hops.len() < multipath
            && contender.ties(&best)
            && !next_hops.contains(&contender.next_hop);
        let standing = if shares {
            next_hops.push(contender.next_hop);
            Standing::Multipath(loss)
        } else {
            Standing::Lost(loss)
        };
        ranked.push(Ranked {
            path: contender.path,
            standing,
        });
    }
    ranked
}
