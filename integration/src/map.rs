//! A map of a lab for people.

use gingham_integration::Pod;
use gingham_integration::fleet::FleetPod;
use gingham_integration::topology::{
    Address, BoxPlan, CONTROL_PLANE, Duty, NodePlan, Role, Topology, ZonePlan,
};
use gingham_model::Family;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// What stands where: the backbone and who is outside, then zones, cores, nodes, blocks, pods.
pub(crate) fn draw(topology: &Topology, pods: &[Pod]) -> String {
    let pods: Vec<Placed<'_>> = pods
        .iter()
        .map(|pod| Placed {
            node: pod.node().name(),
            name: pod.name(),
            addresses: words(pod.addresses()),
        })
        .collect();
    draw_placed(topology, &planned_blocks(topology), &pods)
}

/// The same where nodes claim their blocks: those of each node, and pods that somebody else made.
pub(crate) fn draw_claimed(topology: &Topology, blocks: &Blocks, pods: &[FleetPod]) -> String {
    let pods: Vec<Placed<'_>> = pods
        .iter()
        .map(|pod| Placed {
            node: &pod.node,
            name: &pod.name,
            addresses: words(&pod.addresses),
        })
        .collect();
    draw_placed(topology, blocks, &pods)
}

/// The blocks of nodes, by name.
pub(crate) type Blocks = BTreeMap<String, Vec<String>>;

/// A pod on the map.
struct Placed<'a> {
    node: &'a str,
    name: &'a str,
    addresses: String,
}

fn planned_blocks(topology: &Topology) -> Blocks {
    let blocks = |node: &NodePlan| node.blocks.iter().map(ToString::to_string).collect();
    let nodes = topology.nodes();
    nodes
        .map(|node| (node.name.to_string(), blocks(node)))
        .collect()
}

fn draw_placed(topology: &Topology, blocks: &Blocks, pods: &[Placed<'_>]) -> String {
    let mut map = String::from("backbone\n");
    for (plan, router) in topology.backbone() {
        let what = format!("AS {}", router.as_number);
        draw_box(&mut map, (&what, plan));
    }
    let hosts = topology.boxes.iter();
    for host in hosts.filter(|plan| plan.role == Role::Host) {
        let what = match host.name.as_str() {
            CONTROL_PLANE => "control plane",
            _ => "client",
        };
        draw_box(&mut map, (what, host));
    }
    for zone in &topology.zones {
        // Writing to a String cannot fail.
        let _ = writeln!(
            map,
            " |\n +== zone {}   AS {}   nodes {}   pods {}",
            zone.name,
            zone.as_number,
            words(&zone.node_cidrs),
            words(&zone.pod_cidrs)
        );
        for router in boxes(topology, zone, |role| {
            matches!(role, Role::Router | Role::BgpRouter(_))
        }) {
            draw_box(&mut map, ("core", router));
        }
        for node in boxes(topology, zone, |role| matches!(role, Role::Node(_))) {
            draw_node(&mut map, node, (blocks, pods));
        }
    }
    map
}

/// A box that is no node; of its addresses those on links that are not just a cable.
fn draw_box(map: &mut String, (what, plan): (&str, &BoxPlan)) {
    let shared = |a: &&Address| a.length + 1 < Family::of(a.address).bits();
    let addresses = plan.addresses.iter().filter(shared);
    let addresses: Vec<_> = addresses.map(|a| a.address).collect();
    let daemon = plan.router().map(|router| format!("  {}", router.daemon));
    let _ = writeln!(
        map,
        " |    +-- {what} {:<5} {}{}",
        plan.name,
        words(&addresses),
        daemon.unwrap_or_default()
    );
}

fn draw_node(map: &mut String, plan: &BoxPlan, (blocks, pods): (&Blocks, &[Placed<'_>])) {
    let Some(node) = plan.node() else {
        return;
    };
    let duty = match node.duty {
        Duty::Worker => "",
        Duty::Master => "  reflector",
        Duty::Ingress => "  ingress",
    };
    let _ = writeln!(
        map,
        " |    +-- node {:<5} {}{duty}",
        plan.name,
        words(&node.internal_ips)
    );
    let blocks = blocks.get(&plan.name).map(|blocks| words(blocks));
    let _ = writeln!(map, " |         block   {}", blocks.unwrap_or_default());
    for pod in pods.iter().filter(|pod| pod.node == plan.name) {
        let _ = writeln!(map, " |         pod     {}  {}", pod.name, pod.addresses);
    }
}

/// The boxes of a role with an address in one of the zone's node subnets.
fn boxes<'a>(
    topology: &'a Topology,
    zone: &'a ZonePlan,
    role: impl Fn(&Role) -> bool + 'a,
) -> impl Iterator<Item = &'a BoxPlan> {
    let inside = |plan: &BoxPlan| {
        let mut addresses = plan.addresses.iter().map(|a| a.address);
        addresses.any(|address| zone.node_cidrs.iter().any(|cidr| cidr.contains(address)))
    };
    topology
        .boxes
        .iter()
        .filter(move |plan| role(&plan.role) && inside(plan))
}

fn words(items: &[impl Display]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gingham_integration::topology::{Cores, Zones, reference};

    #[test]
    fn pods_stand_below_their_node() {
        let topology = gingham_integration::topology::static_routes().unwrap();
        let pod = Placed {
            node: "z1w1",
            name: "web",
            addresses: "10.101.21.2  fd00:101:0:21::2".to_owned(),
        };
        let map = draw_placed(&topology, &planned_blocks(&topology), &[pod]);
        let wanted = "\
backbone
 |
 +== zone z1   AS 64601   nodes 10.1.0.0/24  fd00:1::/64   pods 10.101.0.0/16  fd00:101::/48
 |    +-- core c1    10.1.0.1  fd00:1::1  10.250.0.1  fd00:250::1
 |    +-- node z1w1  10.1.0.21  fd00:1::21
 |         block   10.101.21.0/24  fd00:101:0:21::/64
 |         pod     web  10.101.21.2  fd00:101:0:21::2
 |    +-- node z1w2  10.1.0.22  fd00:1::22
";
        assert!(map.starts_with(wanted), "{map}");
    }

    #[test]
    fn routers_say_what_runs_on_them() {
        let map = draw(&reference(Zones::Two, Cores::Two).unwrap(), &[]);
        for wanted in [
            "backbone\n |    +-- AS 65000 bb1   203.0.113.1  fd00:203::1  FRR\n",
            " |    +-- client cl    203.0.113.10  fd00:203::10\n |\n",
            " |    +-- core c2b   10.2.0.2  fd00:2::2  BIRD\n",
            " |    +-- node z2m1  10.2.0.11  fd00:2::11  reflector\n",
        ] {
            assert!(map.contains(wanted), "{wanted}: {map}");
        }
    }
}
