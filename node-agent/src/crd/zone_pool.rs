//! ZonePool: the addresses of a zone.

use super::scalar::{PodCidr, ZoneName};
use super::status::Status;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const FIT: &str = "self.cidrs.all(c, !isCIDR(c.cidr) || cidr(c.cidr).prefixLength() <= \
     (cidr(c.cidr).ip().family() == 4 ? self.blockSize.v4 : self.blockSize.v6))";
const UNFIT: &str = "'no block of the length in spec.blockSize fits into ' + self.cidrs.map(c, \
     isCIDR(c.cidr) && cidr(c.cidr).prefixLength() > (cidr(c.cidr).ip().family() == 4 ? \
     self.blockSize.v4 : self.blockSize.v6), c.cidr)[0]";

/// Of two prefixes without host bits that share an address, one holds the first address of the other.
const DISJOINT: &str = "self.all(a, !isCIDR(a.cidr) || self.all(b, a.cidr == b.cidr || \
     !isCIDR(b.cidr) || !cidr(a.cidr).containsIP(cidr(b.cidr).ip())))";
const OVERLAPPING: &str = "'cidrs must not overlap one another: ' + self.map(a, isCIDR(a.cidr) && \
     self.exists(b, a.cidr != b.cidr && isCIDR(b.cidr) && (cidr(a.cidr).containsIP(cidr(b.cidr).ip()) \
     || cidr(b.cidr).containsIP(cidr(a.cidr).ip()))), a.cidr)[0]";

const KEPT: &str = "oldSelf.all(o, self.exists(n, n.cidr == o.cidr))";
const TAKEN_AWAY: &str = "'cidrs must not be taken away, blocks of them may be in use; set state: \
     Draining instead: ' + oldSelf.map(o, !self.exists(n, n.cidr == o.cidr), o.cidr)[0]";

/// The addresses the nodes of a zone take blocks from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "gingham.dev",
    version = "v1alpha1",
    kind = "ZonePool",
    plural = "zonepools",
    shortname = "zp",
    category = "gingham",
    status = "Status",
    derive = "PartialEq",
    doc = "The addresses the nodes of a zone take blocks from. CIDRs can be added and drained, never taken away.",
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.zone",
        description = "Whose nodes take blocks from it"),
    printcolumn(name = "CIDRs", type_ = "string", json_path = ".spec.cidrs",
        description = "Its addresses, and whether blocks are carved out of them"),
    printcolumn(name = "Aggregate", type_ = "string", json_path = ".spec.aggregate",
        description = "What reflectors announce besides blocks"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status",
        description = "Whether it is in force"),
    printcolumn(name = "IPv4-Block", type_ = "integer", json_path = ".spec.blockSize.v4",
        priority = 1, description = "Length of IPv4 blocks"),
    printcolumn(name = "IPv6-Block", type_ = "integer", json_path = ".spec.blockSize.v6",
        priority = 1, description = "Length of IPv6 blocks"),
    printcolumn(name = "NAT", type_ = "boolean", json_path = ".spec.natOutgoing",
        priority = 1, description = "Whether traffic that leaves the cluster takes the node's address"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].message",
        priority = 1, description = "Why it is in force or not"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name != 'node-pod-cidrs'")
        .message("metadata.name: node-pod-cidrs is reserved for blocks that mirror spec.podCIDRs of Nodes")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(FIT).message(Message::Expression(UNFIT.into())).field_path(".cidrs")
)]
pub struct ZonePoolSpec {
    /// The zone whose nodes take blocks from this pool. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("zone is immutable: blocks of the pool are in use in that zone"))]
    pub zone: ZoneName,
    /// The addresses. One may be added, drained and made active again, but never taken away.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["cidr".into()]),
        validation = Rule::new(DISJOINT).message(Message::Expression(OVERLAPPING.into())),
        validation = Rule::new(KEPT).message(Message::Expression(TAKEN_AWAY.into()))
    )]
    pub cidrs: Vec<PoolCidr>,
    /// Lengths in bits of the blocks. Immutable.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("blockSize is immutable: blocks of that size are in use"))]
    pub block_size: BlockSize,
    /// What the zone's reflectors announce besides blocks.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// Whether traffic that leaves the cluster takes the node's address.
    #[serde(default = "yes")]
    pub nat_outgoing: bool,
    /// Seconds an address rests before it is given out again.
    #[serde(default = "cooldown_seconds")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cooldown_seconds: i32,
}

/// One CIDR of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolCidr {
    /// The addresses.
    pub cidr: PodCidr,
    /// Whether blocks are still carved out of it.
    #[serde(default)]
    pub state: CidrState,
}

/// Whether a pool's CIDR still gives out blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CidrState {
    /// Blocks are carved out of it.
    #[default]
    Active,
    /// No new blocks; the present ones empty themselves.
    Draining,
}

/// Lengths in bits of the blocks of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BlockSize {
    /// Of IPv4 blocks.
    #[schemars(range(min = 1, max = 32))]
    pub v4: i32,
    /// Of IPv6 blocks.
    #[schemars(range(min = 1, max = 128))]
    pub v6: i32,
}

impl Default for BlockSize {
    fn default() -> Self {
        BlockSize { v4: 26, v6: 122 }
    }
}

/// What a zone's reflectors announce of a pool beyond its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Aggregate {
    /// The pool's CIDRs themselves; the blocks then stay inside the zone.
    Zone,
    /// Nothing.
    #[default]
    None,
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn cooldown_seconds() -> i32 {
    120
}
