//! The addressing plan that the topologies share, and the boxes that follow from it alone.
//!
//! Zone Z: nodes 10.Z.0.N and fd00:Z::N, pods 10.(100+Z).0.0/16 and fd00:10Z::/48, block of node N
//! 10.(100+Z).N.0/24 and fd00:10Z:0:N::/64, N in decimal digits.

use super::{
    Address, BoxPlan, Duty, Link, NodePlan, Port, Role, StaticRoute, Topology, UPLINK, ZonePlan,
};
use anyhow::{Context, Result};
use gingham_model::{Aggregate, Family, Prefix};
use std::net::IpAddr;

/// Last octets of the workers of a zone.
pub(super) const WORKERS: [(&str, u8); 2] = [("w1", 21), ("w2", 22)];

pub(super) fn zone_plan(zone: u8, aggregate: Aggregate) -> Result<ZonePlan> {
    Ok(ZonePlan {
        name: format!("z{zone}").parse()?,
        as_number: as_number(zone),
        pool: format!("z{zone}").parse()?,
        pod_cidrs: pod_cidrs(zone)?,
        aggregate,
        node_cidrs: node_cidrs(zone)?,
    })
}

pub(super) fn as_number(zone: u8) -> u32 {
    64_600 + u32::from(zone)
}

pub(super) fn pod_cidrs(zone: u8) -> Result<Vec<Prefix>> {
    prefixes([
        format!("10.{}.0.0/16", 100 + zone),
        format!("fd00:10{zone}::/48"),
    ])
}

pub(super) fn node_cidrs(zone: u8) -> Result<Vec<Prefix>> {
    prefixes([format!("10.{zone}.0.0/24"), format!("fd00:{zone}::/64")])
}

pub(super) fn blocks(zone: u8, octet: u8) -> Result<Vec<Prefix>> {
    prefixes([
        format!("10.{}.{octet}.0/24", 100 + zone),
        format!("fd00:10{zone}:0:{octet}::/64"),
    ])
}

pub(super) fn defaults() -> Vec<Prefix> {
    Family::ALL.map(Prefix::default_of).into()
}

pub(super) fn prefixes(texts: [String; 2]) -> Result<Vec<Prefix>> {
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

/// Host `octet` of the zone's node subnet, IPv4 first.
pub(super) fn hosts(zone: u8, octet: u8) -> Result<[IpAddr; 2]> {
    pair(
        format!("10.{zone}.0.{octet}"),
        format!("fd00:{zone}::{octet}"),
    )
}

pub(super) fn pair(v4: String, v6: String) -> Result<[IpAddr; 2]> {
    let parse = |text: String| text.parse().with_context(|| format!("address {text:?}"));
    Ok([parse(v4)?, parse(v6)?])
}

/// Adds a switch.
pub(super) fn put_switch(topology: &mut Topology, name: &str) {
    topology.boxes.push(BoxPlan {
        name: name.to_owned(),
        role: Role::Switch,
        addresses: Vec::new(),
        routes: Vec::new(),
    });
}

/// Adds a box and its cable from a switch, whose port is named after the box.
pub(super) fn put_on(topology: &mut Topology, switch: &str, interface: &str, plan: BoxPlan) {
    let own = port(&plan.name, interface);
    topology.links.push(cable(port(switch, &plan.name), own));
    topology.boxes.push(plan);
}

pub(super) fn cable(a: Port, b: Port) -> Link {
    Link { a, b }
}

pub(super) fn port(on: &str, interface: &str) -> Port {
    Port {
        on: on.to_owned(),
        interface: interface.to_owned(),
    }
}

/// A node with its default routes, `routers` being the last octets of the zone's cores.
pub(super) fn node(
    zone: u8,
    (name, octet): (&str, u8),
    duty: Duty,
    routers: &[u8],
) -> Result<BoxPlan> {
    let name = format!("z{zone}{name}");
    let internal_ips = hosts(zone, octet)?;
    let routers = routers.iter().map(|octet| hosts(zone, *octet));
    Ok(BoxPlan {
        role: Role::Node(NodePlan {
            name: name.parse()?,
            zone: format!("z{zone}").parse()?,
            duty,
            uid: format!("67696e67-0000-4000-8000-{zone:06}{octet:06}"),
            internal_ips: internal_ips.to_vec(),
            blocks: blocks(zone, octet)?,
        }),
        name,
        addresses: on_link(UPLINK, internal_ips),
        routes: via(defaults(), &routers.collect::<Result<Vec<_>>>()?),
    })
}

/// Addresses of a segment of many: /24 and /64.
pub(super) fn on_link(interface: &str, addresses: [IpAddr; 2]) -> Vec<Address> {
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

/// One route per prefix, through the routers' addresses of its family.
pub(super) fn via(prefixes: Vec<Prefix>, routers: &[[IpAddr; 2]]) -> Vec<StaticRoute> {
    let route = |prefix: Prefix| StaticRoute {
        prefix,
        via: routers
            .iter()
            .flatten()
            .filter(|router| Family::of(**router) == prefix.family())
            .copied()
            .collect(),
    };
    prefixes.into_iter().map(route).collect()
}
