//! Values the tests begin with.

use bytes::Bytes;
use gingham_bgp::attributes::{Attributes, Interner};
use gingham_bgp::config::{AsnWidth, NextHopMode};
use gingham_bgp::export::{Audience, Borders, Profile};
use gingham_bgp::policy::{Action, AsPathMatch, Rule, Verdict};
use gingham_bgp::rib::{
    Freshness, Import, Loss, Path, Provenance, Ranked, Selection, Source, SourceKind, Standing,
};
use gingham_bgp::wire::{Codec, PeerKind, encode_end_of_rib};
use gingham_bgp::{Asn, PeerId, RouterId};
use gingham_model::{Family, Prefix};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Our address, AS and cluster.
pub(crate) const SELF: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
pub(crate) const ASN: Asn = Asn(64512);
pub(crate) const CLUSTER: RouterId = RouterId(SELF);

pub(crate) fn codec(kind: PeerKind) -> Codec {
    Codec {
        kind,
        asn_width: AsnWidth::Four,
        max_length: 4096,
        families: BTreeSet::from([Family::V4]),
        add_path_in: BTreeSet::new(),
        add_path_out: BTreeSet::new(),
        extended_next_hop: false,
    }
}

/// Clients of our reflection, IPv4.
pub(crate) fn clients() -> Profile {
    Profile {
        family: Family::V4,
        audience: Audience::Client { cluster: CLUSTER },
        codec: codec(PeerKind::Internal),
        paths: 1,
        own_next_hop: Some(SELF.into()),
        next_hop: NextHopMode::Auto,
        long_lived: false,
        filter: None,
    }
}

/// Clients that are told so many paths.
pub(crate) fn add_path_clients(paths: u8) -> Profile {
    let mut profile = clients();
    profile.codec.add_path_out = BTreeSet::from([Family::V4]);
    profile.paths = paths;
    profile
}

pub(crate) fn external() -> Profile {
    Profile {
        audience: Audience::External {
            local_asn: ASN,
            peer_asn: Asn(65001),
        },
        codec: codec(PeerKind::External),
        ..clients()
    }
}

/// A rule that accepts all, with these changes.
pub(crate) fn accept(name: &str, actions: Vec<Action>) -> Rule {
    Rule {
        name: name.into(),
        prefixes: vec![],
        origin_nodes: vec![],
        provenance: vec![],
        communities: vec![],
        large_communities: vec![],
        as_path: AsPathMatch::default(),
        next_hops: vec![],
        then: Verdict::Accept,
        actions,
    }
}

/// The address of a peer.
pub(crate) fn address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + peer)
}

pub(crate) fn source(peer: u32, kind: SourceKind) -> Arc<Source> {
    Arc::new(Source {
        peer: PeerId(peer),
        kind,
        router_id: RouterId(address(peer)),
        address: address(peer).into(),
        node: None,
    })
}

/// A path of a client.
pub(crate) fn path(peer: u32, attributes: Attributes) -> Path {
    let interned = Interner::default().intern(attributes);
    Path {
        source: source(peer, SourceKind::Client),
        path_id: 0,
        received: interned.clone(),
        import: Import::Accepted(interned),
        provenance: Provenance::Outside,
        freshness: Freshness::Fresh,
    }
}

/// A path of a client with itself as next hop; `med` tells versions apart.
pub(crate) fn version(peer: u32, med: u32) -> Path {
    let next_hop: IpAddr = address(peer).into();
    let attributes = Attributes {
        med: Some(med),
        ..Attributes::originated(next_hop)
    };
    path(peer, attributes)
}

/// These paths, the best first.
pub(crate) fn ranked(paths: Vec<Path>) -> Selection {
    let standing = |index| match index {
        0 => Standing::Best,
        _ => Standing::Lost(Loss::LocalOrigin),
    };
    let ranked = paths.into_iter().enumerate().map(|(index, path)| Ranked {
        path,
        standing: standing(index),
    });
    Selection {
        ranked: ranked.collect(),
    }
}

pub(crate) fn slash_24(index: u32) -> Prefix {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(11, 0, 0, 0).to_bits() + (index << 8));
    Prefix::containing(address.into(), 24).unwrap()
}

/// End-of-RIB behind the table.
pub(crate) fn borders() -> Borders {
    Borders {
        before: None,
        after: Some(end_of_rib()),
    }
}

pub(crate) fn end_of_rib() -> Bytes {
    encode_end_of_rib(Family::V4)
}
