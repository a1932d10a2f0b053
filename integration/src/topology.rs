//! What stands in a lab, as a value: boxes, the links between them, addresses, static routes.
//!
//! [`reference()`] is the topology of the project's tests. A scenario that wants another one takes it
//! and changes the value; nothing here touches the kernel.

mod reference;

pub use reference::reference;

use anyhow::{Result, bail};
use gingham_model::{NodeName, PoolName, Prefix, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A node's interface towards its zone.
pub const UPLINK: &str = "eth0";
/// A core's interface towards its zone.
pub const CORE_ZONE: &str = "zone";
/// A core's interface towards the backbone.
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
}

/// An availability zone: one L2 domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonePlan {
    /// Its name, the value of the zone label of its nodes.
    pub name: Zone,
    /// The AS of its core and its nodes.
    pub as_number: u32,
    /// The name of its ZonePool.
    pub pool: PoolName,
    /// The CIDRs of its ZonePool.
    pub pod_cidrs: Vec<Prefix>,
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
    /// A node of the cluster. Forwarding is its agent's business.
    Node(NodePlan),
}

/// What the cluster objects say about a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// The name of its Node object, which is also the name of the box.
    pub name: NodeName,
    /// Its zone label.
    pub zone: Zone,
    /// `metadata.uid`.
    pub uid: String,
    /// Its InternalIPs, IPv4 first.
    pub internal_ips: Vec<IpAddr>,
    /// The blocks that are its own before its agent starts.
    pub blocks: Vec<Prefix>,
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
    /// The router.
    pub via: IpAddr,
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

impl BoxPlan {
    /// Its part in the cluster, when it is a node.
    pub fn node(&self) -> Option<&NodePlan> {
        match &self.role {
            Role::Node(node) => Some(node),
            Role::Switch | Role::Router => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let refusal = |bend: fn(&mut Topology)| {
            let mut topology = reference().unwrap();
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
