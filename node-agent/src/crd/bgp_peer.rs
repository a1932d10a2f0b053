//! BGPPeer: with whom BGP is spoken beside the zone's own nodes.

use super::scalar::{AsNumber, HoldSeconds, ObjectName, PeerAddress, ZoneName};
use super::selector::LabelSelector;
use super::status::Status;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const ONCE: &str = "self.all(a, self.exists_one(b, b == a))";
const TWICE: &str = "'each filter must be given once: ' + \
     self.filter(a, !self.exists_one(b, b == a))[0]";

/// Sessions that some nodes have with one kind of peer, such as the core switches of a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "gingham.dev",
    version = "v1alpha1",
    kind = "BGPPeer",
    plural = "bgppeers",
    shortname = "bgpp",
    category = "gingham",
    status = "Status",
    derive = "PartialEq",
    doc = "Sessions that some nodes have with one kind of peer, such as the core switches of a zone.",
    printcolumn(
        name = "Zone",
        type_ = "string",
        json_path = ".spec.zone",
        description = "Only nodes of this zone have it"
    ),
    printcolumn(
        name = "Node",
        type_ = "string",
        json_path = ".spec.node",
        description = "Only this node has it"
    ),
    printcolumn(
        name = "Peer-IP",
        type_ = "string",
        json_path = ".spec.peerIP",
        description = "Where the peer is"
    ),
    printcolumn(
        name = "AS",
        type_ = "integer",
        json_path = ".spec.asNumber",
        description = "The peer's AS"
    ),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].status",
        description = "Whether it is in force"
    ),
    printcolumn(
        name = "Node-Selector",
        type_ = "string",
        json_path = ".spec.nodeSelector",
        priority = 1,
        description = "Only nodes with such labels have it"
    ),
    printcolumn(
        name = "Peer-Selector",
        type_ = "string",
        json_path = ".spec.peerSelector",
        priority = 1,
        description = "The reflectors that are the peers"
    ),
    printcolumn(
        name = "Gateway",
        type_ = "string",
        json_path = ".spec.defaultGateway",
        priority = 1,
        description = "Given where the peers are the default gateways"
    ),
    printcolumn(
        name = "Port",
        type_ = "integer",
        json_path = ".spec.port",
        priority = 1,
        description = "The port it listens on"
    ),
    printcolumn(
        name = "Connect",
        type_ = "string",
        json_path = ".spec.connect",
        priority = 1,
        description = "Who dials"
    ),
    printcolumn(
        name = "Hold",
        type_ = "integer",
        json_path = ".spec.holdSeconds",
        priority = 1,
        description = "Hold time offered, in seconds"
    ),
    printcolumn(
        name = "Filters",
        type_ = "string",
        json_path = ".spec.filters",
        priority = 1,
        description = "RouteFilters asked beside the built-in rules"
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].message",
        priority = 1,
        description = "Why it is in force or not"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.peerIP), has(self.peerSelector), has(self.defaultGateway)].filter(given, given).size() == 1")
        .message("exactly one of peerIP, peerSelector and defaultGateway must be given"),
    validation = Rule::new("!has(self.node) || !has(self.nodeSelector)")
        .message("node must not be given with nodeSelector")
        .field_path(".node"),
    validation = Rule::new("!has(self.asNumber) || !has(self.peerSelector)")
        .message("asNumber must not be given with peerSelector: a node has the AS of its zone")
        .field_path(".asNumber"),
    validation = Rule::new("!has(self.ttlSecurity) || !has(self.ebgpMultihop)")
        .message("ebgpMultihop must not be given with ttlSecurity")
        .field_path(".ebgpMultihop")
)]
pub struct BGPPeerSpec {
    /// Only nodes of this zone have it; those of every zone without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneName>,
    /// Only this node has it. Without node and nodeSelector: the reflectors of the zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<ObjectName>,
    /// Only nodes with such labels have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = StructMerge::Atomic)]
    pub node_selector: Option<LabelSelector>,
    /// The peer is at this address.
    #[serde(rename = "peerIP", skip_serializing_if = "Option::is_none")]
    pub peer_ip: Option<PeerAddress>,
    /// Peers are at the InternalIPs of the reflectors with such labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = StructMerge::Atomic)]
    pub peer_selector: Option<LabelSelector>,
    /// Peers are where the node's default routes lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_gateway: Option<DefaultGateway>,
    /// The peer's AS; the zone's own without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_number: Option<AsNumber>,
    /// The port it listens on.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// Who dials.
    #[serde(default)]
    pub connect: Connect,
    /// The hold time offered: 0, or 3 and more; that of the RoutingConfig without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<HoldSeconds>,
    /// The Secret that holds the key of its sessions (RFC 2385), under `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<ObjectName>,
    /// At most so many hops away, refused by the kernel beyond (RFC 5082).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_security: Option<TtlSecurity>,
    /// An external peer behind routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebgp_multihop: Option<EbgpMultihop>,
    /// The most prefixes of a family it may announce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_prefixes: Option<MaxPrefixes>,
    /// The next hop it is told.
    #[serde(default)]
    pub next_hop: NextHop,
    /// How often our own AS may stand in its paths.
    #[serde(default, rename = "allowOwnAS")]
    #[schemars(range(min = 0, max = 255))]
    pub allow_own_as: i32,
    /// The families exchanged on each session; that of its addresses without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub families: Vec<Family>,
    /// The RouteFilters asked beside the built-in rules, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(ONCE).message(Message::Expression(TWICE.into())))]
    pub filters: Vec<ObjectName>,
}

/// Peers where default routes lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultGateway {
    /// Default routes of these families; of both without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ip_families: Vec<Family>,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Connect {
    /// Both may.
    #[default]
    Both,
    /// Only the node dials.
    Active,
    /// Only the peer dials.
    Passive,
}

/// Generalised TTL security.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TtlSecurity {
    /// The most hops to the peer.
    #[schemars(range(min = 1, max = 255))]
    pub hops: i32,
}

/// An external peer behind routers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EbgpMultihop {
    /// The time to live of what is sent to it.
    #[schemars(range(min = 1, max = 255))]
    pub ttl: i32,
}

/// How many prefixes are too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MaxPrefixes {
    /// The most that are taken.
    #[schemars(range(min = 1, max = 4_294_967_295_i64))]
    pub count: i64,
    /// What one more does.
    #[serde(default)]
    pub action: Excess,
}

/// What the prefix beyond the limit does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Excess {
    /// Ends the session; it comes back after five minutes.
    #[default]
    Reset,
    /// Is said in the log, and taken.
    Warn,
}

/// The next hop a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NextHop {
    /// External peers: the node's address. Internal ones: as it is.
    #[default]
    Auto,
    /// The node's address.
    Own,
    /// As it is.
    Unchanged,
}

fn port() -> i32 {
    179
}
