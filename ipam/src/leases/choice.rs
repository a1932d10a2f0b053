//! Which address comes next.

use super::{LeaseError, Leases};
use crate::ring;
use crate::supply::Supply;
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
    pub(super) fn choose(&self, supply: &Supply<'_>, now: u64) -> Result<Vec<Choice>, LeaseError> {
        let mut choices = Vec::new();
        let mut lack = None;
        for family in supply.families {
            match self.choose_one(*family, supply, now) {
                Ok(choice) => choices.push(choice),
                Err(error) if lack.as_ref().is_some_and(|l| ends(l) >= ends(&error)) => {}
                Err(error) => lack = Some(error),
            }
        }
        lack.map_or(Ok(choices), Err)
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
        let (address, until) = self
            .longest_idle(family, supply)
            .ok_or(LeaseError::Exhausted { family })?;
        if until > now {
            return Err(LeaseError::AllCooling { family, until });
        }
        let passed = None;
        Ok(Choice { address, passed })
    }

    fn never_given(&self, family: Family, supply: &Supply<'_>) -> Option<Choice> {
        supply.active(family).find_map(|block| {
            let cursor = self.cursors.get(&block).copied().unwrap_or(0);
            let (address, behind) = ring::next(block, &self.boot, cursor, &self.taken)?;
            let passed = Some((block, behind));
            Some(Choice { address, passed })
        })
    }

    /// The cooling address that has been idle longest, and when its rest ends.
    fn longest_idle(&self, family: Family, supply: &Supply<'_>) -> Option<(IpAddr, u64)> {
        self.cooling.iter().find_map(|lease| {
            let address = lease.address(family).filter(|a| supply.gives(*a))?;
            Some((address, supply.rested_at(lease.since)))
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
