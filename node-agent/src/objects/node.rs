//! What the agent needs of a Node object.

use gingham_model::{Family, NodeName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Labels that make a node a reflector of its zone, whatever their value. A kubelet can give
/// itself neither.
pub(crate) const REFLECTOR: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-restriction.kubernetes.io/gingham-reflector",
];

/// The label of an ingress node, whatever its value.
pub(crate) const INGRESS: &str = "node-restriction.kubernetes.io/gingham-ingress";

/// A Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: NodeName,
    /// `metadata.uid`: another one under the same name is another node.
    pub uid: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `status.addresses` of type InternalIP, in their order: the first of a family is its next
    /// hop.
    pub internal_ips: Vec<IpAddr>,
    /// `spec.podCIDRs`, each as written where it is no prefix.
    pub pod_cidrs: Vec<Result<Prefix, String>>,
    /// What it says of its future.
    pub condition: Condition,
}

/// What a Node says of its future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Staying,
    /// It is being shut down: condition Ready is False with the words of kubelet's graceful node
    /// shutdown, or somebody has tainted it `node.kubernetes.io/out-of-service`.
    ShuttingDown,
}

impl Node {
    /// The zone the node stands in by its label `key`.
    ///
    /// # Errors
    /// A sentence naming the label, when it is absent or no zone name.
    pub fn zone(&self, key: &str) -> Result<Zone, String> {
        let value = self
            .labels
            .get(key)
            .ok_or_else(|| format!("Node {} has no label {key}", self.name))?;
        let zone = value.parse();
        zone.map_err(|error| format!("Node {}: label {key}: {error}", self.name))
    }

    /// The families it has an InternalIP of.
    pub fn families(&self) -> BTreeSet<Family> {
        self.internal_ips.iter().copied().map(Family::of).collect()
    }

    /// Whether it reflects routes in its zone.
    pub fn is_reflector(&self) -> bool {
        let mut labels = REFLECTOR.iter();
        labels.any(|label| self.labels.contains_key(*label))
    }

    /// Whether it announces addresses of load balancers.
    pub fn is_ingress(&self) -> bool {
        self.labels.contains_key(INGRESS)
    }

    /// Whether it is worth knowing for node `me`: its own Node, and those others deal with by name.
    pub fn concerns(&self, me: &NodeName) -> bool {
        self.name == *me || self.is_reflector() || self.is_ingress()
    }
}
