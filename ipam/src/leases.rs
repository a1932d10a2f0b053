//! The leases of one boot, and what can be done to them. Pure: time is an argument, in seconds
//! since boot (`CLOCK_BOOTTIME`).

mod choice;
mod json;
pub(crate) mod line;
mod recovery;
mod rescue;

use crate::supply::Supply;
use crate::{BootId, Lease, LeaseKey, LeaseState, NodeBlock, StoreError, Unknown, Usage, ring};
use choice::Choice;
use gingham_model::{Family, MacAddress, PoolName, Prefix};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use recovery::Recovered;
pub use rescue::Rescue;

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

/// What an ADD asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose addresses they will be.
    pub key: LeaseKey,
    /// `namespace/name` of the pod, for people only.
    pub pod: String,
    /// The MAC address of the interface in the pod.
    pub mac: MacAddress,
    /// The name of the interface on the host.
    pub host_if: String,
    /// What it wants by name.
    pub wanted: Wanted,
}

/// What an ADD may want by name; mostly nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// This IPv4 address. It is given though it rests: who asks for it means this very one, as a
    /// pod that comes back under its name does.
    pub v4: Option<Ipv4Addr>,
    /// This IPv6 address, in the same way.
    pub v6: Option<Ipv6Addr>,
    /// Addresses of this pool's blocks alone.
    pub pool: Option<PoolName>,
}

impl Wanted {
    /// The wanted address of this family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        }
    }
}

/// What an ADD gets: a lease in state Intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Addresses nobody has.
    New(Lease),
    /// The addresses of an earlier ADD of the same key that was killed: parts of its wiring may
    /// still be there.
    Resumed(Lease),
}

impl Reservation {
    /// The lease, either way.
    pub fn lease(&self) -> &Lease {
        match self {
            Reservation::New(lease) | Reservation::Resumed(lease) => lease,
        }
    }
}

/// Why an ADD gets no addresses.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The attachment exists; this ADD must not harm it.
    #[error("{} already holds addresses, as {} of pod {}", .0.key(), .0.host_if, .0.pod)]
    AlreadyHeld(Box<Lease>),
    /// All free addresses of a family rest, and none has had the quarter of its rest that must be.
    /// Trying again helps (CNI error 11).
    #[error("no {family} address: all free ones rest, the first until second {until} since boot")]
    AllCooling {
        /// The family that lacks one.
        family: Family,
        /// When the first of them may be given, in seconds since boot.
        until: u64,
    },
    /// Every address of a family is in the hands of a pod.
    #[error("no {family} address: all of this node's Active blocks are held by pods")]
    Exhausted {
        /// The family that lacks one.
        family: Family,
    },
    /// The address that is wanted cannot be given on this node.
    #[error("address {address}: {why}")]
    NotGiven {
        /// The address.
        address: IpAddr,
        /// The reason.
        why: &'static str,
    },
    /// The address that is wanted is another pod's; it may be about to go (CNI error 11).
    #[error("address {address}: held by {}, as {} of pod {}", whose(.holder), .holder.host_if, .holder.pod)]
    Taken {
        /// The address.
        address: IpAddr,
        /// Whose it is.
        holder: Box<Lease>,
    },
    /// The node has no Active block of the pool that is wanted.
    #[error("pool {pool}: this node has no Active {family} block of it")]
    NoBlockOfPool {
        /// The pool.
        pool: PoolName,
        /// The family that lacks one.
        family: Family,
    },
    /// The reservation to be confirmed is gone: a DEL or the agent gave it back meanwhile.
    #[error("{0}: its reservation is gone")]
    NotReserved(LeaseKey),
    /// The store around the leases could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
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

impl Wanted {
    /// The blocks its addresses may be of.
    fn blocks<'a>(&self, supply: &Supply<'a>) -> Result<Cow<'a, [NodeBlock]>, LeaseError> {
        let Some(pool) = &self.pool else {
            return Ok(Cow::Borrowed(supply.blocks));
        };
        let of_pool = supply.blocks.iter().filter(|block| block.pool == *pool);
        let blocks: Vec<NodeBlock> = of_pool.cloned().collect();
        let narrowed = Supply {
            blocks: &blocks,
            ..*supply
        };
        let mut families = supply.families.iter().copied();
        match families.find(|family| narrowed.active(*family).next().is_none()) {
            Some(family) => Err(LeaseError::NoBlockOfPool {
                pool: pool.clone(),
                family,
            }),
            None => Ok(Cow::Owned(blocks)),
        }
    }
}

/// The attachment that holds a lease, in a message.
fn whose(lease: &Lease) -> String {
    match lease.is_recovered() {
        true => "an attachment recovered from the kernel".to_owned(),
        false => lease.key().to_string(),
    }
}

/// Whether a lease has just what an ADD would get now: the same families, out of Active blocks, and
/// what it wants by name.
fn fits(lease: &Lease, wanted: &Wanted, supply: &Supply<'_>) -> bool {
    Family::ALL.into_iter().all(|family| {
        let given = supply.families.contains(&family);
        match (lease.address(family), wanted.address(family)) {
            (Some(address), Some(wanted)) if address != wanted => false,
            (Some(address), _) => given && supply.gives(address),
            (None, Some(_)) => false,
            (None, None) => !given,
        }
    })
}
