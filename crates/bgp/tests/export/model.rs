//! A peer that believes what it is told, and a naive account of what that should be.

use bytes::{Bytes, BytesMut};
use gingham_bgp::attributes::Attributes;
use gingham_bgp::export::{Cursor, Group, Profile, outgoing};
use gingham_bgp::rib::Selection;
use gingham_bgp::wire::{Codec, MAX_EXTENDED, Message, decode, split};
use gingham_bgp::{Nlri, PeerId};
use gingham_model::Prefix;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What one peer knows of each prefix: attributes by next hop, the numbers of paths left out.
pub(crate) type View = BTreeMap<Prefix, BTreeMap<IpAddr, Attributes>>;

/// The codec of the other end.
pub(crate) fn other_end(codec: &Codec) -> Codec {
    Codec {
        add_path_in: codec.add_path_out.clone(),
        add_path_out: codec.add_path_in.clone(),
        ..codec.clone()
    }
}

/// The frames of a slice; all of them are whole.
pub(crate) fn frames(slice: &Bytes) -> Vec<Bytes> {
    let mut rest = BytesMut::from(&slice[..]);
    let frames: Vec<Bytes> = std::iter::from_fn(|| split(&mut rest, MAX_EXTENDED)).collect();
    assert!(rest.is_empty(), "{} octets of no whole frame", rest.len());
    frames
}

/// Every selection ever offered, and the present ones.
#[derive(Default)]
pub(crate) struct Offers {
    now: BTreeMap<Prefix, Selection>,
    ever: Vec<(Prefix, Selection)>,
}

impl Offers {
    pub(crate) fn offer(&mut self, group: &mut Group, prefix: Prefix, selection: Selection) {
        group.offer(prefix, &selection);
        self.note(prefix, selection);
    }

    /// Takes note of what was offered.
    pub(crate) fn note(&mut self, prefix: Prefix, selection: Selection) {
        self.now.insert(prefix, selection.clone());
        self.ever.push((prefix, selection));
    }

    /// What a member is to know.
    pub(crate) fn view(&self, profile: &Profile, peer: PeerId) -> View {
        let mut view = View::new();
        for (prefix, selection) in &self.now {
            let told = told(profile, *prefix, selection);
            let others: BTreeMap<_, _> = told
                .into_iter()
                .filter(|(source, _)| *source != peer)
                .map(|(_, attributes)| (attributes.next_hop, attributes))
                .collect();
            if !others.is_empty() {
                view.insert(*prefix, others);
            }
        }
        view
    }

    /// Whether a member may ever have been told this.
    pub(crate) fn ever(
        &self,
        profile: &Profile,
        peer: PeerId,
        said: (Prefix, &Attributes),
    ) -> bool {
        self.ever.iter().any(|(prefix, selection)| {
            *prefix == said.0
                && told(profile, *prefix, selection)
                    .iter()
                    .any(|(source, attributes)| *source != peer && attributes == said.1)
        })
    }
}

fn told(profile: &Profile, prefix: Prefix, selection: &Selection) -> Vec<(PeerId, Attributes)> {
    let add_path = profile.codec.add_path_out.contains(&profile.family);
    let most = if add_path {
        usize::from(profile.paths.max(1))
    } else {
        1
    };
    let mut next_hops = BTreeSet::new();
    let candidates = selection.ranked.iter().map(|ranked| &ranked.path);
    let considered = if most == 1 { 1 } else { usize::MAX };
    candidates
        .take(considered)
        .filter_map(|path| Some((path.source.peer, outgoing(profile, prefix, path)?)))
        .filter(|(_, attributes)| next_hops.insert(attributes.next_hop))
        .take(most)
        .collect()
}

/// A member and what it was told so far.
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) cursor: Cursor,
    codec: Codec,
    paths: BTreeMap<Nlri, Attributes>,
    pub(crate) ends: usize,
}

impl Member {
    pub(crate) fn new(group: &Group, peer: PeerId, cursor: Cursor) -> Self {
        Member {
            peer,
            cursor,
            codec: other_end(&group.profile().codec),
            paths: BTreeMap::new(),
            ends: 0,
        }
    }

    /// Reads one slice; the paths announced in it, or `None` when there was none.
    pub(crate) fn read(&mut self, max: usize) -> Option<Vec<(Prefix, Attributes)>> {
        let slice = self.cursor.next(max)?;
        let frames = frames(&slice);
        assert!(!frames.is_empty(), "an empty slice");
        assert!(
            slice.len() <= max || frames.len() == 1,
            "longer than asked for"
        );
        let mut announced = Vec::new();
        for frame in frames {
            let Message::Update(update) = decode(&frame, &self.codec).unwrap() else {
                panic!("not an UPDATE");
            };
            assert_eq!(update.faults, []);
            self.ends += usize::from(update.end_of_rib.is_some());
            for nlri in update.withdrawn {
                self.paths.remove(&nlri);
            }
            for reach in update.announced {
                for nlri in reach.nlri {
                    self.paths.insert(nlri, reach.attributes.clone());
                    announced.push((nlri.prefix, reach.attributes.clone()));
                }
            }
        }
        Some(announced)
    }

    /// Reads all there is, as one who was cut off does too.
    pub(crate) fn read_all(&mut self, group: &mut Group) {
        loop {
            if self.cursor.is_cut_off() {
                group.catch_up(&mut self.cursor);
            }
            if self.read(1 << 16).is_none() {
                return;
            }
        }
    }

    pub(crate) fn nlri(&self) -> impl Iterator<Item = Nlri> {
        self.paths.keys().copied()
    }

    pub(crate) fn view(&self) -> View {
        let mut view = View::new();
        for (nlri, attributes) in &self.paths {
            let told = view.entry(nlri.prefix).or_default();
            let twice = told.insert(attributes.next_hop, attributes.clone());
            assert!(twice.is_none(), "{nlri:?}: one next hop twice");
        }
        view
    }
}
