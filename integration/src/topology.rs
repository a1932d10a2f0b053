//! What stands in a lab, as a value: boxes, the links between them, addresses, static routes, and which
//! routers speak BGP with whom.
//!
//! [`reference()`] is the topology of the project: zones, cores and a backbone with real routers.
//! [`static_routes()`] is a small one for what happens inside of a zone. A scenario that wants another
//! one takes either and changes the value; nothing here touches the kernel.

mod addresses;
mod change;
mod fleet;
mod reference;
mod router;
mod static_routes;

pub use change::Place;
pub use fleet::{CONTROL_PLANE, Workers, fleet};
pub use reference::{Cores, Zones, reference};
pub use router::{Daemon, Neighbour, RouterPlan, Timers};
pub use static_routes::static_routes;

use anyhow::{Result, bail};
use gingham_model::{Aggregate, NodeName, PoolName, Prefix, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A node's interface towards its zone, and the client's towards its LAN.
pub const UPLINK: &str = "eth0";
/// A core's interface towards its zone.
pub const CORE_ZONE: &str = "zone";
/// A core's interface towards the backbone, where that is one segment: [`static_routes()`].
pub const CORE_BACKBONE: &str = "backbone";

/// A whole lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// The zones, for the cluster objects.
    pub zones: Vec<ZonePlan>,
    /// The boxes. Names are unique.
    pub boxes: Vec<BoxPlan>,
    /// The cables. Each is a veth pair.
    pub links: Vec<Link>,
    /// Of all BGP speakers, routers and nodes alike.
    pub timers: Timers,
}

/// An availability zone: one L2 domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonePlan {
    /// Its name, the value of the zone label of its nodes.
    pub name: Zone,
    /// The AS of its cores and its nodes.
    pub as_number: u32,
    /// The name of its ZonePool.
    pub pool: PoolName,
    /// The CIDRs of its ZonePool.
    pub pod_cidrs: Vec<Prefix>,
    /// Whether these leave the zone as a whole.
    pub aggregate: Aggregate,
    /// The subnets its nodes stand in.
    pub node_cidrs: Vec<Prefix>,
}

/// One box: a network, mount, PID and UTS namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxPlan {
    /// Its name and host name, at most 15 bytes: a switch names its ports after the other end.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// Its routes beyond the connected ones.
    pub routes: Vec<StaticRoute>,
}

/// What a box is there for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A bridge that joins all links of the box; no addresses.
    Switch,
    /// Forwards both families.
    Router,
    /// Forwards both families, by what a routing daemon learns.
    BgpRouter(RouterPlan),
    /// A node of the cluster. Forwarding is its agent's business.
    Node(NodePlan),
    /// A machine outside of the cluster.
    Host,
}

/// What the cluster objects say about a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// The name of its Node object, which is also the name of the box.
    pub name: NodeName,
    /// Its zone label.
    pub zone: Zone,
    /// What else its labels say.
    pub duty: Duty,
    /// `metadata.uid`.
    pub uid: String,
    /// Its InternalIPs, IPv4 first.
    pub internal_ips: Vec<IpAddr>,
    /// The blocks that are its own before its agent starts.
    pub blocks: Vec<Prefix>,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Duty {
    /// Pods.
    Worker,
    /// The control plane, which makes it a route reflector of its zone.
    Master,
    /// Traffic from outside.
    Ingress,
}

impl Duty {
    /// The label that says so, if it takes one.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Duty::Worker => None,
            Duty::Master => Some("node-role.kubernetes.io/control-plane"),
            Duty::Ingress => Some("node-restriction.kubernetes.io/gingham-ingress"),
        }
    }
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Length in bits of the connected prefix.
    pub length: u8,
}

/// A route that the lab sets and nobody changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticRoute {
    /// The destination.
    pub prefix: Prefix,
    /// The routers, at least one; several share the load.
    pub via: Vec<IpAddr>,
}

/// A cable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// One end. The veth pair is made here.
    pub a: Port,
    /// The other end.
    pub b: Port,
}

/// One end of a cable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The box.
    pub on: String,
    /// The interface in it.
    pub interface: String,
}

impl Topology {
    /// The nodes, in the order of `boxes`.
    pub fn nodes(&self) -> impl Iterator<Item = &NodePlan> {
        self.boxes.iter().filter_map(BoxPlan::node)
    }

    /// The nodes with this zone label.
    pub fn nodes_of<'a>(&'a self, zone: &'a ZonePlan) -> impl Iterator<Item = &'a NodePlan> {
        self.nodes().filter(|node| node.zone == zone.name)
    }

    /// The routers that speak BGP, in the order of `boxes`.
    pub fn routers(&self) -> impl Iterator<Item = (&BoxPlan, &RouterPlan)> {
        let boxes = self.boxes.iter();
        boxes.filter_map(|plan| Some((plan, plan.router()?)))
    }

    /// The routers that speak BGP and stand in the zone: its cores.
    pub fn cores<'a>(
        &'a self,
        zone: &'a ZonePlan,
    ) -> impl Iterator<Item = (&'a BoxPlan, &'a RouterPlan)> {
        self.routers().filter(|(plan, _)| zone.holds(plan))
    }

    /// The cores of the zone that have a session with the backbone.
    pub fn exits<'a>(&'a self, zone: &'a ZonePlan) -> impl Iterator<Item = &'a BoxPlan> {
        let leads_out = |router: &RouterPlan| router.external().next().is_some();
        self.cores(zone)
            .filter(move |(_, router)| leads_out(router))
            .map(|(plan, _)| plan)
    }

    /// The routers that speak BGP and stand in no zone.
    pub fn backbone(&self) -> impl Iterator<Item = (&BoxPlan, &RouterPlan)> {
        self.routers()
            .filter(|(plan, _)| self.zone_of(plan).is_none())
    }

    /// The zone in which a box stands by its addresses, whatever its labels say.
    pub fn zone_of(&self, plan: &BoxPlan) -> Option<&ZonePlan> {
        self.zones.iter().find(|zone| zone.holds(plan))
    }

    /// The interfaces of a box, in the order of `links`.
    pub fn interfaces<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.links
            .iter()
            .flat_map(|link| [&link.a, &link.b])
            .filter(move |port| port.on == name)
            .map(|port| port.interface.as_str())
    }

    /// Finds the mistakes that would otherwise show as an obscure error of the kernel.
    ///
    /// # Errors
    /// A name used twice, too long, or unknown; an address on an interface without a cable.
    pub fn validate(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for plan in &self.boxes {
            check_name("box", &plan.name)?;
            if !names.insert(plan.name.as_str()) {
                bail!("box {:?}: the name is used twice", plan.name);
            }
        }
        let mut ports = BTreeSet::new();
        for port in self.links.iter().flat_map(|link| [&link.a, &link.b]) {
            check_name("interface", &port.interface)?;
            if !names.contains(port.on.as_str()) {
                bail!("link end {}/{}: no such box", port.on, port.interface);
            }
            if !ports.insert(port) {
                bail!("link end {}/{}: used twice", port.on, port.interface);
            }
        }
        for plan in &self.boxes {
            for Address {
                interface, address, ..
            } in &plan.addresses
            {
                if !self.interfaces(&plan.name).any(|have| have == interface) {
                    bail!(
                        "{}: address {address}: no link ends in {interface}",
                        plan.name
                    );
                }
            }
        }
        Ok(())
    }
}

/// `IFNAMSIZ` is 16 with the closing zero byte; names also become file names.
fn check_name(kind: &str, name: &str) -> Result<()> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if name.is_empty() || name.len() > 15 || !name.bytes().all(fits) {
        bail!("{kind} name {name:?}: must be 1 to 15 letters, digits, '-' or '_'");
    }
    Ok(())
}

impl ZonePlan {
    /// The addresses of a box in the node subnets.
    pub fn addresses_of<'a>(&'a self, plan: &'a BoxPlan) -> impl Iterator<Item = IpAddr> + 'a {
        let inside = |address: &IpAddr| self.node_cidrs.iter().any(|cidr| cidr.contains(*address));
        plan.addresses.iter().map(|a| a.address).filter(inside)
    }

    fn holds(&self, plan: &BoxPlan) -> bool {
        self.addresses_of(plan).next().is_some()
    }
}

impl BoxPlan {
    /// Its part in the cluster, when it is a node.
    pub fn node(&self) -> Option<&NodePlan> {
        match &self.role {
            Role::Node(node) => Some(node),
            Role::Switch | Role::Router | Role::BgpRouter(_) | Role::Host => None,
        }
    }

    /// Its part in the BGP of the lab, when it is a router that speaks it.
    pub fn router(&self) -> Option<&RouterPlan> {
        match &self.role {
            Role::BgpRouter(router) => Some(router),
            Role::Switch | Role::Router | Role::Node(_) | Role::Host => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let refusal = |bend: fn(&mut Topology)| {
            let mut topology = static_routes().unwrap();
            bend(&mut topology);
            topology.validate().unwrap_err().to_string()
        };
        assert_eq!(
            refusal(|t| t.boxes[0].name = "a name of some length".to_owned()),
            "box name \"a name of some length\": must be 1 to 15 letters, digits, '-' or '_'"
        );
        assert_eq!(
            refusal(|t| t.boxes[1].name = "c1".to_owned()),
            "box \"c1\": the name is used twice"
        );
        assert_eq!(
            refusal(|t| t.links[0].a.on = "x".to_owned()),
            "link end x/c1: no such box"
        );
        assert_eq!(
            refusal(|t| t.boxes[2].addresses[0].interface = "eth9".to_owned()),
            "c1: address 10.1.0.1: no link ends in eth9"
        );
    }
}
