//! The topology of a cluster with kubelets: two zones, and a control plane that is routed to.

use super::addresses::{defaults, on_link, put_on, via};
use super::reference::{BACKBONE, LAN, client_lan};
use super::{BoxPlan, Cores, Daemon, Role, Topology, UPLINK, Zones, reference};
use anyhow::Result;

/// The box of the control plane.
pub const CONTROL_PLANE: &str = "cp";
/// Its last octet in the client LAN.
const OCTET: u8 = 20;
/// What of a zone of the reference topology is left out.
const LEFT_OUT: [&str; 3] = ["m2", "i1", "i2"];
/// The second worker of a zone.
const SECOND: &str = "w2";

/// How many workers a zone has, besides its node of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// zZw1.
    One,
    /// zZw1 and zZw2.
    Two,
}

/// Two zones of [`reference()`] with one master each, fewer nodes, and FRR on every router; and `cp`,
/// 203.0.113.20 and fd00:203::20, in the LAN of the client: kube-apiserver, whom nodes reach by their
/// zone's core, and who reaches nodes and pods the same way.
///
/// # Errors
/// None, unless a name or prefix built here breaks the rules of its type.
pub fn fleet(workers: Workers) -> Result<Topology> {
    let mut topology = reference(Zones::Two, Cores::One)?;
    let mut left_out = LEFT_OUT.to_vec();
    if workers == Workers::One {
        left_out.push(SECOND);
    }
    let zones: Vec<String> = topology.zones.iter().map(|z| z.name.to_string()).collect();
    for zone in zones {
        for suffix in &left_out {
            topology.remove(&format!("{zone}{suffix}"))?;
        }
    }
    let names: Vec<String> = topology
        .boxes
        .iter()
        .map(|plan| plan.name.clone())
        .collect();
    for plan in &mut topology.boxes {
        if let Role::BgpRouter(router) = &mut plan.role {
            router.daemon = Daemon::Frr;
            router.neighbours.retain(|peer| names.contains(&peer.on));
        }
    }
    put_on(&mut topology, LAN, UPLINK, control_plane()?);
    Ok(topology)
}

fn control_plane() -> Result<BoxPlan> {
    let routers = BACKBONE.map(|(_, octet)| client_lan(octet));
    let routers = routers.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(BoxPlan {
        name: CONTROL_PLANE.to_owned(),
        role: Role::Host,
        addresses: on_link(UPLINK, client_lan(OCTET)?),
        routes: via(defaults(), &routers),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_one_master_and_its_workers() {
        let topology = fleet(Workers::One).unwrap();
        topology.validate().unwrap();
        let nodes: Vec<&str> = topology.nodes().map(|node| node.name.as_str()).collect();
        assert_eq!(nodes, ["z1m1", "z1w1", "z2m1", "z2w1"]);
        assert_eq!(fleet(Workers::Two).unwrap().nodes().count(), 6);
    }

    #[test]
    fn cores_expect_no_reflector_that_is_not_there() {
        let topology = fleet(Workers::One).unwrap();
        let mut routers = topology.routers();
        let (_, core) = routers.find(|(plan, _)| plan.name == "c2").unwrap();
        let peers: Vec<&str> = core
            .neighbours
            .iter()
            .map(|peer| peer.on.as_str())
            .collect();
        assert_eq!(peers, ["z2m1", "z2m1", "bb1", "bb1", "bb2", "bb2"]);
        assert_eq!(core.daemon, Daemon::Frr);
    }
}
