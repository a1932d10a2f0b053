//! The cluster objects of a topology, as the directory store wants them:
//! `<dir>/<kind>/<name>.yaml`.

use crate::topology::{BoxPlan, NodePlan, Timers, Topology, ZonePlan};
use anyhow::{Context, Result};
use gingham_model::{Block, BlockSize, BlockState, CidrState, Family, PoolCidr, PoolSpec, Prefix};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The API group and version of Gingham's own kinds.
const API_VERSION: &str = "gingham.dev/v1alpha1";

/// One object of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The folder of its kind: one of [`FOLDERS`].
    pub folder: &'static str,
    /// `metadata.name`, the file name without `.yaml`.
    pub name: String,
    /// The whole object.
    pub body: Value,
}

/// All objects of a cluster: its Nodes, a ZonePool per zone, the blocks that exist before any agent
/// starts, the RoutingConfig `default`, and the BGPPeers for the cores.
///
/// # Errors
/// A node whose zone the topology lacks.
pub fn objects(topology: &Topology) -> Result<Vec<Object>> {
    let mut objects = shared(topology)?;
    for node in topology.nodes() {
        objects.extend(objects_of(topology, node)?);
    }
    Ok(objects)
}

/// The objects that are no node's.
pub(crate) fn shared(topology: &Topology) -> Result<Vec<Object>> {
    let mut objects = vec![routing_config(topology)];
    objects.extend(cores(topology));
    for zone in &topology.zones {
        objects.push(zone_pool(zone)?);
    }
    Ok(objects)
}

/// A node's own objects: its Node, and the blocks it has before its agent starts.
fn objects_of(topology: &Topology, node: &NodePlan) -> Result<Vec<Object>> {
    let mut objects = vec![node_object(node)];
    objects.extend(blocks_of(topology, node)?);
    Ok(objects)
}

/// The blocks that a node has before its agent starts.
pub(crate) fn blocks_of(topology: &Topology, node: &NodePlan) -> Result<Vec<Object>> {
    let zone = topology
        .zones
        .iter()
        .find(|zone| zone.name == node.zone)
        .with_context(|| format!("node {}: no zone {}", node.name, node.zone))?;
    let blocks = node.blocks.iter();
    blocks.map(|cidr| block(*cidr, node, zone)).collect()
}

/// The folders of the kinds. An empty one says that there is no such object; one that is missing,
/// that nobody knows.
pub const FOLDERS: [&str; 6] = [
    "nodes",
    "zonepools",
    "blocks",
    "routingconfigs",
    "bgppeers",
    "routefilters",
];
/// The kinds, in the order of their folders.
const KINDS: [&str; 6] = [
    "Node",
    "ZonePool",
    "Block",
    "RoutingConfig",
    "BGPPeer",
    "RouteFilter",
];

/// The folder of a kind.
///
/// # Errors
/// No agent reads objects of that kind.
pub fn folder_of(kind: &str) -> Result<&'static str> {
    let found = KINDS.iter().position(|known| *known == kind);
    let folder = found.and_then(|at| FOLDERS.get(at)).copied();
    folder.with_context(|| format!("no agent reads objects of kind {kind:?}"))
}

/// The kind whose folder it is.
///
/// # Errors
/// It is no such folder.
pub fn kind_of(folder: &str) -> Result<&'static str> {
    let found = FOLDERS.iter().position(|known| *known == folder);
    let kind = found.and_then(|at| KINDS.get(at)).copied();
    kind.with_context(|| format!("no folder of objects: {folder:?}"))
}

/// The file of an object below `dir`.
pub fn file(dir: &Path, folder: &str, name: &str) -> PathBuf {
    dir.join(folder).join(format!("{name}.yaml"))
}

/// Writes the objects below `dir`, each at once for who reads meanwhile.
///
/// # Errors
/// The file that could not be written.
pub fn write(dir: &Path, objects: &[Object]) -> Result<()> {
    for folder in FOLDERS.map(|folder| dir.join(folder)) {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    for Object { folder, name, body } in objects {
        let file = file(dir, folder, name);
        let text = serde_saphyr::to_string(body).with_context(|| format!("object {name}"))?;
        let draft = file.with_extension("new");
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &file));
        written.with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

pub(crate) fn node_object(node: &NodePlan) -> Object {
    let mut addresses: Vec<Value> = node
        .internal_ips
        .iter()
        .map(|ip| json!({"type": "InternalIP", "address": ip}))
        .collect();
    addresses.push(json!({"type": "Hostname", "address": node.name}));
    let mut labels = json!({
        "kubernetes.io/hostname": node.name,
        "topology.kubernetes.io/zone": node.zone,
    });
    if let Some(label) = node.duty.label() {
        labels[label] = json!("");
    }
    Object {
        folder: "nodes",
        name: node.name.to_string(),
        body: json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": node.name,
                "uid": node.uid,
                "labels": labels,
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
        aggregate: zone.aggregate,
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

fn routing_config(topology: &Topology) -> Object {
    let zones = topology.zones.iter().map(|zone| {
        json!({
            "name": zone.name,
            "asNumber": zone.as_number,
            "nodeCIDRs": zone.node_cidrs,
        })
    });
    let Timers {
        hold_seconds,
        restart_seconds,
        long_lived_stale_seconds,
    } = topology.timers;
    object(
        "routingconfigs",
        "RoutingConfig",
        "default".to_owned(),
        json!({
            "zones": zones.collect::<Vec<_>>(),
            "timers": {"holdSeconds": hold_seconds},
            "gracefulRestart": {
                "restartSeconds": restart_seconds,
                "longLivedStaleSeconds": long_lived_stale_seconds,
            },
        }),
    )
}

/// Who the reflectors' neighbours outside are: where default routes lead, or of several cores each by
/// its addresses.
fn cores(topology: &Topology) -> Vec<Object> {
    let zones = topology.zones.iter();
    let cores = zones.flat_map(|zone| topology.cores(zone).map(move |(core, _)| (zone, core)));
    let cores: Vec<(&ZonePlan, &BoxPlan)> = cores.collect();
    let peer = |name: String, spec: Value| object("bgppeers", "BGPPeer", name, spec);
    if cores.len() <= topology.zones.len() {
        let all = || peer("cores".to_owned(), json!({"defaultGateway": {}}));
        return cores.first().map(|_| all()).into_iter().collect();
    }
    let mut peers = Vec::new();
    for (zone, core) in cores {
        for address in zone.addresses_of(core) {
            let family = match Family::of(address) {
                Family::V4 => "ipv4",
                Family::V6 => "ipv6",
            };
            let spec = json!({
                "zone": zone.name,
                "peerIP": address,
                "asNumber": zone.as_number,
            });
            peers.push(peer(format!("{}-{family}", core.name), spec));
        }
    }
    peers
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
    use crate::topology::{Cores, Zones, reference, static_routes};

    fn find(topology: &Topology, folder: &str, name: &str) -> Value {
        let found = objects(topology)
            .unwrap()
            .into_iter()
            .find(|o| o.folder == folder && o.name == name);
        found.unwrap_or_else(|| panic!("no {folder}/{name}")).body
    }

    fn body(folder: &str, name: &str) -> Value {
        find(&static_routes().unwrap(), folder, name)
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
        let all = objects(&static_routes().unwrap()).unwrap();
        write(dir.path(), &all).unwrap();
        assert_eq!(all.len(), 1 + 3 + 6 + 12);
        let text = fs::read_to_string(dir.path().join("nodes/z1w1.yaml")).unwrap();
        let node: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(node, body("nodes", "z1w1"));
        assert_eq!(
            node["metadata"]["labels"]["topology.kubernetes.io/zone"],
            "z1"
        );
        assert!(dir.path().join("routefilters").is_dir());
    }

    #[test]
    fn the_routing_config_names_every_zone() {
        let zones = &body("routingconfigs", "default")["spec"]["zones"];
        let wanted =
            json!({"name": "z2", "asNumber": 64602, "nodeCIDRs": ["10.2.0.0/24", "fd00:2::/64"]});
        assert_eq!(zones[1], wanted);
    }

    #[test]
    fn duties_are_labels() {
        let topology = reference(Zones::Two, Cores::One).unwrap();
        for (name, label) in [
            ("z1m1", "node-role.kubernetes.io/control-plane"),
            ("z2i2", "node-restriction.kubernetes.io/gingham-ingress"),
        ] {
            let node = find(&topology, "nodes", name);
            assert_eq!(node["metadata"]["labels"][label], "");
        }
        assert_eq!(
            find(&topology, "zonepools", "z1")["spec"]["aggregate"],
            "Zone"
        );
    }

    #[test]
    fn one_core_is_the_default_gateway_and_two_have_addresses() {
        let one = reference(Zones::Three, Cores::One).unwrap();
        let cores = find(&one, "bgppeers", "cores");
        assert_eq!(cores["spec"], json!({"defaultGateway": {}}));
        let two = reference(Zones::Two, Cores::Two).unwrap();
        let peers = objects(&two).unwrap();
        let peers: Vec<_> = peers.iter().filter(|o| o.folder == "bgppeers").collect();
        assert_eq!(peers.len(), 2 * 2 * 2);
        assert_eq!(peers[3].name, "c1b-ipv6");
        assert_eq!(
            peers[3].body["spec"],
            json!({"zone": "z1", "peerIP": "fd00:1::2", "asNumber": 64601})
        );
    }
}
