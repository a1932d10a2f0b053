//! Block: who holds which addresses.

use super::scalar::{Address, Cidr, ObjectName, ZoneName};
use super::status::{Condition, date_time};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of IPv6 every hextet stands in the name with four digits, so that the name, with other signs
/// between, is the prefix again.
const NAMED: &str = "!isCIDR(self.spec.cidr) || (cidr(self.spec.cidr).ip().family() == 4 ? \
     self.metadata.name == self.spec.cidr.replace('.', '-').replace('/', '-') : \
     self.metadata.name.matches('^([0-9a-f]{4}-){8}[0-9]{1,3}$') && \
     isCIDR(self.metadata.name.substring(0, 39).replace('-', ':') + '/' + \
     self.metadata.name.substring(40)) && \
     cidr(self.metadata.name.substring(0, 39).replace('-', ':') + '/' + \
     self.metadata.name.substring(40)) == cidr(self.spec.cidr))";
const MISNAMED: &str = "metadata.name must be that of spec.cidr: 10-64-3-0-26 for 10.64.3.0/26, for \
     IPv6 all eight hextets in full and the length";

/// A range of addresses in the hands of one node. Its name is a function of its CIDR, and its
/// creation is the claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "gingham.dev",
    version = "v1alpha1",
    kind = "Block",
    plural = "blocks",
    shortname = "blk",
    category = "gingham",
    status = "BlockStatus",
    derive = "PartialEq",
    doc = "A range of addresses in the hands of one node. Written by agents.",
    selectable = ".spec.zone",
    selectable = ".spec.node",
    printcolumn(name = "CIDR", type_ = "string", json_path = ".spec.cidr",
        description = "Its addresses"),
    printcolumn(name = "Node", type_ = "string", json_path = ".spec.node",
        description = "Who holds it"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.zone",
        description = "Where the owner stands now"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state",
        description = "Where it stands between claim and release"),
    printcolumn(name = "Orphaned", type_ = "date", json_path = ".status.orphanedSince",
        description = "For how long its Node has been gone"),
    printcolumn(name = "Pool", type_ = "string", json_path = ".spec.pool",
        description = "The ZonePool it comes from"),
    printcolumn(name = "Node-IPs", type_ = "string", json_path = ".spec.nodeIPs",
        priority = 1, description = "The next hops towards it"),
    printcolumn(name = "Node-UID", type_ = "string", json_path = ".spec.nodeUID",
        priority = 1, description = "The metadata.uid of the owner's Node"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(NAMED).message(MISNAMED)
)]
#[serde(rename_all = "camelCase")]
pub struct BlockSpec {
    /// The addresses. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("cidr is immutable"))]
    pub cidr: Cidr,
    /// The pool they come from. Immutable, but where podCIDR mode is switched on a block may become one
    /// of node-pod-cidrs.
    #[x_kube(validation = Rule::new("self == oldSelf || self == 'node-pod-cidrs'").message(
        "pool is immutable, except that a block may become one of node-pod-cidrs"
    ))]
    pub pool: ObjectName,
    /// The zone the owner stands in now; after a move not the pool's zone.
    pub zone: ZoneName,
    /// The owner. Immutable: a block changes hands by being freed and claimed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("node is immutable: a block changes hands by being freed and claimed"))]
    pub node: ObjectName,
    /// metadata.uid of the owner's Node.
    #[serde(rename = "nodeUID")]
    #[schemars(length(min = 1, max = 128))]
    pub node_uid: String,
    /// The owner's InternalIPs: the next hops towards this block.
    #[serde(rename = "nodeIPs")]
    #[schemars(length(max = 64))]
    pub node_ips: Vec<Address>,
    /// Where it stands between claim and release.
    #[serde(default)]
    pub state: BlockState,
}

/// Where a block stands between claim and release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BlockState {
    /// Its node gives addresses out of it.
    #[default]
    Active,
    /// Its node gives no new addresses out of it; the route stays.
    Draining,
    /// Its Node object is gone; the route stays until the block is freed.
    Orphaned,
}

/// What is known of a Block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockStatus {
    /// Since when its Node object has been gone; absent while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub orphaned_since: Option<Time>,
    /// The metadata.generation this was said of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Whether the object is in force: condition Accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
