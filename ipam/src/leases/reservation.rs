//! What an ADD asks for, what it gets, and why it gets nothing.

use crate::supply::Supply;
use crate::{Lease, LeaseKey, NodeBlock, StoreError};
use gingham_model::{Family, MacAddress, PoolName};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

impl Wanted {
    /// The blocks its addresses may be of.
    pub(super) fn blocks<'a>(
        &self,
        supply: &Supply<'a>,
    ) -> Result<Cow<'a, [NodeBlock]>, LeaseError> {
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
pub(super) fn fits(lease: &Lease, wanted: &Wanted, supply: &Supply<'_>) -> bool {
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
