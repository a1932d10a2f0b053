//! The leases of one boot, and what can be done to them. Pure: time is an argument, in seconds
//! since boot (`CLOCK_BOOTTIME`).

mod choice;
mod json;
pub(crate) mod line;
mod recovery;
mod rescue;
mod reservation;

use crate::supply::Supply;
use crate::{BootId, Lease, LeaseKey, LeaseState, Unknown, Usage, ring};
use choice::Choice;
use gingham_model::{Family, Prefix};
use reservation::fits;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

pub use recovery::Recovered;
pub use rescue::Rescue;
pub use reservation::{LeaseError, Request, Reservation, Wanted};

/// Every lease of one boot.
///
/// Two lists, because the two are looked for differently: a live lease by its key, a cooling one
/// only by its addresses. No address stands twice. A cooling lease stays past its rest until its
/// addresses are given again, which is how the longest idle one is known.
///
/// Of every block, each address that can be given is live, cooling, or still ahead of the block's
/// cursor; so all are given once before the first is given twice. Only where a damaged file has lost
/// lines is one neither; it is given after those that have rested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leases {
    boot: BootId,
    /// Intent and Held.
    live: Vec<Lease>,
    /// Cooling, longest idle first.
    cooling: Vec<Lease>,
    /// The addresses of both lists.
    taken: HashSet<IpAddr>,
    /// How many positions of each block's ring have been passed in this boot.
    cursors: BTreeMap<Prefix, u64>,
    unknown: Unknown,
}

impl Leases {
    /// No leases yet in this boot.
    pub fn new(boot: BootId) -> Self {
        Leases {
            boot,
            live: Vec::new(),
            cooling: Vec::new(),
            taken: HashSet::new(),
            cursors: BTreeMap::new(),
            unknown: Unknown::new(),
        }
    }

    /// The boot they belong to.
    pub fn boot_id(&self) -> &BootId {
        &self.boot
    }

    /// The leases in state Intent or Held, in the order they were made.
    pub fn live(&self) -> &[Lease] {
        &self.live
    }

    /// The leases in state Cooling, longest idle first. One may have just one address left, when
    /// the other has been given again.
    pub fn cooling(&self) -> &[Lease] {
        &self.cooling
    }

    /// The live lease of `key`.
    pub fn find(&self, key: &LeaseKey) -> Option<&Lease> {
        self.live.iter().find(|lease| lease.is_of(key))
    }

    /// Gives one address of every family of `supply` to `request.key`, or none: the one it wants;
    /// else first those never given in this boot, block by block; then the one that has been idle
    /// longest, even if it has had but a quarter of its rest.
    ///
    /// # Errors
    /// All but [`LeaseError::NotReserved`] and [`LeaseError::Store`]; the leases are then as before.
    pub fn reserve(
        &mut self,
        request: Request,
        supply: &Supply<'_>,
        now: u64,
    ) -> Result<Reservation, LeaseError> {
        let earlier = self.position(&request.key);
        if let Some(recovered) = self.recovered(&request.host_if) {
            let held = self.live[recovered].clone().named(request.key);
            return Err(LeaseError::AlreadyHeld(Box::new(held)));
        }
        let blocks = request.wanted.blocks(supply)?;
        let narrowed = Supply {
            blocks: &blocks,
            ..*supply
        };
        if let Some(at) = earlier {
            let lease = &mut self.live[at];
            if lease.state == LeaseState::Held {
                return Err(LeaseError::AlreadyHeld(Box::new(lease.clone())));
            }
            if fits(lease, &request.wanted, &narrowed) {
                lease.pod = request.pod;
                lease.mac = request.mac;
                lease.host_if = request.host_if;
                lease.since = now;
                return Ok(Reservation::Resumed(lease.clone()));
            }
        }
        let choices = self.choose(&request, &narrowed, now)?;
        self.settle_clock(now);
        if let Some(at) = earlier {
            self.rest(at, now);
        }
        let lease = self.give(request, &choices, now);
        self.forget(supply, now);
        Ok(Reservation::New(lease))
    }

    /// What rests since a time to come, by the clock of somebody else, rests since now.
    fn settle_clock(&mut self, now: u64) {
        for lease in &mut self.cooling {
            lease.since = lease.since.min(now);
        }
    }

    /// The pod is wired: Intent becomes Held.
    ///
    /// # Errors
    /// [`LeaseError::NotReserved`]; the caller must then undo the wiring.
    pub fn confirm(&mut self, key: &LeaseKey, now: u64) -> Result<(), LeaseError> {
        let gone = || LeaseError::NotReserved(key.clone());
        let at = self.position(key).ok_or_else(gone)?;
        let lease = &mut self.live[at];
        if lease.state == LeaseState::Intent {
            lease.state = LeaseState::Held;
            lease.since = now;
        }
        Ok(())
    }

    /// The ADD failed: Intent becomes Cooling, for its addresses may have been live for a moment.
    /// `None` when there is no Intent of `key`; a Held lease is another ADD's and stays.
    pub fn cancel(&mut self, key: &LeaseKey, now: u64) -> Option<Lease> {
        let at = self.position(key)?;
        (self.live[at].state == LeaseState::Intent).then(|| self.rest(at, now))
    }

    /// The attachment is gone from the kernel: Intent or Held becomes Cooling. A lease recovered
    /// from the kernel knows no key and is found by `host_if`, which is a function of it. `None`
    /// when there is no live lease of either, as at a repeated DEL.
    pub fn release(&mut self, key: &LeaseKey, host_if: &str, now: u64) -> Option<Lease> {
        // A DEL follows each ADD that failed, which could set nothing right.
        self.settle_clock(now);
        let at = self.position(key).or_else(|| self.recovered(host_if))?;
        Some(self.rest(at, now))
    }

    /// How full the Active blocks of `supply` are, for each of its families.
    pub fn usage(&self, supply: &Supply<'_>, now: u64) -> BTreeMap<Family, Usage> {
        let of = |family: Family| {
            let count = |lease: &&Lease| lease.address(family).is_some_and(|a| supply.gives(a));
            let resting = |lease: &&Lease| supply.rested_at(lease.since) > now;
            let capacity = supply.active(family).map(ring::capacity);
            let capacity = capacity.fold(0, u64::saturating_add);
            let held = self.live.iter().filter(count).count() as u64;
            let resting = self.cooling.iter().filter(count).filter(resting).count() as u64;
            let usage = Usage {
                capacity,
                held,
                resting,
                free: capacity.saturating_sub(held + resting),
            };
            (family, usage)
        };
        supply.families.iter().copied().map(of).collect()
    }

    /// Whether a pod has an address of `block`, or one rests that a pod had: traffic for the block
    /// may still mean this node.
    pub fn in_use(&self, block: Prefix, supply: &Supply<'_>, now: u64) -> bool {
        let rests = |lease: &&Lease| supply.rested_at(lease.since) > now;
        let resting = self.cooling.iter().filter(rests);
        let mut addresses = self.live.iter().chain(resting).flat_map(Lease::addresses);
        addresses.any(|address| block.contains(address))
    }

    fn position(&self, key: &LeaseKey) -> Option<usize> {
        self.live.iter().position(|lease| lease.is_of(key))
    }

    /// Moves a live lease to the cooling ones.
    fn rest(&mut self, at: usize, now: u64) -> Lease {
        let mut lease = self.live.remove(at);
        lease.state = LeaseState::Cooling;
        lease.since = now;
        let behind = self.cooling.partition_point(|other| other.since <= now);
        self.cooling.insert(behind, lease.clone());
        lease
    }

    fn give(&mut self, request: Request, choices: &[Choice], now: u64) -> Lease {
        let mut lease = Lease {
            network: request.key.network,
            container_id: request.key.container_id,
            ifname: request.key.ifname,
            pod: request.pod,
            v4: None,
            v6: None,
            mac: request.mac,
            host_if: request.host_if,
            state: LeaseState::Intent,
            since: now,
            unknown: Unknown::new(),
        };
        for choice in choices {
            match choice.passed {
                Some((block, cursor)) => drop(self.cursors.insert(block, cursor)),
                None => self.wake(choice.address),
            }
            self.taken.insert(choice.address);
            lease.set(choice.address);
        }
        self.live.push(lease.clone());
        lease
    }

    /// Takes one address off the cooling lease that has it; the other one cools on.
    fn wake(&mut self, address: IpAddr) {
        let family = Family::of(address);
        let mut cooling = self.cooling.iter();
        let Some(at) = cooling.position(|lease| lease.address(family) == Some(address)) else {
            return;
        };
        self.cooling[at].clear(family);
        if self.cooling[at].addresses().next().is_none() {
            self.cooling.remove(at);
        }
    }

    /// Drops what need not be remembered: the cursors of blocks that are gone, and rested addresses
    /// that lie in no block any more or in one whose ring goes round again.
    fn forget(&mut self, supply: &Supply<'_>, now: u64) {
        let taken = &mut self.taken;
        self.cooling.retain_mut(|lease| {
            if supply.rested_at(lease.since) > now {
                return true;
            }
            for family in Family::ALL {
                let forgotten = lease
                    .address(family)
                    .filter(|address| supply.block_of(*address).is_none_or(ring::wraps));
                if let Some(address) = forgotten {
                    lease.clear(family);
                    taken.remove(&address);
                }
            }
            lease.addresses().next().is_some()
        });
        let present = |block: &Prefix| supply.blocks.iter().any(|b| b.cidr == *block);
        self.cursors.retain(|block, _| present(block));
    }
}
