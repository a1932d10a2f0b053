//! The cluster objects that concern addresses: pools of a zone and the blocks carved out of them.

use crate::{Family, NodeName, PoolName, Prefix, Zone};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Whether a pool's CIDR still gives out blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CidrState {
    /// Blocks are carved out of it.
    #[default]
    Active,
    /// No new blocks; the present ones empty themselves.
    Draining,
}

/// One CIDR of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCidr {
    /// The addresses.
    pub cidr: Prefix,
    /// Whether blocks are still carved out of it.
    #[serde(default)]
    pub state: CidrState,
}

/// Length in bits of the blocks of a pool, per family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockSize {
    /// Of IPv4 blocks.
    pub v4: u8,
    /// Of IPv6 blocks.
    pub v6: u8,
}

impl Default for BlockSize {
    fn default() -> Self {
        BlockSize { v4: 26, v6: 122 }
    }
}

impl BlockSize {
    /// The length for `family`.
    pub fn of(self, family: Family) -> u8 {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// What a zone's reflectors announce of a pool beyond its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    /// The pool's CIDRs themselves; the blocks then stay inside the zone.
    Zone,
    /// Nothing.
    #[default]
    None,
}

/// The `spec` of a ZonePool as written, before [`Pool::new`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    /// The zone whose nodes take blocks from this pool.
    pub zone: Zone,
    /// The addresses.
    pub cidrs: Vec<PoolCidr>,
    /// Length of the blocks.
    #[serde(default)]
    pub block_size: BlockSize,
    /// What reflectors announce besides blocks.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// Whether traffic that leaves the cluster takes the node's address.
    #[serde(default = "yes")]
    pub nat_outgoing: bool,
    /// Seconds an address rests before it is given out again.
    #[serde(default = "default_cooldown")]
    pub cooldown_seconds: u32,
}

fn yes() -> bool {
    true
}

fn default_cooldown() -> u32 {
    120
}

/// A pool whose CIDRs are disjoint, wide enough for a block, and fit for pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name of the ZonePool.
    pub name: PoolName,
    /// Its contents.
    pub spec: PoolSpec,
}

/// Why a pool is refused: names the field and the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// A pool without addresses.
    #[error("spec.cidrs: must hold at least one CIDR")]
    Empty,
    /// A CIDR too small for a single block, or a block length the family cannot have.
    #[error("spec.cidrs[{index}].cidr {cidr}: no block of /{length} fits (spec.blockSize)")]
    TooSmall {
        /// Position in `spec.cidrs`.
        index: usize,
        /// The CIDR.
        cidr: Prefix,
        /// The block length of its family.
        length: u8,
    },
    /// Two CIDRs of the pool share addresses.
    #[error("spec.cidrs[{index}].cidr {cidr}: overlaps {other} of the same pool")]
    Overlap {
        /// Position in `spec.cidrs`.
        index: usize,
        /// The later CIDR.
        cidr: Prefix,
        /// The earlier one.
        other: Prefix,
    },
    /// A range no pod can have: loopback, link-local, multicast, or the unspecified network.
    #[error("spec.cidrs[{index}].cidr {cidr}: overlaps {reserved}, which pods cannot use")]
    Reserved {
        /// Position in `spec.cidrs`.
        index: usize,
        /// The CIDR.
        cidr: Prefix,
        /// The reserved range it meets.
        reserved: &'static str,
    },
}

impl Pool {
    /// Checks a `spec`.
    ///
    /// # Errors
    /// The first field that does not hold, in the order of `spec.cidrs`.
    pub fn new(name: PoolName, spec: PoolSpec) -> Result<Self, PoolError> {
        if spec.cidrs.is_empty() {
            return Err(PoolError::Empty);
        }
        for (index, PoolCidr { cidr, .. }) in spec.cidrs.iter().enumerate() {
            let cidr = *cidr;
            let length = spec.block_size.of(cidr.family());
            if cidr.count(length).is_none() {
                return Err(PoolError::TooSmall {
                    index,
                    cidr,
                    length,
                });
            }
            if let Some(reserved) = cidr.reserved() {
                return Err(PoolError::Reserved {
                    index,
                    cidr,
                    reserved,
                });
            }
            let earlier = spec.cidrs[..index]
                .iter()
                .map(|c| c.cidr)
                .find(|c| c.overlaps(cidr));
            if let Some(other) = earlier {
                return Err(PoolError::Overlap { index, cidr, other });
            }
        }
        Ok(Pool { name, spec })
    }

    /// The state of the CIDR that holds `block`; `None` when none does.
    pub fn state_of(&self, block: Prefix) -> Option<CidrState> {
        self.spec
            .cidrs
            .iter()
            .find(|c| c.cidr.covers(block))
            .map(|c| c.state)
    }
}

/// Where a block stands between claim and release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockState {
    /// Its node gives addresses out of it.
    #[default]
    Active,
    /// Its node gives no new addresses out of it; the route stays.
    Draining,
    /// Its Node object is gone; the route stays until the block is freed.
    Orphaned,
}

/// A range of addresses in the hands of one node: the `spec` of a Block object.
///
/// The object's name is a function of the prefix, and its creation is the claim: of two nodes that
/// want the same block, one creates it and the other is told that it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The addresses.
    pub cidr: Prefix,
    /// The pool they come from.
    pub pool: PoolName,
    /// The zone the owner stands in now; after a move not the pool's zone.
    pub zone: Zone,
    /// The owner.
    pub node: NodeName,
    /// `metadata.uid` of the owner's Node.
    #[serde(rename = "nodeUID")]
    pub node_uid: String,
    /// The owner's InternalIPs: the next hops towards this block.
    #[serde(rename = "nodeIPs")]
    pub node_ips: Vec<IpAddr>,
    /// Where it stands.
    #[serde(default)]
    pub state: BlockState,
}

impl Block {
    /// The next hop of the block's own family: the first of `nodeIPs` that has it.
    pub fn next_hop(&self) -> Option<IpAddr> {
        self.node_ips
            .iter()
            .copied()
            .find(|ip| Family::of(*ip) == self.cidr.family())
    }

    /// The name of the Block object for `cidr`: `10-64-3-0-26`, or for IPv6 all eight hextets in
    /// full and the length, so that one prefix has one name.
    pub fn object_name(cidr: Prefix) -> String {
        let mut name = match cidr.address() {
            IpAddr::V4(v4) => v4.octets().map(|octet| octet.to_string()).join("-"),
            IpAddr::V6(v6) => v6
                .segments()
                .map(|hextet| format!("{hextet:04x}"))
                .join("-"),
        };
        name.push_str(&format!("-{}", cidr.length()));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(cidrs: &[&str]) -> PoolSpec {
        PoolSpec {
            zone: "z1".parse().unwrap(),
            cidrs: cidrs
                .iter()
                .map(|c| PoolCidr {
                    cidr: c.parse().unwrap(),
                    state: CidrState::Active,
                })
                .collect(),
            block_size: BlockSize::default(),
            aggregate: Aggregate::None,
            nat_outgoing: true,
            cooldown_seconds: 120,
        }
    }

    fn refusal(cidrs: &[&str]) -> String {
        Pool::new("p".parse().unwrap(), spec(cidrs))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_pool_is_refused_by_field_and_value() {
        assert_eq!(refusal(&[]), "spec.cidrs: must hold at least one CIDR");
        assert_eq!(
            refusal(&["10.0.0.0/16", "10.0.3.0/24"]),
            "spec.cidrs[1].cidr 10.0.3.0/24: overlaps 10.0.0.0/16 of the same pool"
        );
        assert_eq!(
            refusal(&["10.0.0.0/27"]),
            "spec.cidrs[0].cidr 10.0.0.0/27: no block of /26 fits (spec.blockSize)"
        );
        assert_eq!(
            refusal(&["0.0.0.0/0"]),
            "spec.cidrs[0].cidr 0.0.0.0/0: overlaps 0.0.0.0/8, which pods cannot use"
        );
        assert!(Pool::new("p".parse().unwrap(), spec(&["10.0.0.0/16", "fd00:10::/48"])).is_ok());
    }

    #[test]
    fn block_names_are_one_to_one() {
        let name = |text: &str| Block::object_name(text.parse().unwrap());
        assert_eq!(name("10.64.3.0/26"), "10-64-3-0-26");
        assert_eq!(
            name("fd00:10::40/122"),
            "fd00-0010-0000-0000-0000-0000-0000-0040-122"
        );
    }
}
