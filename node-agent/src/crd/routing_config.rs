//! RoutingConfig: the settings of the cluster.

use super::scalar::{
    AsNumber, Cidr, HoldSeconds, LabelKey, ObjectName, PartialCidr, PodCidr, ZoneName,
};
use super::status::Status;
use super::zone_pool::{cooldown_seconds, yes};
use crate::config::ZONE_LABEL;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const OWN_AS: &str = "self.all(a, self.exists_one(b, b.asNumber == a.asNumber))";
const SHARED_AS: &str = "'each zone must have an asNumber of its own: ' + self.map(a, \
     !self.exists_one(b, b.asNumber == a.asNumber), a.name)[0]";

const DISJOINT: &str = "self.all(a, !has(a.nodeCIDRs) || self.all(b, a.name == b.name || \
     !has(b.nodeCIDRs) || a.nodeCIDRs.all(x, !isCIDR(x) || b.nodeCIDRs.all(y, !isCIDR(y) || \
     !cidr(x).containsIP(cidr(y).ip())))))";

const OVERLAPPING: &str = "'nodeCIDRs of different zones must not overlap: those of zone ' + \
     self.map(a, has(a.nodeCIDRs) && self.exists(b, a.name != b.name && has(b.nodeCIDRs) && \
     a.nodeCIDRs.exists(x, isCIDR(x) && b.nodeCIDRs.exists(y, isCIDR(y) && \
     cidr(x).containsIP(cidr(y).ip())))), a.name)[0] + ' meet others'";

const CLUSTER_DISJOINT: &str = "self.all(a, !isCIDR(a) || self.exists_one(b, isCIDR(b) && \
     (cidr(a).containsIP(cidr(b).ip()) || cidr(b).containsIP(cidr(a).ip()))))";
const CLUSTER_OVERLAPPING: &str = "'clusterCIDRs must not overlap one another: ' + self.filter(a, \
     isCIDR(a) && !self.exists_one(b, isCIDR(b) && (cidr(a).containsIP(cidr(b).ip()) || \
     cidr(b).containsIP(cidr(a).ip()))))[0]";

/// The settings of the cluster. Only the one called `default` is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "gingham.dev",
    version = "v1alpha1",
    kind = "RoutingConfig",
    plural = "routingconfigs",
    shortname = "rtcfg",
    category = "gingham",
    status = "Status",
    derive = "PartialEq",
    doc = "The settings of the cluster. There is one, called default.",
    printcolumn(name = "Paused", type_ = "boolean", json_path = ".spec.paused",
        description = "Whether nothing is removed anywhere"),
    printcolumn(name = "Pod-CIDRs", type_ = "string", json_path = ".spec.podCIDRs.clusterCIDRs",
        description = "Where blocks come from instead of ZonePools"),
    printcolumn(name = "Hold", type_ = "integer", json_path = ".spec.timers.holdSeconds",
        description = "Hold time offered to BGP peers, in seconds"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status",
        description = "Whether it is in force"),
    printcolumn(name = "Restart", type_ = "integer", json_path = ".spec.gracefulRestart.restartSeconds",
        priority = 1, description = "Restart time, in seconds"),
    printcolumn(name = "Multipath", type_ = "integer", json_path = ".spec.multipath",
        priority = 1, description = "The most next hops of one learned prefix"),
    printcolumn(name = "Release-Delay", type_ = "integer", json_path = ".spec.blockReleaseDelaySeconds",
        priority = 1, description = "Seconds until a block of a vanished Node is freed"),
    printcolumn(name = "Zones", type_ = "string", json_path = ".spec.zones",
        priority = 1, description = "The zones of the cluster"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].message",
        priority = 1, description = "Why it is in force or not"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == 'default'")
        .message("metadata.name must be default: no other RoutingConfig is read")
)]
#[serde(rename_all = "camelCase")]
pub struct RoutingConfigSpec {
    /// The zones of the cluster. One AS to a zone and one zone to an AS, and no subnet in two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new(OWN_AS).message(Message::Expression(SHARED_AS.into())),
        validation = Rule::new(DISJOINT).message(Message::Expression(OVERLAPPING.into()))
    )]
    pub zones: Vec<ZoneSpec>,
    /// While set, no agent removes anything.
    #[serde(default)]
    pub paused: bool,
    /// The key of the label that says a Node's zone.
    #[serde(default = "zone_label")]
    pub zone_label: LabelKey,
    /// Destinations, beside all pools and node subnets, that see the pods' own addresses.
    #[serde(
        default,
        rename = "nonMasqueradeCIDRs",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 256))]
    pub non_masquerade_cidrs: Vec<PartialCidr>,
    /// Routes of these protocol numbers that stand in the way of Gingham's are taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 1, max = 255)))]
    #[x_kube(validation = Rule::new("self.all(p, !(p in [2, 200, 201, 202, 203]))")
        .message("takeOverProtocols must hold neither 2, the kernel's own, nor 200 to 203, Gingham's own"))]
    pub take_over_protocols: Vec<i32>,
    /// Seconds a mass removal is held until it counts as meant.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    #[serde(default = "mass_removal_hold_seconds")]
    pub mass_removal_hold_seconds: i32,
    /// Seconds a block must have been empty before its node gives it back.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    #[serde(default = "empty_block_seconds")]
    pub empty_block_seconds: i32,
    /// Seconds the Node of a block must have been gone before the block is freed.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    #[serde(default = "block_release_delay_seconds")]
    pub block_release_delay_seconds: i32,
    /// What becomes of condition NetworkUnavailable of Nodes.
    #[serde(default)]
    pub network_unavailable: NetworkUnavailable,
    /// Blocks come from spec.podCIDRs of Nodes instead of ZonePools.
    #[serde(rename = "podCIDRs", skip_serializing_if = "Option::is_none")]
    pub pod_cidrs: Option<PodCidrs>,
    /// Times of BGP sessions.
    #[serde(default)]
    pub timers: Timers,
    /// How long routes outlive a session.
    #[serde(default)]
    pub graceful_restart: GracefulRestart,
    /// The sessions of reflectors with their nodes.
    #[serde(default)]
    pub reflectors: Reflectors,
    /// The most next hops of one learned prefix.
    #[schemars(range(min = 1, max = 128))]
    #[serde(default = "multipath")]
    pub multipath: i32,
}

/// A zone of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneSpec {
    /// Its name, the value of its Nodes' zone label.
    pub name: ZoneName,
    /// Its autonomous system.
    pub as_number: AsNumber,
    /// The subnets its nodes stand in.
    #[serde(default, rename = "nodeCIDRs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub node_cidrs: Vec<Cidr>,
}

/// Whether agents tell Kubernetes that a Node's network works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkUnavailable {
    /// Each agent sets the condition of its Node to False once the node has been ready.
    #[default]
    Clear,
    /// It is left alone: somebody else writes it.
    Leave,
}

/// Blocks that mirror spec.podCIDRs of Nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCidrs {
    /// Out of which Kubernetes allocates them.
    #[serde(rename = "clusterCIDRs")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new(CLUSTER_DISJOINT).message(Message::Expression(CLUSTER_OVERLAPPING.into())))]
    pub cluster_cidrs: Vec<PodCidr>,
    /// Whether traffic that leaves the cluster takes the node's address.
    #[serde(default = "yes")]
    pub nat_outgoing: bool,
    /// Seconds an address rests before it is given out again.
    #[serde(default = "cooldown_seconds")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cooldown_seconds: i32,
}

/// Times of BGP sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Timers {
    /// The hold time offered: 0, or 3 and more. A keepalive comes three times in it.
    pub hold_seconds: HoldSeconds,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            hold_seconds: HoldSeconds(30),
        }
    }
}

/// For how long who loses a speaker keeps its routes, and it keeps those of who is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GracefulRestart {
    /// The restart time (RFC 4724); 0 turns graceful restart off.
    #[schemars(range(min = 0, max = 4095))]
    pub restart_seconds: i32,
    /// What comes behind it (RFC 9494); 0 turns that off.
    #[schemars(range(min = 0, max = 16_777_215))]
    pub long_lived_stale_seconds: i32,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        GracefulRestart {
            restart_seconds: 120,
            long_lived_stale_seconds: 86_400,
        }
    }
}

/// The sessions of reflectors with their nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Reflectors {
    /// The Secret that holds their key (RFC 2385), under `password`; none without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<ObjectName>,
    /// Where reflectors listen.
    #[schemars(range(min = 1, max = 65_535))]
    pub listen_port: i32,
}

impl Default for Reflectors {
    fn default() -> Self {
        Reflectors {
            password_secret: None,
            listen_port: 179,
        }
    }
}

fn zone_label() -> LabelKey {
    LabelKey(ZONE_LABEL.to_owned())
}

fn mass_removal_hold_seconds() -> i32 {
    300
}

fn empty_block_seconds() -> i32 {
    300
}

fn block_release_delay_seconds() -> i32 {
    600
}

fn multipath() -> i32 {
    16
}
