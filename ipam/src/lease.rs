//! A lease: which attachment has which addresses.

use crate::Unknown;
use crate::fault::{Field, field};
use gingham_model::{Family, MacAddress};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What identifies an attachment to a runtime (CNI specification, section 2). Never the pod's name:
/// the DEL of an old sandbox may come after the ADD of the new one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey {
    /// The network's `name`.
    pub network: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.network, self.container_id, self.ifname)
    }
}

/// For how many seconds a lease can be an Intent while its ADD still runs: none takes longer, by
/// the deadlines of its own (which the plugin checks when it is compiled) and by that of its
/// caller, at most five minutes. What is older was left behind by an ADD that was killed.
pub const LONGEST_INTENT: u64 = 300;

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseState {
    /// Given out, but the pod is not wired yet: written before the first kernel change, so that
    /// whoever finds the remains of a killed ADD finds its addresses too.
    Intent,
    /// The pod has it.
    Held,
    /// Given back; rests until it may be given out again.
    Cooling,
}

/// One attachment's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The network's `name`.
    pub network: String,
    /// `CNI_CONTAINERID`; empty for a lease recovered from the kernel.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `namespace/name` of the pod, for people only.
    pub pod: String,
    /// The IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<Ipv6Addr>,
    /// The MAC address of the interface in the pod.
    pub mac: MacAddress,
    /// The name of the interface on the host.
    pub host_if: String,
    /// Where it stands.
    pub state: LeaseState,
    /// When it came to stand there, in seconds since boot (`CLOCK_BOOTTIME`).
    pub since: u64,
    /// Fields this release does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The fields of [`Lease`], for error messages.
pub(crate) const FIELDS: &[Field] = &[
    field::<String>("network"),
    field::<String>("containerId"),
    field::<String>("ifname"),
    field::<String>("pod"),
    field::<Option<Ipv4Addr>>("v4"),
    field::<Option<Ipv6Addr>>("v6"),
    field::<MacAddress>("mac"),
    field::<String>("hostIf"),
    field::<LeaseState>("state"),
    field::<u64>("since"),
];

impl Lease {
    /// What identifies it while it is Intent or Held.
    pub fn key(&self) -> LeaseKey {
        LeaseKey {
            network: self.network.clone(),
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
        }
    }

    /// Whether it was recovered from the kernel, which does not know the container: it is matched
    /// by `host_if`.
    pub fn is_recovered(&self) -> bool {
        self.container_id.is_empty()
    }

    /// Whether it is the lease of `key`. One recovered from the kernel is nobody's: many of them
    /// may share the empty container ID.
    pub fn is_of(&self, key: &LeaseKey) -> bool {
        !self.is_recovered()
            && self.container_id == key.container_id
            && self.ifname == key.ifname
            && self.network == key.network
    }

    /// The address of this family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        }
    }

    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        Family::ALL
            .into_iter()
            .filter_map(|family| self.address(family))
    }

    /// Whether `address` is one of its addresses.
    pub fn has(&self, address: IpAddr) -> bool {
        self.address(Family::of(address)) == Some(address)
    }

    /// The same lease under this key.
    pub(crate) fn named(self, key: LeaseKey) -> Self {
        Lease {
            network: key.network,
            container_id: key.container_id,
            ifname: key.ifname,
            ..self
        }
    }

    pub(crate) fn set(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.v4 = Some(v4),
            IpAddr::V6(v6) => self.v6 = Some(v6),
        }
    }

    pub(crate) fn clear(&mut self, family: Family) {
        match family {
            Family::V4 => self.v4 = None,
            Family::V6 => self.v6 = None,
        }
    }
}
