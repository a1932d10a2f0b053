//! Paths to test with.

use gingham_bgp::attributes::{AsPath, Attributes, Community, Interned, Interner, Origin};
use gingham_bgp::rib::{
    Candidate, Freshness, Import, Path, Provenance, Reach, Refusal, Selection, Source, SourceKind,
    select,
};
use gingham_bgp::{Asn, PeerId, RouterId};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock, Mutex};

/// A path with nothing to say for or against it; tests change what they are about.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) peer: u32,
    pub(crate) kind: SourceKind,
    pub(crate) router_id: u8,
    pub(crate) address: u8,
    pub(crate) path_id: u32,
    pub(crate) freshness: Freshness,
    pub(crate) refused: bool,
    pub(crate) provenance: Provenance,
    pub(crate) cost: u32,
    pub(crate) attributes: Attributes,
}

/// From an internal peer, which is a next hop of its own.
pub(crate) fn internal(peer: u8) -> Given {
    Given {
        peer: peer.into(),
        kind: SourceKind::Internal,
        router_id: peer,
        address: peer,
        path_id: 0,
        freshness: Freshness::Fresh,
        refused: false,
        provenance: Provenance::Outside,
        cost: 0,
        attributes: Attributes::originated(ip(peer)),
    }
}

/// From an external peer, through these systems.
pub(crate) fn external<const N: usize>(peer: u8, through: [u32; N]) -> Given {
    let path = internal(peer).with(|attributes| attributes.as_path = as_path(through));
    Given {
        kind: SourceKind::External,
        ..path
    }
}

impl Given {
    /// The same with other attributes.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Attributes)) -> Given {
        change(&mut self.attributes);
        self
    }

    pub(crate) fn local_pref(self, local_pref: u32) -> Given {
        self.with(|attributes| attributes.local_pref = Some(local_pref))
    }

    pub(crate) fn med(self, med: u32) -> Given {
        self.with(|attributes| attributes.med = Some(med))
    }

    pub(crate) fn origin(self, origin: Origin) -> Given {
        self.with(|attributes| attributes.origin = origin)
    }

    pub(crate) fn community(self, community: Community) -> Given {
        self.with(|attributes| *attributes = attributes.clone().with_community(community))
    }

    /// Reflected: begun by this router, through so many clusters.
    pub(crate) fn reflected(self, originator: u8, clusters: u8) -> Given {
        self.with(|attributes| {
            attributes.originator = Some(id(originator));
            attributes.cluster_list = (0..clusters).map(id).collect();
        })
    }

    pub(crate) fn kind(self, kind: SourceKind) -> Given {
        Given { kind, ..self }
    }

    pub(crate) fn cost(self, cost: u32) -> Given {
        Given { cost, ..self }
    }

    pub(crate) fn router_id(self, router_id: u8) -> Given {
        Given { router_id, ..self }
    }

    pub(crate) fn path_id(self, path_id: u32) -> Given {
        Given { path_id, ..self }
    }

    pub(crate) fn path(&self) -> Path {
        let attributes = intern(&self.attributes);
        Path {
            source: Arc::new(Source {
                peer: PeerId(self.peer),
                kind: self.kind,
                router_id: id(self.router_id),
                address: ip(self.address),
                node: None,
            }),
            path_id: self.path_id,
            received: attributes.clone(),
            import: if self.refused {
                Import::Refused(Refusal::AsLoop)
            } else {
                Import::Accepted(attributes)
            },
            provenance: self.provenance,
            freshness: self.freshness,
        }
    }
}

/// What is decided of them.
pub(crate) fn decided(given: &[Given], multipath: usize) -> Selection {
    let candidates = given.iter().map(|given| Candidate {
        path: given.path(),
        reach: Reach::Cost(given.cost),
    });
    select(candidates.collect(), multipath)
}

pub(crate) fn intern(attributes: &Attributes) -> Interned {
    static INTERNER: LazyLock<Mutex<Interner>> = LazyLock::new(Mutex::default);
    INTERNER.lock().unwrap().intern(attributes.clone())
}

pub(crate) fn as_path<const N: usize>(through: [u32; N]) -> AsPath {
    AsPath::sequence(through.map(Asn))
}

pub(crate) fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

pub(crate) fn id(last: u8) -> RouterId {
    RouterId(Ipv4Addr::new(10, 0, 0, last))
}
