//! Changes as frames: as few as their attributes and readers allow.

use super::Readers;
use super::segment::Builder;
use super::table::{Changes, Wanted};
use crate::attributes::Interned;
use crate::wire::{Codec, pack_reach, pack_unreach};
use crate::{Nlri, PeerId};
use std::collections::HashMap;

/// Appends the frames of `changes`: announcements first and withdrawals last, so that with Add-Path a path
/// is replaced before it is taken away. Without it no prefix is in both.
///
/// Returns the paths whose attributes do not fit into a message; they are withdrawn.
pub(super) fn pack(codec: &Codec, changes: Changes, into: &mut Builder) -> Vec<Nlri> {
    let mut packer = Packer {
        codec,
        into,
        frames: Vec::new(),
    };
    let refused = packer.announce(changes.announced);
    packer.give_way(changes.given_way);
    let mut withdrawn = changes.withdrawn;
    withdrawn.extend(refused.iter().map(|nlri| (*nlri, PeerId::LOCAL)));
    packer.withdraw(withdrawn);
    refused
}

/// Paths of one source and one set of attributes.
struct Alike {
    source: PeerId,
    attributes: Interned,
    nlri: Vec<Nlri>,
}

/// By source, then in the order of the first path of each set.
fn grouped(announced: Vec<(Nlri, Wanted)>) -> Vec<Alike> {
    let mut groups: Vec<Alike> = Vec::new();
    let mut known: HashMap<(PeerId, Interned), usize> = HashMap::new();
    for (nlri, path) in announced {
        let key = (path.source, path.attributes.clone());
        let group = *known.entry(key).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(alike) => alike.nlri.push(nlri),
            None => groups.push(Alike {
                source: path.source,
                attributes: path.attributes,
                nlri: vec![nlri],
            }),
        }
    }
    groups.sort_by_key(|alike| alike.source);
    groups
}

struct Packer<'a> {
    codec: &'a Codec,
    into: &'a mut Builder,
    frames: Vec<u8>,
}

impl Packer<'_> {
    /// One run of frames per source, so that its own reader has one gap; in it one per set of attributes.
    fn announce(&mut self, announced: Vec<(Nlri, Wanted)>) -> Vec<Nlri> {
        let mut refused = Vec::new();
        for alike in grouped(announced) {
            match pack_reach(self.codec, &alike.attributes, &alike.nlri, &mut self.frames) {
                Ok(_) => self.hand_over(Readers::AllBut(alike.source)),
                Err(error) => {
                    self.frames.clear();
                    let paths = alike.nlri.len();
                    tracing::warn!(paths, source = alike.source.0, %error, "cannot be told to peers");
                    refused.extend(alike.nlri);
                }
            }
        }
        refused
    }

    /// Withdraws, from each peer alone, what gave way to a path of its own.
    fn give_way(&mut self, mut given_way: Vec<(PeerId, Nlri)>) {
        given_way.sort_unstable();
        for group in given_way.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((peer, _)) = group.first() else {
                continue;
            };
            let nlri: Vec<Nlri> = group.iter().map(|(_, nlri)| *nlri).collect();
            pack_unreach(self.codec, &nlri, &mut self.frames);
            self.hand_over(Readers::Only(*peer));
        }
    }

    /// Withdraws from all but the source if it is one. Several share their frames: only what was
    /// advertised before is removed (RFC 4271 section 9), so that to a source the withdrawal of its own
    /// path means nothing, and frames of its own for each would cost everybody more.
    fn withdraw(&mut self, mut withdrawn: Vec<(Nlri, PeerId)>) {
        let Some(&(_, source)) = withdrawn.first() else {
            return;
        };
        let one = withdrawn.iter().all(|(_, other)| *other == source);
        withdrawn.sort_unstable();
        let nlri: Vec<Nlri> = withdrawn.iter().map(|(nlri, _)| *nlri).collect();
        pack_unreach(self.codec, &nlri, &mut self.frames);
        self.hand_over(if one {
            Readers::AllBut(source)
        } else {
            Readers::All
        });
    }

    fn hand_over(&mut self, readers: Readers) {
        self.into.append(&self.frames, readers);
        self.frames.clear();
    }
}
