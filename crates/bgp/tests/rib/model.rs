//! A naive RIB: a list of paths, and the decision as the RFCs tell it, one elimination after the other.

use gingham_bgp::attributes::{Attributes, Community, Interned};
use gingham_bgp::rib::{Freshness, Import, Loss, Path, Provenance, Reach, SourceKind, Standing};
use gingham_bgp::{Nlri, PeerId};
use gingham_model::{Family, Prefix};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What tells paths to one prefix apart.
pub(crate) type Key = (PeerId, u32);

pub(crate) struct Model {
    pub(crate) multipath: usize,
    pub(crate) paths: Vec<(Prefix, Path)>,
    pub(crate) reach: BTreeMap<IpAddr, Reach>,
    pub(crate) otherwise: Otherwise,
}

/// Next hops nothing was said of.
pub(crate) enum Otherwise {
    Alike(Reach),
    Connected(Vec<Prefix>),
}

impl Model {
    pub(crate) fn update(&mut self, prefix: Prefix, path: Path) {
        let nlri = Nlri {
            prefix,
            path_id: path.path_id,
        };
        self.withdraw(path.source.peer, nlri);
        self.paths.push((prefix, path));
    }

    pub(crate) fn withdraw(&mut self, peer: PeerId, nlri: Nlri) {
        self.paths.retain(|(prefix, path)| {
            (path.source.peer, path.path_id, *prefix) != (peer, nlri.path_id, nlri.prefix)
        });
    }

    /// Makes all paths of a peer to a prefix fresh. Says what the peer would send.
    pub(crate) fn repeat(&mut self, peer: PeerId, prefix: Prefix) -> Vec<Path> {
        let same = |(to, path): &&mut (Prefix, Path)| *to == prefix && path.source.peer == peer;
        let repeated = self.paths.iter_mut().filter(same).map(|(_, path)| {
            path.freshness = Freshness::Fresh;
            path.clone()
        });
        repeated.collect()
    }

    pub(crate) fn mark_stale(&mut self, peer: PeerId, family: Family) {
        for path in self.of_mut(peer, family) {
            if path.freshness == Freshness::Fresh {
                path.freshness = Freshness::Stale;
            }
        }
    }

    pub(crate) fn sweep(&mut self, peer: PeerId, family: Family) {
        self.paths.retain(|(prefix, path)| {
            !of(peer, family, *prefix, path) || path.freshness == Freshness::Fresh
        });
    }

    pub(crate) fn long_lived(&mut self, peer: PeerId, family: Family) {
        for path in self.of_mut(peer, family) {
            if path.freshness == Freshness::Stale {
                path.freshness = Freshness::LongLived;
            }
        }
        // One that was long-lived before cannot carry NO_LLGR any more.
        self.paths.retain(|(prefix, path)| {
            let attributes = match &path.import {
                Import::Accepted(attributes) => attributes,
                Import::Refused(_) => &path.received,
            };
            !of(peer, family, *prefix, path)
                || path.freshness != Freshness::LongLived
                || !attributes.has(Community::NO_LLGR)
        });
    }

    pub(crate) fn flush(&mut self, peer: PeerId, family: Family) {
        self.paths
            .retain(|(prefix, path)| !of(peer, family, *prefix, path));
    }

    pub(crate) fn reimport(
        &mut self,
        concerned: impl Fn(Prefix, &Path) -> bool,
        import: impl Fn(Prefix, &Path) -> Path,
    ) {
        for (prefix, path) in &mut self.paths {
            if concerned(*prefix, path) {
                *path = import(*prefix, path);
            }
        }
    }

    pub(crate) fn contributes(&self, aggregate: Prefix) -> bool {
        self.paths.iter().any(|(prefix, path)| {
            aggregate.covers(*prefix)
                && path.provenance == Provenance::Zone
                && matches!(path.import, Import::Accepted(_))
        })
    }

    pub(crate) fn count(&self, peer: PeerId, family: Family) -> usize {
        let held = self
            .paths
            .iter()
            .filter(|(prefix, path)| of(peer, family, *prefix, path));
        held.count()
    }

    pub(crate) fn prefixes(&self) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> = self.paths.iter().map(|(prefix, _)| *prefix).collect();
        prefixes.sort();
        prefixes.dedup();
        prefixes
    }

    /// How each path to `prefix` stands.
    pub(crate) fn standings(&self, prefix: Prefix) -> BTreeMap<Key, Standing> {
        let mut standings = BTreeMap::new();
        let mut left = Vec::new();
        for (_, path) in self.paths.iter().filter(|(to, _)| *to == prefix) {
            let key = (path.source.peer, path.path_id);
            match &path.import {
                Import::Refused(refusal) => {
                    standings.insert(key, Standing::Refused(refusal.clone()));
                }
                Import::Accepted(attributes) => match self.reach_of(path, attributes.next_hop) {
                    Reach::Unreachable => {
                        standings.insert(key, Standing::Unreachable);
                    }
                    Reach::Cost(cost) => left.push(Usable {
                        path,
                        attributes,
                        cost,
                    }),
                },
            }
        }
        let mut decision = Decision {
            left,
            lost: standings,
        };
        decision.before_tie_breaks();
        decision.share(self.multipath);
        decision.lost
    }

    fn reach_of(&self, path: &Path, next_hop: IpAddr) -> Reach {
        if path.source.kind == SourceKind::Local {
            return Reach::Cost(0);
        }
        let known = self.reach.get(&next_hop);
        known.copied().unwrap_or_else(|| match &self.otherwise {
            Otherwise::Alike(reach) => *reach,
            Otherwise::Connected(prefixes) => {
                let at_hand = prefixes.iter().any(|prefix| prefix.contains(next_hop));
                if at_hand {
                    Reach::Cost(0)
                } else {
                    Reach::Unreachable
                }
            }
        })
    }

    fn of_mut(&mut self, peer: PeerId, family: Family) -> impl Iterator<Item = &mut Path> {
        let of = move |(prefix, path): &&mut (Prefix, Path)| of(peer, family, *prefix, path);
        self.paths.iter_mut().filter(of).map(|(_, path)| path)
    }
}

fn of(peer: PeerId, family: Family, prefix: Prefix, path: &Path) -> bool {
    path.source.peer == peer && prefix.family() == family
}

#[derive(Clone, Copy)]
struct Usable<'a> {
    path: &'a Path,
    attributes: &'a Interned,
    cost: u32,
}

impl Usable<'_> {
    fn key(&self) -> Key {
        (self.path.source.peer, self.path.path_id)
    }
}

/// The paths still in, and how the others stand.
struct Decision<'a> {
    left: Vec<Usable<'a>>,
    lost: BTreeMap<Key, Standing>,
}

impl Decision<'_> {
    /// Only paths with the least value stay.
    fn least<T: Ord + Copy>(
        &mut self,
        value: impl Fn(&Usable<'_>) -> T,
        loss: impl Fn(T, T) -> Loss,
    ) {
        let Some(best) = self.left.iter().map(&value).min() else {
            return;
        };
        for path in self.left.extract_if(.., |path| value(path) > best) {
            let loss = loss(value(&path), best);
            self.lost.insert(path.key(), Standing::Lost(loss));
        }
    }

    fn before_tie_breaks(&mut self) {
        let local_pref = |attributes: &Attributes| attributes.local_pref.unwrap_or(100);
        self.least(
            |of| {
                of.path.freshness == Freshness::LongLived
                    || of.attributes.has(Community::LLGR_STALE)
            },
            |_, _| Loss::LongLivedStale,
        );
        self.least(
            |of| u32::MAX - local_pref(of.attributes),
            |ours, best| Loss::LocalPref {
                ours: u32::MAX - ours,
                best: u32::MAX - best,
            },
        );
        self.least(
            |of| of.path.source.kind != SourceKind::Local,
            |_, _| Loss::LocalOrigin,
        );
        self.least(
            |of| of.attributes.as_path.hops(),
            |ours, best| Loss::AsPathHops { ours, best },
        );
        self.least(
            |of| of.attributes.origin,
            |ours, best| Loss::Origin { ours, best },
        );
        self.med();
        self.least(
            |of| of.path.source.kind != SourceKind::External,
            |_, _| Loss::ExternalPreferred,
        );
        self.least(|of| of.cost, |ours, best| Loss::Cost { ours, best });
    }

    /// RFC 4271 section 9.1.2.2 c, its loops as they stand there.
    fn med(&mut self) {
        let med = |of: &Usable<'_>| of.attributes.med.unwrap_or(0);
        let all = self.left.clone();
        self.left.retain(|ours| {
            let rivals = all.iter().filter(|rival| {
                rival.attributes.as_path.first() == ours.attributes.as_path.first()
            });
            let best = rivals.map(med).min().unwrap();
            let loss = Loss::Med {
                ours: med(ours),
                best,
            };
            if best < med(ours) {
                self.lost.insert(ours.key(), Standing::Lost(loss));
            }
            best == med(ours)
        });
    }

    fn tie_breaks(&mut self) {
        self.least(
            |of| of.attributes.originator.unwrap_or(of.path.source.router_id),
            |ours, best| Loss::RouterId { ours, best },
        );
        self.least(
            |of| of.attributes.cluster_list.len(),
            |ours, best| Loss::ClusterListLength { ours, best },
        );
        self.least(
            |of| (of.path.source.address, of.path.source.peer),
            |(ours, _), (best, _)| Loss::PeerAddress { ours, best },
        );
        self.least(
            |of| of.path.path_id,
            |ours, best| Loss::PathId { ours, best },
        );
    }

    /// Of what is left one is the best; the best of the rest, again and again, share with it.
    fn share(&mut self, multipath: usize) {
        let mut tied = self.left.clone();
        self.tie_breaks();
        let Some(best) = self.left.first().copied() else {
            return;
        };
        self.lost.insert(best.key(), Standing::Best);
        let mut next_hops = vec![best.attributes.next_hop];
        tied.retain(|path| path.key() != best.key());
        while next_hops.len() < multipath && !tied.is_empty() {
            let mut rest = Decision {
                left: tied.clone(),
                lost: BTreeMap::new(),
            };
            rest.tie_breaks();
            let next = rest.left[0];
            tied.retain(|path| path.key() != next.key());
            let same_side = next.path.source.kind != SourceKind::External
                || next.attributes.as_path.first() == best.attributes.as_path.first();
            if same_side && !next_hops.contains(&next.attributes.next_hop) {
                next_hops.push(next.attributes.next_hop);
                let Some(Standing::Lost(loss)) = self.lost.remove(&next.key()) else {
                    panic!("a path that tied lost at a tie-break");
                };
                self.lost.insert(next.key(), Standing::Multipath(loss));
            }
        }
    }
}
