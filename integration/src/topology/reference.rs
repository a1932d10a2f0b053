//! The topology of the project's tests, built from the addressing plan.

use super::{
    Address, BoxPlan, CORE_BACKBONE, CORE_ZONE, Link, NodePlan, Port, Role, StaticRoute, Topology,
    UPLINK, ZonePlan,
};
use anyhow::{Context, Result};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;

/// Number of zones of [`reference()`].
const ZONES: u8 = 3;
/// Last octets of the workers of a zone.
const WORKERS: [(&str, u8); 2] = [("w1", 21), ("w2", 22)];

/// Three zones of two workers and a core; the cores meet on one backbone segment.
///
/// ```text
///  z1w1 .21 ─┐ 10.1.0.0/24        10.250.0.0/24 ┌─ core c2 ─ sw2 ─ z2w1, z2w2
///            ├─ sw1 ─ core c1 ─────── bb ───────┤
///  z1w2 .22 ─┘                                  └─ core c3 ─ sw3 ─ z3w1, z3w2
/// ```
///
/// Zone Z: nodes 10.Z.0.N and fd00:Z::N, pods 10.(100+Z).0.0/16 and fd00:10Z::/48, block of node N
/// 10.(100+Z).N.0/24 and fd00:10Z:0:N::/64, backbone 10.250.0.Z and fd00:250::Z.
///
/// # Errors
/// None, unless a name or prefix built here breaks the rules of its type.
pub fn reference() -> Result<Topology> {
    let mut topology = Topology {
        zones: Vec::new(),
        boxes: vec![switch("bb".to_owned())],
        links: Vec::new(),
    };
    for zone in 1..=ZONES {
        topology.zones.push(zone_plan(zone)?);
        topology.boxes.push(switch(format!("sw{zone}")));
        topology.boxes.push(core(zone)?);
        topology
            .links
            .push(cable("bb", &format!("c{zone}"), CORE_BACKBONE));
        topology
            .links
            .push(cable(&format!("sw{zone}"), &format!("c{zone}"), CORE_ZONE));
        for (worker, octet) in WORKERS {
            let node = node(zone, worker, octet)?;
            topology
                .links
                .push(cable(&format!("sw{zone}"), &node.name, UPLINK));
            topology.boxes.push(node);
        }
    }
    Ok(topology)
}

/// A cable from a switch, whose port is named after the box at the other end.
fn cable(switch: &str, to: &str, interface: &str) -> Link {
    let port = |on: &str, interface: &str| Port {
        on: on.to_owned(),
        interface: interface.to_owned(),
    };
    Link {
        a: port(switch, to),
        b: port(to, interface),
    }
}

fn zone_plan(zone: u8) -> Result<ZonePlan> {
    Ok(ZonePlan {
        name: format!("z{zone}").parse()?,
        as_number: 64_600 + u32::from(zone),
        pool: format!("z{zone}").parse()?,
        pod_cidrs: pod_cidrs(zone)?,
        node_cidrs: node_cidrs(zone)?,
    })
}

fn pod_cidrs(zone: u8) -> Result<Vec<Prefix>> {
    prefixes([
        format!("10.{}.0.0/16", 100 + zone),
        format!("fd00:10{zone}::/48"),
    ])
}

fn node_cidrs(zone: u8) -> Result<Vec<Prefix>> {
    prefixes([format!("10.{zone}.0.0/24"), format!("fd00:{zone}::/64")])
}

fn blocks(zone: u8, octet: u8) -> Result<Vec<Prefix>> {
    prefixes([
        format!("10.{}.{octet}.0/24", 100 + zone),
        format!("fd00:10{zone}:0:{octet}::/64"),
    ])
}

fn prefixes(texts: [String; 2]) -> Result<Vec<Prefix>> {
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

/// Host `octet` of the zone's node subnet, IPv4 first.
fn hosts(zone: u8, octet: u8) -> Result<[IpAddr; 2]> {
    pair(
        format!("10.{zone}.0.{octet}"),
        format!("fd00:{zone}::{octet}"),
    )
}

/// The core of `zone` on the backbone, IPv4 first.
fn on_backbone(zone: u8) -> Result<[IpAddr; 2]> {
    pair(format!("10.250.0.{zone}"), format!("fd00:250::{zone}"))
}

fn pair(v4: String, v6: String) -> Result<[IpAddr; 2]> {
    let parse = |text: String| text.parse().with_context(|| format!("address {text:?}"));
    Ok([parse(v4)?, parse(v6)?])
}

fn switch(name: String) -> BoxPlan {
    BoxPlan {
        name,
        role: Role::Switch,
        addresses: Vec::new(),
        routes: Vec::new(),
    }
}

fn core(zone: u8) -> Result<BoxPlan> {
    let mut routes = Vec::new();
    for (_, octet) in WORKERS {
        routes.extend(via(blocks(zone, octet)?, hosts(zone, octet)?));
    }
    for other in (1..=ZONES).filter(|other| *other != zone) {
        routes.extend(via(node_cidrs(other)?, on_backbone(other)?));
        routes.extend(via(pod_cidrs(other)?, on_backbone(other)?));
    }
    let mut addresses = on_link(CORE_ZONE, hosts(zone, 1)?);
    addresses.extend(on_link(CORE_BACKBONE, on_backbone(zone)?));
    Ok(BoxPlan {
        name: format!("c{zone}"),
        role: Role::Router,
        addresses,
        routes,
    })
}

fn node(zone: u8, worker: &str, octet: u8) -> Result<BoxPlan> {
    let name = format!("z{zone}{worker}");
    let internal_ips = hosts(zone, octet)?;
    let defaults = prefixes(["0.0.0.0/0".to_owned(), "::/0".to_owned()])?;
    Ok(BoxPlan {
        role: Role::Node(NodePlan {
            name: name.parse()?,
            zone: format!("z{zone}").parse()?,
            uid: format!("67696e67-0000-4000-8000-{zone:06}{octet:06}"),
            internal_ips: internal_ips.to_vec(),
            blocks: blocks(zone, octet)?,
        }),
        name,
        addresses: on_link(UPLINK, internal_ips),
        routes: via(defaults, hosts(zone, 1)?),
    })
}

fn on_link(interface: &str, addresses: [IpAddr; 2]) -> Vec<Address> {
    addresses
        .map(|address| Address {
            interface: interface.to_owned(),
            address,
            length: match Family::of(address) {
                Family::V4 => 24,
                Family::V6 => 64,
            },
        })
        .into()
}

/// One route per prefix, through the router of its family.
fn via(prefixes: Vec<Prefix>, routers: [IpAddr; 2]) -> Vec<StaticRoute> {
    let [v4, v6] = routers;
    prefixes
        .into_iter()
        .map(|prefix| StaticRoute {
            prefix,
            via: match prefix.family() {
                Family::V4 => v4,
                Family::V6 => v6,
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(name: &str) -> Vec<String> {
        let topology = reference().unwrap();
        let plan = topology
            .boxes
            .iter()
            .find(|plan| plan.name == name)
            .unwrap();
        plan.routes
            .iter()
            .map(|r| format!("{} via {}", r.prefix, r.via))
            .collect()
    }

    #[test]
    fn the_reference_topology_is_valid_and_complete() {
        let topology = reference().unwrap();
        topology.validate().unwrap();
        assert_eq!(topology.nodes().count(), 6);
        assert_eq!(topology.boxes.len(), 1 + 3 * 4);
    }

    #[test]
    fn a_core_knows_its_blocks_and_the_other_zones() {
        let routes = routes("c1");
        for wanted in [
            "10.101.21.0/24 via 10.1.0.21",
            "fd00:101:0:22::/64 via fd00:1::22",
            "10.103.0.0/16 via 10.250.0.3",
            "fd00:102::/48 via fd00:250::2",
            "10.2.0.0/24 via 10.250.0.2",
            "fd00:3::/64 via fd00:250::3",
        ] {
            assert!(
                routes.iter().any(|route| route == wanted),
                "{wanted}: {routes:#?}"
            );
        }
        assert_eq!(routes.len(), 12);
    }

    #[test]
    fn a_node_knows_only_its_core() {
        assert_eq!(
            routes("z3w2"),
            ["0.0.0.0/0 via 10.3.0.1", "::/0 via fd00:3::1"]
        );
    }
}
