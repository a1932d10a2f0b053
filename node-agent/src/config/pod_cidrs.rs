//! What the RoutingConfig says of podCIDR mode: blocks are not carved out of ZonePools, each is one of
//! the `spec.podCIDRs` of its node.

use gingham_model::Prefix;
use serde::{Deserialize, Serialize};

/// The settings of podCIDR mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCidrs {
    /// What the podCIDRs of all Nodes lie in.
    #[serde(rename = "clusterCIDRs")]
    pub cluster_cidrs: Vec<Prefix>,
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

impl PodCidrs {
    /// Whether a block can be one of this mode.
    pub fn covers(&self, cidr: Prefix) -> bool {
        self.cluster_cidrs.iter().any(|all| all.covers(cidr))
    }

    pub(super) fn check(&self) -> Result<(), String> {
        const FIELD: &str = "spec.podCIDRs.clusterCIDRs";
        if self.cluster_cidrs.is_empty() {
            return Err(format!("{FIELD}: must hold at least one CIDR"));
        }
        for (index, cidr) in self.cluster_cidrs.iter().enumerate() {
            if let Some(reserved) = cidr.reserved() {
                return Err(format!(
                    "{FIELD}[{index}]: {cidr} overlaps {reserved}, which pods cannot use"
                ));
            }
            let mut earlier = self.cluster_cidrs[..index].iter();
            if let Some(other) = earlier.find(|other| other.overlaps(*cidr)) {
                return Err(format!("{FIELD}[{index}]: {cidr} overlaps {other}"));
            }
        }
        Ok(())
    }
}
