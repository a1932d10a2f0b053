//! The cluster objects of a topology, as the directory store wants them:
//! `<dir>/<kind>/<name>.yaml`.

use crate::topology::{NodePlan, Topology, ZonePlan};
use anyhow::{Context, Result};
use gingham_model::{
    Aggregate, Block, BlockSize, BlockState, CidrState, PoolCidr, PoolSpec, Prefix,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The API group and version of Gingham's own kinds.
const API_VERSION: &str = "gingham.dev/v1alpha1";

/// One object of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The folder of its kind: `nodes`, `zonepools`, `blocks` or `routingconfigs`.
    pub folder: &'static str,
    /// `metadata.name`, the file name without `.yaml`.
    pub name: String,
    /// The whole object.
    pub body: Value,
}

/// All objects of a cluster: its Nodes, a ZonePool per zone, the blocks that exist before any agent
/// starts, and the RoutingConfig `default`.
///
/// # Errors
/// A node whose zone the topology lacks.
pub fn objects(topology: &Topology) -> Result<Vec<Object>> {
    let mut objects = vec![routing_config(&topology.zones)];
    for zone in &topology.zones {
        objects.push(zone_pool(zone)?);
    }
    for node in topology.nodes() {
        objects.push(node_object(node));
        let zone = topology
            .zones
            .iter()
            .find(|zone| zone.name == node.zone)
            .with_context(|| format!("node {}: no zone {}", node.name, node.zone))?;
        for cidr in &node.blocks {
            objects.push(block(*cidr, node, zone)?);
        }
    }
    Ok(objects)
}

/// The folders of the kinds. An empty one says that there is no such object; one that is missing,
/// that nobody knows.
const FOLDERS: [&str; 4] = ["nodes", "zonepools", "blocks", "routingconfigs"];

/// Writes the objects below `dir`.
///
/// # Errors
/// The file that could not be written.
pub fn write(dir: &Path, objects: &[Object]) -> Result<()> {
    for folder in FOLDERS.map(|folder| dir.join(folder)) {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    for Object { folder, name, body } in objects {
        let file = dir.join(folder).join(format!("{name}.yaml"));
        let text = serde_saphyr::to_string(body).with_context(|| format!("object {name}"))?;
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

fn node_object(node: &NodePlan) -> Object {
    let mut addresses: Vec<Value> = node
        .internal_ips
        .iter()
        .map(|ip| json!({"type": "InternalIP", "address": ip}))
        .collect();
    addresses.push(json!({"type": "Hostname", "address": node.name}));
    Object {
        folder: "nodes",
        name: node.name.to_string(),
        body: json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": node.name,
                "uid": node.uid,
                "labels": {
                    "kubernetes.io/hostname": node.name,
                    "topology.kubernetes.io/zone": node.zone,
                },
            },
            "status": {"addresses": addresses},
        }),
    }
}

fn zone_pool(zone: &ZonePlan) -> Result<Object> {
    let spec = PoolSpec {
        zone: zone.name.clone(),
        cidrs: zone
            .pod_cidrs
            .iter()
            .map(|cidr| PoolCidr {
                cidr: *cidr,
                state: CidrState::Active,
            })
            .collect(),
        block_size: BlockSize { v4: 24, v6: 64 },
        aggregate: Aggregate::None,
        nat_outgoing: true,
        cooldown_seconds: 120,
    };
    ours("zonepools", "ZonePool", zone.pool.to_string(), &spec)
}

fn block(cidr: Prefix, node: &NodePlan, zone: &ZonePlan) -> Result<Object> {
    let spec = Block {
        cidr,
        pool: zone.pool.clone(),
        zone: node.zone.clone(),
        node: node.name.clone(),
        node_uid: node.uid.clone(),
        node_ips: node.internal_ips.clone(),
        state: BlockState::Active,
    };
    ours("blocks", "Block", Block::object_name(cidr), &spec)
}

fn routing_config(zones: &[ZonePlan]) -> Object {
    let zones: Vec<Value> = zones
        .iter()
        .map(|zone| {
            json!({
                "name": zone.name,
                "asNumber": zone.as_number,
                "nodeCIDRs": zone.node_cidrs,
            })
        })
        .collect();
    object(
        "routingconfigs",
        "RoutingConfig",
        "default".to_owned(),
        json!({"zones": zones}),
    )
}

fn ours(folder: &'static str, kind: &str, name: String, spec: &impl Serialize) -> Result<Object> {
    let spec = serde_json::to_value(spec).with_context(|| format!("{kind} {name}"))?;
    Ok(object(folder, kind, name, spec))
}

fn object(folder: &'static str, kind: &str, name: String, spec: Value) -> Object {
    let body = json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    Object { folder, name, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::reference;

    fn body(folder: &str, name: &str) -> Value {
        let objects = objects(&reference().unwrap()).unwrap();
        let found = objects
            .into_iter()
            .find(|o| o.folder == folder && o.name == name);
        found.unwrap_or_else(|| panic!("no {folder}/{name}")).body
    }

    #[test]
    fn blocks_have_the_shape_of_the_model() {
        let block: Block =
            serde_json::from_value(body("blocks", "10-101-21-0-24")["spec"].clone()).unwrap();
        assert_eq!(block.node.as_str(), "z1w1");
        assert_eq!(block.next_hop(), Some("10.1.0.21".parse().unwrap()));
        let v6 = body("blocks", "fd00-0102-0000-0022-0000-0000-0000-0000-64");
        assert_eq!(v6["spec"]["nodeIPs"], json!(["10.2.0.22", "fd00:2::22"]));
    }

    #[test]
    fn the_objects_parse_back_from_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let all = objects(&reference().unwrap()).unwrap();
        write(dir.path(), &all).unwrap();
        assert_eq!(all.len(), 1 + 3 + 6 + 12);
        let text = fs::read_to_string(dir.path().join("nodes/z1w1.yaml")).unwrap();
        let node: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(node, body("nodes", "z1w1"));
        assert_eq!(
            node["metadata"]["labels"]["topology.kubernetes.io/zone"],
            "z1"
        );
    }

    #[test]
    fn the_routing_config_names_every_zone() {
        let zones = &body("routingconfigs", "default")["spec"]["zones"];
        let wanted =
            json!({"name": "z2", "asNumber": 64602, "nodeCIDRs": ["10.2.0.0/24", "fd00:2::/64"]});
        assert_eq!(zones[1], wanted);
    }
}
