//! How a member comes to know the table: by all of it, or by what changed.

use super::{Group, Measured};
use crate::export::cursor::Missing;
use crate::export::log::Base;
use crate::export::pack::pack;
use crate::export::segment::{Chain, Segment};
use crate::export::table::{Changes, Told};
use crate::{Nlri, PeerId};
use std::sync::Arc;

impl Group {
    /// The size of the table as encoded for a new member; measured anew when it grew or shrank by half.
    pub(super) fn table_octets(&mut self) -> usize {
        if self.measured.paths.abs_diff(self.table.len()) > self.table.len() / 2 {
            self.base();
        }
        self.measured.octets
    }

    /// Where a member begins that misses this.
    pub(super) fn replay(&mut self, peer: PeerId, missing: Missing) -> Arc<Segment> {
        if missing == Missing::all_at(self.log.flush()) {
            return self.base();
        }
        let late =
            |(_, told): &(Nlri, &Told)| told.path.source != peer && told.flush >= missing.told;
        let count = self.table.told().filter(late).count();
        let whole = missing.told == 0 || count > self.table.len() / 4;
        let announced = self.table.told().filter(|told| !whole && late(told));
        let chain = self.encode(Changes {
            announced: announced
                .map(|(nlri, told)| (nlri, told.path.clone()))
                .collect(),
            withdrawn: self.gone_for(peer, missing.gone).collect(),
            ..Changes::none()
        });
        if !whole {
            return self.log.lead_in(chain);
        }
        let base = self.base();
        match chain {
            Some(chain) => chain.leading_to(base),
            None => base,
        }
    }

    /// What a member may know that was not told since this flush. Where its own path took the place of
    /// another, that is the other.
    fn gone_for(&self, peer: PeerId, flush: u64) -> impl Iterator<Item = (Nlri, PeerId)> {
        let own = self.table.told().filter_map(move |(nlri, told)| {
            (told.path.source == peer && told.flush >= flush).then_some(nlri)
        });
        let gone = self.table.gone_since(flush).chain(own);
        gone.map(|nlri| (nlri, PeerId::LOCAL))
    }

    /// The table as a chain that ends in the live log.
    pub(super) fn base(&mut self) -> Arc<Segment> {
        let base = match self.log.base() {
            Some(base) => base.clone(),
            None => self.pack_base(),
        };
        self.measured = Measured {
            paths: self.table.len(),
            octets: base.size.octets,
        };
        base.first
    }

    fn pack_base(&mut self) -> Base {
        let told = self.table.told();
        let chain = self.encode(Changes {
            announced: told.map(|(nlri, told)| (nlri, told.path.clone())).collect(),
            ..Changes::none()
        });
        self.log.rebase(chain)
    }

    /// Packs for who is not in the live log. All of it fitted into messages before.
    fn encode(&self, changes: Changes) -> Option<Chain> {
        let mut builder = self.log.again();
        pack(&self.profile.codec, changes, &mut builder);
        builder.finish()
    }
}
