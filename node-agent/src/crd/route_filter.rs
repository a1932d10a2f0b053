//! RouteFilter: rules a BGPPeer can name.

use super::scalar::{
    AsNumber, Cidr, Community, LargeCommunity, ObjectName, PathAsNumber, Unsigned32,
};
use super::status::Status;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const OWN_NAME: &str = "self.all(a, self.exists_one(b, b.name == a.name))";
const SHARED_NAME: &str = "'each rule must have a name of its own: ' + self.map(a, \
     !self.exists_one(b, b.name == a.name), a.name)[0]";

const MIN_LENGTH: &str = "!has(self.minLength) || !isCIDR(self.prefix) || \
     (self.minLength >= cidr(self.prefix).prefixLength() && \
     self.minLength <= (cidr(self.prefix).ip().family() == 4 ? 32 : 128))";
const MAX_LENGTH: &str = "!has(self.maxLength) || !isCIDR(self.prefix) || \
     (self.maxLength >= cidr(self.prefix).prefixLength() && \
     (!has(self.minLength) || self.maxLength >= self.minLength) && \
     self.maxLength <= (cidr(self.prefix).ip().family() == 4 ? 32 : 128))";

const ONE_ACTION: &str = "[has(self.addCommunity), has(self.addLargeCommunity), \
     has(self.removeCommunity), has(self.setLocalPref), has(self.setMed), has(self.prepend)]\
     .filter(given, given).size() == 1";
const NOT_ONE_ACTION: &str = "an action must be exactly one of addCommunity, addLargeCommunity, \
     removeCommunity, setLocalPref, setMed and prepend";

/// Rules a BGPPeer can name. The first rule that matches a path decides; what none matches is left to
/// who comes next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "gingham.dev",
    version = "v1alpha1",
    kind = "RouteFilter",
    plural = "routefilters",
    shortname = "rtf",
    category = "gingham",
    status = "Status",
    derive = "PartialEq",
    doc = "Rules a BGPPeer can name. The first rule that matches a path decides.",
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].status",
        description = "Whether it is in force"
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
pub struct RouteFilterSpec {
    /// For what the peer says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new(OWN_NAME).message(Message::Expression(SHARED_NAME.into())))]
    pub import: Vec<FilterRule>,
    /// For what the peer is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new(OWN_NAME).message(Message::Expression(SHARED_NAME.into())))]
    pub export: Vec<FilterRule>,
}

/// Conditions, all of which must hold, and what is done then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.then != 'reject' || !has(self.actions) || self.actions.size() == 0")
        .message("actions must not be given with then: reject: a rule that rejects changes nothing")
        .field_path(".actions")
)]
pub struct FilterRule {
    /// Its name, told as the reason of a refusal.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Any of these prefix ranges; any prefix when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub prefixes: Vec<PrefixRange>,
    /// The node whose path it is: known for own paths and for peers that are nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub origin_nodes: Vec<ObjectName>,
    /// Where the path is from: any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub provenance: Vec<Provenance>,
    /// Any of these communities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub communities: Vec<Community>,
    /// Any of these large communities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub large_communities: Vec<LargeCommunity>,
    /// What the AS path must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_path: Option<AsPathMatch>,
    /// The next hop lies in any of these; anywhere when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub next_hops: Vec<Cidr>,
    /// What becomes of the path.
    pub then: Verdict,
    /// What is changed in an accepted path, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub actions: Vec<Action>,
}

/// Prefixes inside one, of some lengths: the prefix alone without any, everything inside from the
/// least length on without the greatest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(MIN_LENGTH)
        .message("minLength must lie between the length of prefix and the bits of its family")
        .field_path(".minLength"),
    validation = Rule::new(MAX_LENGTH)
        .message("maxLength must lie between minLength, or the length of prefix, and the bits of its family")
        .field_path(".maxLength")
)]
pub struct PrefixRange {
    /// What covers them.
    pub prefix: Cidr,
    /// The least length; the prefix's own unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 128))]
    pub min_length: Option<i32>,
    /// The greatest length. Unless told, the bits of the family where minLength is told, the prefix's
    /// own where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 128))]
    pub max_length: Option<i32>,
}

/// Where a path is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// From the node itself.
    Own,
    /// From a node of the zone.
    Zone,
    /// From anywhere else.
    Outside,
}

/// Conditions on an AS path; each absent one holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AsPathMatch {
    /// The path begins with these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub starts_with: Vec<PathAsNumber>,
    /// The path ends in this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<PathAsNumber>,
    /// The path goes through this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<PathAsNumber>,
    /// The path has at most so many hops.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub max_hops: Option<i32>,
}

/// Whether a path goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does.
    Accept,
    /// It does not.
    Reject,
}

/// A change of an accepted path: one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(ONE_ACTION).message(NOT_ONE_ACTION)
)]
pub struct Action {
    /// Adds a community.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_community: Option<Community>,
    /// Adds a large community.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_large_community: Option<LargeCommunity>,
    /// Takes a community away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_community: Option<Community>,
    /// Sets LOCAL_PREF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_local_pref: Option<Unsigned32>,
    /// Sets MULTI_EXIT_DISC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_med: Option<Unsigned32>,
    /// Puts an AS in front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepend: Option<Prepend>,
}

/// An AS in front of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prepend {
    /// The AS.
    pub asn: AsNumber,
    /// How many times.
    #[schemars(range(min = 1, max = 255))]
    pub count: i32,
}
