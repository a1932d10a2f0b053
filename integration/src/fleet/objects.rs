//! What an operator of the fleet writes: its RoutingConfig, ZonePools and BGPPeers.

use super::Fleet;
use crate::cluster;
use anyhow::Result;
use serde_json::{Value, json};

impl Fleet {
    /// The settings of the fleet: the RoutingConfig `default`, a ZonePool for each zone, a BGPPeer for the
    /// cores. Blocks are of the usual size, and agents claim them.
    ///
    /// # Errors
    /// None, unless a value of the topology cannot be written.
    pub fn settings(&self) -> Result<Vec<Value>> {
        let objects = cluster::shared(self.lab.topology())?;
        let mut bodies: Vec<Value> = objects.into_iter().map(|object| object.body).collect();
        for body in bodies.iter_mut().filter(|body| body["kind"] == "ZonePool") {
            body["spec"]["blockSize"] = json!({"v4": 26, "v6": 122});
        }
        Ok(bodies)
    }

    /// Writes [`Fleet::settings`]. The kinds must be known.
    ///
    /// # Errors
    /// One was refused.
    pub fn apply_settings(&self) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": self.settings()?});
        self.apply(&list.to_string()).map(drop)
    }
}
