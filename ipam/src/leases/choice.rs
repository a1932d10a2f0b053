//! Which address comes next.

use super::{LeaseError, Leases, Request};
use crate::supply::Supply;
use crate::{LeaseKey, ring};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;

/// An address to give.
pub(super) struct Choice {
    /// The address.
    pub(super) address: IpAddr,
    /// For one never given in this boot: its block and where the block's cursor stands after it.
    pub(super) passed: Option<(Prefix, u64)>,
}

impl Leases {
    /// One address of every family, or none. Of two lacks the one that lasts longer is reported.
    pub(super) fn choose(
        &self,
        Request { key, wanted, .. }: &Request,
        supply: &Supply<'_>,
        now: u64,
    ) -> Result<Vec<Choice>, LeaseError> {
        let mut choices = Vec::new();
        for family in Family::ALL {
            if let Some(address) = wanted.address(family) {
                choices.push(self.asked(address, key, supply)?);
            }
        }
        let mut lack = None;
        let unasked = |family: &&Family| wanted.address(**family).is_none();
        for family in supply.families.iter().filter(unasked) {
            match self.choose_one(*family, supply, now) {
                Ok(choice) => choices.push(choice),
                Err(error) if lack.as_ref().is_some_and(|l| ends(l) >= ends(&error)) => {}
                Err(error) => lack = Some(error),
            }
        }
        lack.map_or(Ok(choices), Err)
    }

    /// The address that is asked for by name, whether it was ever given or rests.
    fn asked(
        &self,
        address: IpAddr,
        key: &LeaseKey,
        supply: &Supply<'_>,
    ) -> Result<Choice, LeaseError> {
        let not_given = |why| Err(LeaseError::NotGiven { address, why });
        if !supply.families.contains(&Family::of(address)) {
            return not_given("this node gives its pods no address of this family");
        }
        match supply.block_of(address) {
            None => return not_given("in no block of this node, or not of the pool asked for"),
            Some(_) if !supply.gives(address) => {
                return not_given("its block is Draining, and gives out nothing");
            }
            Some(block) if !ring::can_be_given(block, address) => {
                return not_given("kept free: given to no pod");
            }
            Some(_) => {}
        }
        let mut live = self.live.iter();
        match live.find(|lease| lease.has(address) && !lease.is_of(key)) {
            Some(holder) => Err(LeaseError::Taken {
                address,
                holder: Box::new(holder.clone()),
            }),
            None => Ok(Choice {
                address,
                passed: None,
            }),
        }
    }

    fn choose_one(
        &self,
        family: Family,
        supply: &Supply<'_>,
        now: u64,
    ) -> Result<Choice, LeaseError> {
        if let Some(choice) = self.never_given(family, supply) {
            return Ok(choice);
        }
        let given = |address| {
            let passed = None;
            Ok(Choice { address, passed })
        };
        let idle = self.longest_idle(family, supply, now);
        if let Some((address, since)) = idle
            && supply.rested_at(since) <= now
        {
            return given(address);
        }
        if let Some(address) = self.lost(family, supply) {
            return given(address);
        }
        let (address, since) = idle.ok_or(LeaseError::Exhausted { family })?;
        match supply.pressed_at(since) {
            until if until > now => Err(LeaseError::AllCooling { family, until }),
            _ => given(address),
        }
    }

    fn never_given(&self, family: Family, supply: &Supply<'_>) -> Option<Choice> {
        supply.active(family).find_map(|block| {
            let cursor = self.cursors.get(&block).copied().unwrap_or(0);
            let (address, behind) = ring::next(block, &self.boot, cursor, &self.taken)?;
            let passed = Some((block, behind));
            Some(Choice { address, passed })
        })
    }

    /// An address of which no lease tells, though the cursor is past it: its line was lost with a
    /// damaged file. Nobody knows whether it has rested, so those that have come first.
    fn lost(&self, family: Family, supply: &Supply<'_>) -> Option<IpAddr> {
        let mut blocks = supply.active(family);
        blocks.find_map(|block| Some(ring::next(block, &self.boot, 0, &self.taken)?.0))
    }

    /// The cooling address that has been idle longest, and since when.
    fn longest_idle(&self, family: Family, supply: &Supply<'_>, now: u64) -> Option<(IpAddr, u64)> {
        self.cooling.iter().find_map(|lease| {
            let address = lease.address(family).filter(|a| supply.gives(*a))?;
            Some((address, lease.since.min(now)))
        })
    }
}

/// When a lack ends by waiting alone, in seconds since boot.
fn ends(lack: &LeaseError) -> u64 {
    match lack {
        LeaseError::AllCooling { until, .. } => *until,
        _ => u64::MAX,
    }
}
