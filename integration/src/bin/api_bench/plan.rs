//! The cluster as a value: Nodes of a size that kubelets give them, a Block for each, in three zones;
//! and the two nodes of the first zone that really stand.

use anyhow::{Context, Result};
use gingham_integration::cluster;
use gingham_integration::topology::{
    Address, BoxPlan, Duty, Link, NodePlan, Port, Role, Timers, Topology, UPLINK, ZonePlan,
};
use gingham_model::{Aggregate, NextHop, Owner, Prefix, Route, RouteSet, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Nodes are spread over so many zones, one after the other.
pub(crate) const ZONES: u16 = 3;
/// The two that stand: a worker, and the reflector of its zone.
pub(crate) const WORKER: &str = "n0";
pub(crate) const MASTER: &str = "n3";
/// A worker of the same zone, as which kubectl asks.
pub(crate) const ANOTHER: &str = "n9";
/// What they hang on.
const SWITCH: &str = "switch";
/// Length of the subnet of a zone's nodes, and of a block.
const SUBNET: u8 = 16;
const BLOCK: u8 = 24;
/// So many images make a Node about 10 kB.
const IMAGES: usize = 50;

/// A cluster of so many nodes.
#[derive(Clone)]
pub(crate) struct Plan(Topology);

impl Plan {
    pub(crate) fn new(nodes: u16) -> Result<Self> {
        let zones = (0..ZONES).map(zone).collect::<Result<Vec<_>>>()?;
        let boxes = (0..nodes).map(|number| node(&zones, number));
        Ok(Plan(Topology {
            boxes: boxes.collect::<Result<_>>()?,
            zones,
            links: Vec::new(),
            // Half of the restart time is how long a reflector waits for what its peers say.
            timers: Timers {
                restart_seconds: 2,
                ..Timers::default()
            },
        }))
    }

    /// What of it stands.
    pub(crate) fn stage(&self) -> Topology {
        let stands = |plan: &&BoxPlan| [WORKER, MASTER].contains(&&*plan.name);
        let mut boxes: Vec<BoxPlan> = self.0.boxes.iter().filter(stands).cloned().collect();
        let cable = |plan: &BoxPlan| Link {
            a: port(SWITCH, &plan.name),
            b: port(&plan.name, UPLINK),
        };
        let links = boxes.iter().map(cable).collect();
        boxes.push(BoxPlan {
            name: SWITCH.to_owned(),
            role: Role::Switch,
            addresses: Vec::new(),
            routes: Vec::new(),
        });
        Topology {
            boxes,
            links,
            ..self.0.clone()
        }
    }

    /// The Nodes, as kubelets register them.
    pub(crate) fn nodes(&self) -> Result<Vec<Value>> {
        let objects = self.objects()?;
        let nodes = objects.into_iter().filter(|(folder, _)| *folder == "nodes");
        Ok(nodes.map(|(_, node)| grown(node)).collect())
    }

    /// Everything else, each Block with the uid the API server has given its Node.
    pub(crate) fn others(&self, uids: &BTreeMap<String, String>) -> Result<Vec<Value>> {
        let mut others = Vec::new();
        for (folder, mut object) in self.objects()? {
            if folder == "blocks" {
                let node = object["spec"]["node"].as_str().unwrap_or_default();
                let uid = uids
                    .get(node)
                    .with_context(|| format!("no uid of {node}"))?;
                object["spec"]["nodeUID"] = json!(uid);
            }
            if folder != "nodes" {
                others.push(object);
            }
        }
        Ok(others)
    }

    fn objects(&self) -> Result<Vec<(&'static str, Value)>> {
        let objects = cluster::objects(&self.0)?.into_iter();
        Ok(objects.map(|object| (object.folder, object.body)).collect())
    }

    /// The zone of those that stand.
    pub(crate) fn zone(&self) -> &ZonePlan {
        &self.0.zones[0]
    }

    /// The direct routes that `who` must have, by the interface `dev`.
    pub(crate) fn routes(&self, who: &str, dev: u32) -> RouteSet {
        let neighbours = self.0.nodes_of(self.zone());
        let others = neighbours.filter(|node| node.name.as_str() != who);
        let routes = others.flat_map(|node| node.blocks.iter().zip(&node.internal_ips));
        let routes = routes.map(|(cidr, via)| {
            let target = Target::Via(NextHop { via: *via, dev }.into());
            Route::of(Owner::Direct, *cidr, target)
        });
        routes.map(|route| (route.key, route)).collect()
    }

    /// The names of all nodes, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.nodes().map(|node| node.name.to_string()).collect()
    }
}

fn port(on: &str, interface: &str) -> Port {
    Port {
        on: on.to_owned(),
        interface: interface.to_owned(),
    }
}

fn zone(number: u16) -> Result<ZonePlan> {
    let name = format!("z{}", number + 1);
    Ok(ZonePlan {
        name: name.parse()?,
        as_number: 64_601 + u32::from(number),
        pool: name.parse()?,
        pod_cidrs: vec![format!("10.{}.0.0/12", number * 16).parse()?],
        aggregate: Aggregate::Zone,
        node_cidrs: vec![format!("172.{}.0.0/{SUBNET}", number + 16).parse()?],
    })
}

/// Node N stands in zone N mod 3; of each zone the second is the reflector, the third an ingress node.
fn node(zones: &[ZonePlan], number: u16) -> Result<BoxPlan> {
    let zone = &zones[usize::from(number % ZONES)];
    let index = number / ZONES;
    let (name, full) = (
        format!("n{number}"),
        "the zone has no room for so many nodes",
    );
    let subnet = zone.node_cidrs.first().context("no subnet")?;
    let address = subnet.nth_address(u128::from(index) + 1).context(full)?;
    let pool = zone.pod_cidrs.first().context("no pool")?;
    let block: Prefix = pool.nth(BLOCK, u128::from(index)).context(full)?;
    Ok(BoxPlan {
        role: Role::Node(NodePlan {
            name: name.parse()?,
            zone: zone.name.clone(),
            duty: match index {
                1 => Duty::Master,
                2 => Duty::Ingress,
                _ => Duty::Worker,
            },
            uid: String::new(),
            internal_ips: vec![address],
            blocks: vec![block],
        }),
        name,
        addresses: vec![on_uplink(address)],
        routes: Vec::new(),
    })
}

fn on_uplink(address: IpAddr) -> Address {
    Address {
        interface: UPLINK.to_owned(),
        address,
        length: SUBNET,
    }
}

/// With what a kubelet says of a machine.
fn grown(mut node: Value) -> Value {
    if let Some(metadata) = node["metadata"].as_object_mut() {
        // The API server gives its own.
        metadata.remove("uid");
    }
    let images = (0..IMAGES).map(|number| {
        let name = format!("registry.example.com/production/team-{}/service-{number}", number % 7);
        let digest = format!("{number:064x}");
        json!({"names": [format!("{name}@sha256:{digest}"), format!("{name}:v1.{number}.0")], "sizeBytes": 52_428_800})
    });
    let room = json!({"cpu": "64", "memory": "263873404Ki", "pods": "110", "ephemeral-storage": "943694056Ki"});
    let status = &mut node["status"];
    status["capacity"] = room.clone();
    status["allocatable"] = room;
    status["conditions"] = conditions("2026-01-01T00:00:00Z");
    status["images"] = images.collect();
    status["nodeInfo"] = json!({
        "architecture": "amd64",
        "bootID": "67696e67-0000-4000-8000-000000000000",
        "containerRuntimeVersion": "containerd://2.1.9",
        "kernelVersion": "6.18.0",
        "kubeProxyVersion": "",
        "kubeletVersion": "v1.36.3",
        "machineID": "67696e6768616d00000000000000000000",
        "operatingSystem": "linux",
        "osImage": "Debian GNU/Linux 12 (bookworm)",
        "systemUUID": "67696e67-0000-4000-8000-000000000000",
    });
    node
}

/// What a kubelet renews.
pub(crate) fn conditions(now: &str) -> Value {
    let kinds = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    ];
    let condition = |(kind, status, reason): (&str, &str, &str)| {
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    kinds.into_iter().map(condition).collect()
}
