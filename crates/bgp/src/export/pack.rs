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

struct Packer<'a> {
    codec: &'a Codec,
    into: &'a mut Builder,
    frames: Vec<u8>,
}

impl Packer<'_> {
    /// One run of frames per source, so that its own reader has one gap; in it one per set of attributes.
    fn announce(&mut self, mut announced: Vec<(Nlri, Wanted)>) -> Vec<Nlri> {
        let mut sets: HashMap<Interned, usize> = HashMap::new();
        for (_, path) in &announced {
            let next = sets.len();
            sets.entry(path.attributes.clone()).or_insert(next);
        }
        let set = |path: &Wanted| sets.get(&path.attributes).copied();
        announced.sort_unstable_by_key(|(nlri, path)| (path.source, set(path), *nlri));
        let mut refused = Vec::new();
        let mut nlri = Vec::new();
        let alike = |(_, one): &(Nlri, Wanted), (_, other): &(Nlri, Wanted)| {
            one.source == other.source && one.attributes == other.attributes
        };
        for group in announced.chunk_by(alike) {
            let Some((first, path)) = group.first() else {
                continue;
            };
            nlri.clear();
            nlri.extend(group.iter().map(|(nlri, _)| *nlri));
            match pack_reach(self.codec, &path.attributes, &nlri, &mut self.frames) {
                Ok(_) => self.hand_over(Readers::AllBut(path.source)),
                Err(error) => {
                    self.frames.clear();
                    tracing::warn!(paths = nlri.len(), first = %first.prefix, %error, "cannot be told to peers");
                    refused.append(&mut nlri);
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

    /// Withdraws from all but the source if it is one. Several share their frames: that a source is told
    /// not to use what it was never told changes nothing (RFC 4271 section 9.1.4), and costs less than
    /// frames of its own for each.
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
