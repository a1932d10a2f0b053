//! How long it takes to tell everybody everything, without sockets: one update group, every member the
//! source of its share of the prefixes. Prints figures, asserts nothing but the count:
//! `cargo bench -p gingham-bgp --bench export`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops where it cannot go on"
)]

use gingham_bgp::attributes::{Attributes, Interner};
use gingham_bgp::config::{AsnWidth, NextHopMode};
use gingham_bgp::export::{Audience, Borders, Cursor, Group, Profile};
use gingham_bgp::rib::{
    Freshness, Import, Path, Provenance, Ranked, Selection, Source, SourceKind, Standing,
};
use gingham_bgp::wire::{Codec, PeerKind};
use gingham_bgp::{PeerId, RouterId};
use gingham_model::{Family, Prefix};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SLICE: usize = 1 << 16;

fn main() {
    println!(
        "{:>7} {:>8}  {:>9} {:>9} {:>9} {:>9} {:>9}  {:>8} {:>9} {:>9}",
        "MEMBERS",
        "PREFIXES",
        "OFFER ms",
        "FLUSH ms",
        "READ ms",
        "10% ms",
        "JOIN ms",
        "SLICES",
        "OCTETS",
        "HELD",
    );
    for (members, each) in [(100, 10), (500, 10), (1000, 2), (5000, 1), (2, 50_000)] {
        row(members, each);
    }
}

fn row(members: u32, each: u32) {
    let paths = members * each;
    let offers: Vec<(Prefix, Selection)> = (0..paths)
        .map(|index| (prefix(index), selection(1 + index % members)))
        .collect();
    let mut group = Group::new(profile());
    let mut cursors: Vec<Cursor> = (1..=members)
        .map(|peer| group.join(PeerId(peer), Borders::default()))
        .collect();
    let (_, offer) = timed(|| {
        offers
            .iter()
            .for_each(|(prefix, it)| group.offer(*prefix, it))
    });
    let (_, flush) = timed(|| group.flush());
    let (read, reading) = timed(|| read(&mut cursors));
    let held = group.held();
    let tenth = offers.iter().step_by(10);
    let (_, withdraw) = timed(|| {
        tenth.for_each(|(prefix, _)| group.offer(*prefix, &Selection::default()));
        group.flush();
        self::read(&mut cursors)
    });
    let (_, joining) = timed(|| {
        let cursor = group.join(PeerId(members + 1), Borders::default());
        self::read(&mut [cursor])
    });
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{members:7} {paths:8}  {:9.2} {:9.2} {:9.2} {:9.2} {:9.2}  {:8} {:9} {held:9}",
        millis(offer),
        millis(flush),
        millis(reading),
        millis(withdraw),
        millis(joining),
        read.slices,
        read.octets,
    );
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

#[derive(Default)]
struct Read {
    slices: usize,
    octets: usize,
}

fn read(cursors: &mut [Cursor]) -> Read {
    let mut read = Read::default();
    for cursor in cursors {
        while let Some(slice) = cursor.next(SLICE) {
            read.slices += 1;
            read.octets += slice.len();
        }
    }
    read
}

fn prefix(index: u32) -> Prefix {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(11, 0, 0, 0).to_bits() + (index << 8));
    Prefix::containing(address.into(), 24).unwrap()
}

fn selection(peer: u32) -> Selection {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + peer);
    let attributes = Interner::default().intern(Attributes::originated(address.into()));
    let source = Source {
        peer: PeerId(peer),
        kind: SourceKind::Client,
        router_id: RouterId(address),
        address: address.into(),
        node: None,
    };
    let path = Path {
        source: Arc::new(source),
        path_id: 0,
        received: attributes.clone(),
        import: Import::Accepted(attributes),
        provenance: Provenance::Outside,
        freshness: Freshness::Fresh,
    };
    let ranked = vec![Ranked {
        path,
        standing: Standing::Best,
    }];
    Selection { ranked }
}

fn profile() -> Profile {
    let ours = Ipv4Addr::new(10, 0, 0, 254);
    Profile {
        family: Family::V4,
        audience: Audience::Client {
            cluster: RouterId(ours),
        },
        codec: Codec {
            kind: PeerKind::Internal,
            asn_width: AsnWidth::Four,
            max_length: 4096,
            families: BTreeSet::from([Family::V4]),
            add_path_in: BTreeSet::new(),
            add_path_out: BTreeSet::new(),
            extended_next_hop: false,
        },
        paths: 1,
        own_next_hop: Some(ours.into()),
        next_hop: NextHopMode::Auto,
        long_lived: false,
        filter: None,
    }
}
