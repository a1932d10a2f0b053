//! Random streams of everything that can happen to a RIB, against the naive one.

use crate::given::{Given, as_path, id, intern, internal, ip};
use crate::model::{Key, Model, Otherwise};
use gingham_bgp::attributes::{AsPath, Attributes, Community, Origin};
use gingham_bgp::rib::{
    Freshness, Import, Path, Provenance, Reach, Refusal, Rib, Selection, SourceKind, Standing,
};
use gingham_bgp::{Nlri, PeerId};
use gingham_model::{Family, Prefix};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::BTreeMap;

const PREFIXES: [&str; 4] = ["10.1.0.0/24", "10.1.0.0/16", "fd00:1::/48", "fd00:2::/48"];
/// Blocks around some of them, one, or none.
const AROUND: [&str; 5] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.0.0/24",
    "fd00::/16",
    "10.2.0.0/16",
];
/// Next hops are 10.0.0.1 to 10.0.0.3.
const CONNECTED: [&str; 5] = [
    "10.0.0.0/24",
    "10.0.0.0/31",
    "10.0.0.2/31",
    "10.0.0.3/32",
    "fd00::/8",
];
const PEERS: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    Update(Prefix, Given),
    Withdraw(u8, Nlri),
    /// The peer says again what it said of a prefix.
    Repeat(u8, Prefix),
    Phase(u8, Family, Phase),
    Reimport(u8, u32),
    ReimportInside(Prefix, u32),
    Reach(u8, Reach),
    DefaultReach(Reach),
    Connected(Vec<Prefix>),
    TakeDirty,
}

/// What becomes of a peer's paths in one family as its session ends or begins anew.
#[derive(Clone, Copy, Debug)]
enum Phase {
    MarkStale,
    Sweep,
    LongLived,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let peer = || 0..PEERS;
    let family = || select(&Family::ALL[..]);
    let phases = vec![
        Phase::MarkStale,
        Phase::MarkStale,
        Phase::Sweep,
        Phase::LongLived,
        Phase::Flush,
    ];
    prop_oneof![
        20 => (prefix(), given()).prop_map(|(prefix, given)| Step::Update(prefix, given)),
        4 => (peer(), prefix(), 0..3u32)
            .prop_map(|(peer, prefix, path_id)| Step::Withdraw(peer, Nlri { prefix, path_id })),
        2 => (peer(), prefix()).prop_map(|(peer, prefix)| Step::Repeat(peer, prefix)),
        5 => (peer(), family(), select(phases))
            .prop_map(|(peer, family, phase)| Step::Phase(peer, family, phase)),
        1 => (peer(), any::<u32>()).prop_map(|(peer, salt)| Step::Reimport(peer, salt)),
        1 => (select(&AROUND[..]), any::<u32>())
            .prop_map(|(text, salt)| Step::ReimportInside(text.parse().unwrap(), salt)),
        2 => (1..4u8, reach()).prop_map(|(hop, reach)| Step::Reach(hop, reach)),
        1 => reach().prop_map(Step::DefaultReach),
        1 => subsequence(CONNECTED.to_vec(), 0..=CONNECTED.len()).prop_shuffle()
            .prop_map(|texts| Step::Connected(texts.iter().map(|text| text.parse().unwrap()).collect())),
        4 => Just(Step::TakeDirty),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    select(&PREFIXES[..]).prop_map(|text| text.parse().unwrap())
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![(0..3u32).prop_map(Reach::Cost), Just(Reach::Unreachable)]
}

/// A path of one of a few peers: ourselves, two at one address, two external ones among them.
fn given() -> impl Strategy<Value = Given> {
    let kinds = [
        SourceKind::Local,
        SourceKind::Internal,
        SourceKind::Client,
        SourceKind::Client,
        SourceKind::External,
        SourceKind::External,
    ];
    let refused = prop::bool::weighted(0.1);
    let provenances = [Provenance::Own, Provenance::Zone, Provenance::Outside];
    (
        0..PEERS,
        0..3u32,
        refused,
        select(provenances.to_vec()),
        attributes(),
    )
        .prop_map(
            move |(peer, path_id, refused, provenance, attributes)| Given {
                provenance,
                kind: kinds[usize::from(peer)],
                address: if peer == 3 { 2 } else { peer },
                path_id,
                refused,
                attributes,
                ..internal(peer)
            },
        )
}

/// Few values each, so that every step of the decision comes to decide.
fn attributes() -> impl Strategy<Value = Attributes> {
    let as_paths = vec![
        AsPath::default(),
        as_path([1]),
        as_path([2]),
        as_path([1, 2]),
    ];
    let communities = vec![
        Community::LLGR_STALE,
        Community::NO_LLGR,
        Community::NO_EXPORT,
    ];
    let community = prop::option::weighted(0.2, select(communities));
    let first = (
        prop::option::weighted(0.1, select(&[100, 200][..])),
        select(as_paths),
        select(&[Origin::Igp, Origin::Igp, Origin::Incomplete][..]),
        prop::option::of(0..3u32),
    );
    let then = (prop::option::of(1..3u8), 0..3u8, 1..4u8, community);
    (first, then).prop_map(|((local_pref, as_path, origin, med), then)| {
        let (originator, clusters, hop, community) = then;
        let attributes = Attributes {
            local_pref,
            as_path,
            origin,
            med,
            originator: originator.map(id),
            cluster_list: (0..clusters).map(id).collect(),
            ..Attributes::originated(ip(hop))
        };
        match community {
            Some(community) => attributes.with_community(community),
            None => attributes,
        }
    })
}

/// An import that refuses some, changes some, takes the rest as it came, and finds each to be from
/// somewhere.
fn again(salt: u32, prefix: Prefix, path: &Path) -> Path {
    let provenance = match (salt ^ path.source.peer.0) % 3 {
        0 => Provenance::Zone,
        _ => path.provenance,
    };
    Path {
        import: import(salt, prefix, path),
        provenance,
        ..path.clone()
    }
}

fn import(salt: u32, prefix: Prefix, path: &Path) -> Import {
    match (salt ^ path.path_id ^ u32::from(prefix.length())) % 4 {
        0 => Import::Refused(Refusal::Filter(None)),
        1 => {
            let changed = Attributes {
                local_pref: Some(salt % 3 * 100),
                ..(*path.received).clone()
            };
            Import::Accepted(intern(&changed))
        }
        _ => Import::Accepted(path.received.clone()),
    }
}

struct Both {
    rib: Rib,
    model: Model,
    /// The selections as they were when dirty prefixes were taken.
    followed: BTreeMap<Prefix, Vec<Seen>>,
}

/// What somebody who follows a selection sees of one path.
type Seen = (Key, Standing, Import, Provenance, bool);

fn seen(selection: &Selection) -> Vec<Seen> {
    let ranked = selection.ranked.iter();
    let seen = ranked.map(|ranked| {
        let long_lived = ranked.path.freshness == Freshness::LongLived;
        (
            key(&ranked.path),
            ranked.standing.clone(),
            ranked.path.import.clone(),
            ranked.path.provenance,
            long_lived,
        )
    });
    seen.collect()
}

fn key(path: &Path) -> Key {
    (path.source.peer, path.path_id)
}

impl Both {
    fn apply(&mut self, step: Step) {
        let Both { rib, model, .. } = self;
        let id = |peer: u8| PeerId(peer.into());
        match step {
            Step::Update(prefix, given) => {
                rib.update(prefix, given.path());
                model.update(prefix, given.path());
            }
            Step::Withdraw(peer, nlri) => {
                rib.withdraw(id(peer), nlri);
                model.withdraw(id(peer), nlri);
            }
            Step::Repeat(peer, prefix) => {
                for path in model.repeat(id(peer), prefix) {
                    rib.update(prefix, path);
                }
            }
            Step::Phase(peer, family, phase) => self.enter(phase, id(peer), family),
            Step::Reimport(peer, salt) => {
                rib.reimport(id(peer), &mut |prefix, path| again(salt, prefix, path));
                let of_peer = |_, path: &Path| path.source.peer == id(peer);
                model.reimport(of_peer, |prefix, path| again(salt, prefix, path));
            }
            Step::ReimportInside(block, salt) => {
                rib.reimport_inside(block, &mut |prefix, path| again(salt, prefix, path));
                let inside = |prefix, _: &Path| block.covers(prefix);
                model.reimport(inside, |prefix, path| again(salt, prefix, path));
            }
            Step::Reach(hop, reach) => {
                rib.set_reach(ip(hop), reach);
                model.reach.insert(ip(hop), reach);
            }
            Step::DefaultReach(reach) => {
                rib.set_default_reach(reach);
                model.otherwise = Otherwise::Alike(reach);
            }
            Step::Connected(prefixes) => {
                rib.set_connected(prefixes.clone());
                model.otherwise = Otherwise::Connected(prefixes);
            }
            Step::TakeDirty => self.follow(),
        }
    }

    fn enter(&mut self, phase: Phase, peer: PeerId, family: Family) {
        let Both { rib, model, .. } = self;
        match phase {
            Phase::MarkStale => {
                rib.mark_stale(peer, family);
                model.mark_stale(peer, family);
            }
            Phase::Sweep => {
                rib.sweep(peer, family);
                model.sweep(peer, family);
            }
            Phase::LongLived => {
                rib.long_lived(peer, family);
                model.long_lived(peer, family);
            }
            Phase::Flush => {
                rib.flush(peer, family);
                model.flush(peer, family);
            }
        }
    }

    /// Selects again what is dirty; then nothing that was selected before may be out of date.
    fn follow(&mut self) {
        let dirty = self.rib.take_dirty();
        assert!(dirty.is_sorted_by(|a, b| a < b), "{dirty:?}");
        for prefix in dirty {
            let now = seen(&self.rib.select(prefix));
            self.followed.insert(prefix, now);
        }
        for text in PREFIXES {
            let prefix = text.parse().unwrap();
            let now = seen(&self.rib.select(prefix));
            assert_eq!(
                self.followed.get(&prefix).map_or(&[][..], Vec::as_slice),
                now
            );
        }
    }

    fn compare(&self) {
        let Both { rib, model, .. } = self;
        assert_eq!(rib.prefixes().collect::<Vec<_>>(), model.prefixes());
        assert_eq!(rib.len(), model.prefixes().len());
        for text in AROUND {
            let block = text.parse().unwrap();
            assert_eq!(rib.contributes(block), model.contributes(block));
        }
        for peer in (0..PEERS).map(|peer| PeerId(peer.into())) {
            for family in Family::ALL {
                assert_eq!(rib.count(peer, family), model.count(peer, family));
            }
            let held: BTreeMap<_, _> = rib.of_peer(peer).map(by_nlri).collect();
            let known = model
                .paths
                .iter()
                .filter(|(_, path)| path.source.peer == peer);
            let known: BTreeMap<_, _> = known.map(|(to, path)| by_nlri((*to, path))).collect();
            assert_eq!(held, known);
        }
        for text in PREFIXES {
            let prefix = text.parse().unwrap();
            let selection = rib.select(prefix);
            let ranked = selection.ranked.iter();
            let standings = ranked.map(|ranked| (key(&ranked.path), ranked.standing.clone()));
            let standings: BTreeMap<_, _> = standings.collect();
            assert_eq!(standings, model.standings(prefix));
            assert_eq!(standings.len(), selection.ranked.len(), "each path once");
            assert!(
                selection
                    .ranked
                    .is_sorted_by_key(|ranked| rank(&ranked.standing))
            );
        }
    }
}

fn by_nlri((prefix, path): (Prefix, &Path)) -> (Nlri, &Path) {
    (
        Nlri {
            prefix,
            path_id: path.path_id,
        },
        path,
    )
}

/// Who lost later ranks before who lost earlier, and what cannot be used comes last.
fn rank(standing: &Standing) -> u8 {
    use gingham_bgp::rib::Loss;
    let (Standing::Multipath(loss) | Standing::Lost(loss)) = standing else {
        return match standing {
            Standing::Unreachable => 20,
            Standing::Refused(_) => 21,
            _ => 0,
        };
    };
    match loss {
        Loss::PathId { .. } => 1,
        Loss::PeerAddress { .. } => 2,
        Loss::ClusterListLength { .. } => 3,
        Loss::RouterId { .. } => 4,
        Loss::Cost { .. } => 5,
        Loss::ExternalPreferred => 6,
        Loss::Med { .. } => 7,
        Loss::Origin { .. } => 8,
        Loss::AsPathHops { .. } => 9,
        Loss::LocalOrigin => 10,
        Loss::LocalPref { .. } => 11,
        Loss::LongLivedStale => 12,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_rib_is_the_naive_one(
        steps in proptest::collection::vec(step(), 1..200),
        multipath in 1..5usize,
    ) {
        let model = Model {
            multipath,
            paths: Vec::new(),
            reach: BTreeMap::new(),
            otherwise: Otherwise::Alike(Reach::Cost(0)),
        };
        let mut both = Both { rib: Rib::new(multipath), model, followed: BTreeMap::new() };
        for step in steps {
            both.apply(step);
            both.compare();
        }
        both.follow();
    }
}
