//! core/v1 Node: what of it is read.

use super::{Invalid, checked};
use crate::objects::{Condition, Kind, Node};
use gingham_model::Prefix;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What kubelet's graceful node shutdown puts into the message of condition Ready.
const SHUTTING_DOWN: &str = "node is shutting down";

/// The taint of a node that somebody has declared out of service.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

#[derive(Deserialize)]
pub(super) struct NodeObject {
    metadata: NodeMetadata,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize)]
struct NodeMetadata {
    name: String,
    uid: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    taints: Vec<Taint>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
}

#[derive(Deserialize)]
struct Taint {
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    addresses: Vec<NodeAddress>,
    conditions: Vec<NodeCondition>,
}

#[derive(Deserialize)]
struct NodeAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize)]
struct NodeCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

impl NodeCondition {
    fn tells_shutdown(&self) -> bool {
        self.kind == "Ready" && self.status == "False" && self.message.contains(SHUTTING_DOWN)
    }
}

pub(super) fn node(object: NodeObject) -> Result<Node, Invalid> {
    let NodeObject {
        metadata,
        spec,
        status,
    } = object;
    if metadata.uid.is_empty() {
        return Err(Invalid("metadata.uid: must not be empty".into()));
    }
    let tainted = spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
    let leaving = tainted || status.conditions.iter().any(NodeCondition::tells_shutdown);
    Ok(Node {
        name: checked("metadata.name", metadata.name.parse())?,
        uid: metadata.uid,
        labels: metadata.labels,
        internal_ips: internal_ips(&status.addresses)?,
        // One that is no prefix concerns nobody where blocks come from pools.
        pod_cidrs: spec.pod_cidrs.into_iter().map(read).collect(),
        condition: if leaving {
            Condition::ShuttingDown
        } else {
            Condition::Staying
        },
    })
}

fn read(cidr: String) -> Result<Prefix, String> {
    cidr.parse().map_err(|_| cidr)
}

fn internal_ips(addresses: &[NodeAddress]) -> Result<Vec<IpAddr>, Invalid> {
    let internal = addresses.iter().enumerate();
    let internal = internal.filter(|(_, address)| address.kind == "InternalIP");
    let parsed = internal.map(|(index, NodeAddress { address, .. })| {
        address.parse().map_err(|_| {
            let field = format!("status.addresses[{index}].address");
            Invalid(format!("{field}: {address:?} is no IP address"))
        })
    });
    parsed.collect()
}

/// The manifest of a Node, without its condition: what it says of its future holds for now only.
pub(super) fn manifest(node: &Node) -> Value {
    let addresses = node.internal_ips.iter();
    let addresses = addresses.map(|ip| json!({"type": "InternalIP", "address": ip}));
    let pod_cidrs = node.pod_cidrs.iter().map(|cidr| match cidr {
        Ok(cidr) => cidr.to_string(),
        Err(text) => text.clone(),
    });
    json!({
        "apiVersion": Kind::Node.api_version(),
        "kind": Kind::Node.to_string(),
        "metadata": {"name": node.name, "uid": node.uid, "labels": node.labels},
        "spec": {"podCIDRs": pod_cidrs.collect::<Value>()},
        "status": {"addresses": addresses.collect::<Value>()},
    })
}
