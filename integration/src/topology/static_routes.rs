//! A small topology without BGP.

use super::addresses::{
    WORKERS, blocks, hosts, node, node_cidrs, on_link, pair, pod_cidrs, put_on, put_switch, via,
    zone_plan,
};
use super::{BoxPlan, CORE_BACKBONE, CORE_ZONE, Duty, Role, Timers, Topology, UPLINK, addresses};
use anyhow::Result;
use gingham_model::Aggregate;
use std::net::IpAddr;

/// Number of zones of [`static_routes()`].
const ZONES: u8 = 3;

/// Three zones of two workers and a core with static routes; the cores meet on one backbone segment.
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
pub fn static_routes() -> Result<Topology> {
    let mut topology = Topology {
        zones: Vec::new(),
        boxes: Vec::new(),
        links: Vec::new(),
        timers: Timers::default(),
    };
    put_switch(&mut topology, "bb");
    for zone in 1..=ZONES {
        topology.zones.push(zone_plan(zone, Aggregate::None)?);
        let switch = format!("sw{zone}");
        let core = core(zone)?;
        let (a, b) = ("bb", addresses::port(&core.name, CORE_BACKBONE));
        let to_backbone = addresses::cable(addresses::port(a, &core.name), b);
        topology.links.push(to_backbone);
        put_switch(&mut topology, &switch);
        put_on(&mut topology, &switch, CORE_ZONE, core);
        for worker in WORKERS {
            let node = node(zone, worker, Duty::Worker, &[1])?;
            put_on(&mut topology, &switch, UPLINK, node);
        }
    }
    Ok(topology)
}

/// The core of `zone` on the backbone, IPv4 first.
fn on_backbone(zone: u8) -> Result<[IpAddr; 2]> {
    pair(format!("10.250.0.{zone}"), format!("fd00:250::{zone}"))
}

fn core(zone: u8) -> Result<BoxPlan> {
    let mut routes = Vec::new();
    for (_, octet) in WORKERS {
        routes.extend(via(blocks(zone, octet)?, &[hosts(zone, octet)?]));
    }
    for other in (1..=ZONES).filter(|other| *other != zone) {
        let router = [on_backbone(other)?];
        routes.extend(via(node_cidrs(other)?, &router));
        routes.extend(via(pod_cidrs(other)?, &router));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(name: &str) -> Vec<String> {
        let topology = static_routes().unwrap();
        let mut plans = topology.boxes.iter();
        let plan = plans.find(|plan| plan.name == name).unwrap();
        let routes = plan.routes.iter();
        routes
            .map(|r| format!("{} via {:?}", r.prefix, r.via))
            .collect()
    }

    #[test]
    fn the_topology_is_valid_and_complete() {
        let topology = static_routes().unwrap();
        topology.validate().unwrap();
        assert_eq!(topology.nodes().count(), 6);
        assert_eq!(topology.boxes.len(), 1 + 3 * 4);
    }

    #[test]
    fn a_core_knows_its_blocks_and_the_other_zones() {
        let routes = routes("c1");
        for wanted in [
            "10.101.21.0/24 via [10.1.0.21]",
            "fd00:101:0:22::/64 via [fd00:1::22]",
            "10.103.0.0/16 via [10.250.0.3]",
            "fd00:102::/48 via [fd00:250::2]",
            "10.2.0.0/24 via [10.250.0.2]",
            "fd00:3::/64 via [fd00:250::3]",
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
            ["0.0.0.0/0 via [10.3.0.1]", "::/0 via [fd00:3::1]"]
        );
    }
}
