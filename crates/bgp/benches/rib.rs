//! What a path costs in the RIB: time to take it, to select among it and its rivals, to be rid of it,
//! and memory beyond its attributes. Prints figures, asserts nothing: `cargo bench -p gingham-bgp`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops where it cannot go on"
)]

use gingham_bgp::attributes::{AsPath, Attributes, Interned, Interner};
use gingham_bgp::rib::{Freshness, Import, Path, Provenance, Rib, Source, SourceKind};
use gingham_bgp::{Asn, PeerId, RouterId};
use gingham_model::{Family, Prefix};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

/// So many peers give the same so many prefixes, or each its own.
struct Shape {
    name: &'static str,
    peers: u32,
    prefixes: u32,
    shared: bool,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "5,000 peers, 1 each",
        peers: 5_000,
        prefixes: 1,
        shared: false,
    },
    Shape {
        name: "500 peers, the same 10",
        peers: 500,
        prefixes: 10,
        shared: true,
    },
    Shape {
        name: "2 peers, the same 100,000",
        peers: 2,
        prefixes: 100_000,
        shared: true,
    },
];

fn main() {
    println!(
        "{:26}  {:>6}  {:>6}  {:>6}  {:>6}  {:>10}",
        "ns per path", "NEW", "AGAIN", "SELECT", "FLUSH", "BYTES/PATH"
    );
    // All is kept to the end: memory one gave back would hide what the next takes.
    let kept: Vec<_> = SHAPES.iter().map(measure).collect();
    black_box(kept);
}

fn measure(shape: &Shape) -> (Rib, Vec<Gives>) {
    let mut interner = Interner::default();
    let gives = (1..=shape.peers).map(|peer| give(shape, peer, &mut interner));
    let gives: Vec<_> = gives.collect();
    let paths = f64::from(shape.peers * shape.prefixes);
    let before = resident();
    let mut rib = Rib::new(16);
    let new = nanos(|| fill(&mut rib, &gives)) / paths;
    let bytes = (resident() - before) / paths;
    let again = nanos(|| fill(&mut rib, &gives)) / paths;
    let select = nanos(|| {
        for prefix in rib.take_dirty() {
            black_box(rib.select(prefix));
        }
    });
    let select = select / paths;
    let flush = nanos(|| rib.flush(PeerId(1), Family::V4)) / f64::from(shape.prefixes);
    println!(
        "{:26}  {new:6.0}  {again:6.0}  {select:6.0}  {flush:6.0}  {bytes:10.0}",
        shape.name,
    );
    (rib, gives)
}

/// What one peer gives.
struct Gives {
    source: Arc<Source>,
    attributes: Interned,
    prefixes: Vec<Prefix>,
}

fn give(shape: &Shape, peer: u32, interner: &mut Interner) -> Gives {
    let address = Ipv4Addr::from(0x0A00_0000 + peer);
    let source = Source {
        peer: PeerId(peer),
        kind: SourceKind::Client,
        router_id: RouterId(address),
        address: address.into(),
        node: None,
    };
    let first = if shape.shared {
        0
    } else {
        peer * shape.prefixes
    };
    let prefix = |index: u32| {
        let address = Ipv4Addr::from(0x1000_0000 + ((first + index) << 8));
        Prefix::containing(address.into(), 24).unwrap()
    };
    let mut attributes = Attributes::originated(address.into());
    attributes.as_path = AsPath::sequence([Asn(64512), Asn(64513)]);
    Gives {
        source: Arc::new(source),
        attributes: interner.intern(attributes),
        prefixes: (0..shape.prefixes).map(prefix).collect(),
    }
}

fn fill(rib: &mut Rib, gives: &[Gives]) {
    for Gives {
        source,
        attributes,
        prefixes,
    } in gives
    {
        for prefix in prefixes {
            let path = Path {
                source: Arc::clone(source),
                path_id: 0,
                received: attributes.clone(),
                import: Import::Accepted(attributes.clone()),
                provenance: Provenance::Outside,
                freshness: Freshness::Fresh,
            };
            rib.update(*prefix, path);
        }
    }
}

fn nanos(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9
}

/// The memory this process holds, in octets.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}
