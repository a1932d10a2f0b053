//! Where the leases and the kernel disagree: an ADD was killed, a DEL never came, the file was lost.
//!
//! The agent sees it from outside, without the lock. So each operation looks again under the lock
//! whether the leases still are as the agent has seen them, and does nothing where they are not.

use super::{LeaseError, Leases};
use crate::{Lease, LeaseState, Unknown};
use gingham_model::{Family, MacAddress};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An attachment without a lease, as far as the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The name of the interface on the host.
    pub host_if: String,
    /// `namespace/name` of the pod, for people only; empty where nothing tells it.
    pub pod: String,
    /// The IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address.
    pub v6: Option<Ipv6Addr>,
    /// The MAC address of the interface in the pod.
    pub mac: MacAddress,
}

impl Recovered {
    /// Whether it has any address: that of an ADD which was killed may have none.
    pub(crate) fn has_address(&self) -> bool {
        self.v4.is_some() || self.v6.is_some()
    }

    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        }
    }

    fn held_since(self, now: u64) -> Lease {
        Lease {
            network: String::new(),
            container_id: String::new(),
            ifname: String::new(),
            pod: self.pod,
            v4: self.v4,
            v6: self.v6,
            mac: self.mac,
            host_if: self.host_if,
            state: LeaseState::Held,
            since: now,
            unknown: Unknown::new(),
        }
    }
}

impl Leases {
    /// Gives up `lease`, whose attachment is not in the kernel: Intent or Held becomes Cooling.
    /// `None` unless it stands as it was seen, to the second: who has changed it since is at work.
    pub fn forfeit(&mut self, lease: &Lease, now: u64) -> Option<Lease> {
        let at = self.live.iter().position(|live| live == lease)?;
        Some(self.rest(at, now))
    }

    /// Takes up the attachment which the kernel has and no lease tells of, as a Held lease without
    /// network, container ID and interface name. Its addresses are not given to anybody else then;
    /// where they rested, they do not any more.
    ///
    /// # Errors
    /// [`LeaseError::AlreadyHeld`] when a live lease has its interface or one of its addresses; the
    /// leases are then as before.
    pub fn adopt(&mut self, recovered: Recovered, now: u64) -> Result<Lease, LeaseError> {
        let lease = recovered.held_since(now);
        let clashes =
            |live: &&Lease| live.host_if == lease.host_if || live.addresses().any(|a| lease.has(a));
        if let Some(live) = self.live.iter().find(clashes) {
            return Err(LeaseError::AlreadyHeld(Box::new(live.clone())));
        }
        for address in lease.addresses() {
            self.wake(address);
            self.taken.insert(address);
        }
        self.live.push(lease.clone());
        Ok(lease)
    }

    /// Where the live lease stands that was recovered from the interface `host_if`.
    pub(super) fn recovered(&self, host_if: &str) -> Option<usize> {
        let is_it = |lease: &Lease| lease.is_recovered() && lease.host_if == host_if;
        self.live.iter().position(is_it)
    }
}
