//! What addresses can be given out of, and by which rules.

use crate::{NodeBlock, NodeBlockState};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;

/// The node's blocks and rules, as one ADD sees them.
#[derive(Clone, Copy, Debug)]
pub struct Supply<'a> {
    /// All blocks of the node, in the order they are used up. What has rested in none of them is
    /// forgotten.
    pub blocks: &'a [NodeBlock],
    /// The families every pod gets an address of.
    pub families: &'a [Family],
    /// Seconds an address rests before it is given out again.
    pub cooldown: u32,
}

impl Supply<'_> {
    /// The blocks of `family` that addresses are given out of.
    pub fn active(&self, family: Family) -> impl Iterator<Item = Prefix> {
        self.blocks
            .iter()
            .filter(move |b| b.state == NodeBlockState::Active && b.cidr.family() == family)
            .map(|b| b.cidr)
    }

    /// Whether `address` may be given out.
    pub(crate) fn gives(&self, address: IpAddr) -> bool {
        self.active(Family::of(address))
            .any(|block| block.contains(address))
    }

    /// The block `address` lies in, Active or Draining.
    pub(crate) fn block_of(&self, address: IpAddr) -> Option<Prefix> {
        self.blocks
            .iter()
            .map(|b| b.cidr)
            .find(|block| block.contains(address))
    }

    /// The second from which an address that rests since `since` may be given again. Saturates.
    pub(crate) fn rested_at(&self, since: u64) -> u64 {
        since.saturating_add(u64::from(self.cooldown))
    }

    /// The same where no other address is left: after a quarter of the rest.
    pub(crate) fn pressed_at(&self, since: u64) -> u64 {
        since.saturating_add(u64::from(self.cooldown.div_ceil(4)))
    }
}

/// How full the Active blocks of one family are: `capacity = held + resting + free`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Addresses that can be given to pods at all.
    pub capacity: u64,
    /// In the hands of pods, Intent included.
    pub held: u64,
    /// Given back, and not yet to be given again.
    pub resting: u64,
    /// To be given now.
    pub free: u64,
}
