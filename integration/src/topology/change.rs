//! Changes to a topology that [`reference()`](super::reference()) made: nodes come, go and move, cores
//! lose the backbone.

use super::addresses::{hosts, node, put_on};
use super::{BoxPlan, Duty, Role, Topology, UPLINK};
use anyhow::{Context, Result, bail};
use std::net::IpAddr;

/// A place of the addressing plan: host `octet` of zone `zone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The Z of zone zZ.
    pub zone: u8,
    /// The last octet of its addresses.
    pub octet: u8,
}

impl Topology {
    /// Adds a worker at a place, with the blocks that are the place's; its name is that of the zone
    /// and `suffix`.
    ///
    /// # Errors
    /// The zone has no core, or its name or addresses are taken.
    pub fn add_worker(&mut self, place: Place, suffix: &str) -> Result<BoxPlan> {
        let plan = self.worker_at(place, suffix)?;
        put_on(self, &switch(place.zone), UPLINK, plan.clone());
        Ok(plan)
    }

    /// Takes a box out, with its cables.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn remove(&mut self, name: &str) -> Result<BoxPlan> {
        let found = self.boxes.iter().position(|plan| plan.name == name);
        let found = found.with_context(|| format!("no box {name:?}"))?;
        self.links
            .retain(|link| link.a.on != name && link.b.on != name);
        Ok(self.boxes.remove(found))
    }

    /// Takes a node to a place: cable, addresses, default routes, and what its Node object says. It
    /// keeps its name and its blocks.
    ///
    /// # Errors
    /// There is no such node, the zone has no core, or its addresses are taken.
    pub fn relocate(&mut self, name: &str, place: Place) -> Result<BoxPlan> {
        let there = self.worker_at(place, name)?;
        let mut plan = self.remove(name)?;
        let (Role::Node(own), Role::Node(wanted)) = (&mut plan.role, there.role) else {
            bail!("box {name} is no node");
        };
        own.zone = wanted.zone;
        own.internal_ips = wanted.internal_ips;
        plan.addresses = there.addresses;
        plan.routes = there.routes;
        put_on(self, &switch(place.zone), UPLINK, plan.clone());
        Ok(plan)
    }

    /// Takes away a core's sessions with the backbone, as when all its uplinks are cut.
    pub fn cut_off(&mut self, core: &str) {
        for plan in &mut self.boxes {
            if let Role::BgpRouter(router) = &mut plan.role {
                let (own, own_as) = (plan.name == core, router.as_number);
                router
                    .neighbours
                    .retain(|peer| peer.as_number == own_as || !(own || peer.on == core));
            }
        }
    }

    fn worker_at(&self, Place { zone, octet }: Place, suffix: &str) -> Result<BoxPlan> {
        let wanted = hosts(zone, octet)?;
        for plan in &self.boxes {
            if let Some(taken) = plan.addresses.iter().find(|a| wanted.contains(&a.address)) {
                bail!("{} is the address of {}", taken.address, plan.name);
            }
        }
        let plan = node(zone, (suffix, octet), Duty::Worker, &self.routers_of(zone)?)?;
        if self.boxes.iter().any(|other| other.name == plan.name) {
            bail!("box {:?}: the name is used twice", plan.name);
        }
        Ok(plan)
    }

    /// The last octets of the zone's cores.
    fn routers_of(&self, zone: u8) -> Result<Vec<u8>> {
        let name = format!("z{zone}");
        let zone = self.zones.iter().find(|plan| plan.name.as_str() == name);
        let zone = zone.with_context(|| format!("no zone {name}"))?;
        let cores = self.cores(zone);
        let addresses = cores.flat_map(|(core, _)| zone.addresses_of(core));
        let octets = addresses.filter_map(|address| match address {
            IpAddr::V4(v4) => Some(v4.octets()[3]),
            IpAddr::V6(_) => None,
        });
        Ok(octets.collect())
    }
}

fn switch(zone: u8) -> String {
    format!("sw{zone}")
}

#[cfg(test)]
mod tests {
    use super::super::{Cores, Zones, reference};
    use super::*;

    fn topology() -> Topology {
        reference(Zones::Two, Cores::Two).unwrap()
    }

    fn at(plan: &BoxPlan) -> Vec<String> {
        let addresses = plan.addresses.iter().map(|a| a.address.to_string());
        let routes = plan.routes.iter().flat_map(|route| &route.via);
        addresses.chain(routes.map(ToString::to_string)).collect()
    }

    #[test]
    fn what_was_added_and_removed_leaves_nothing() {
        let mut changed = topology();
        let place = Place { zone: 1, octet: 23 };
        let plan = changed.add_worker(place, "w3").unwrap();
        assert_eq!(plan.name, "z1w3");
        assert_eq!(
            at(&plan),
            [
                "10.1.0.23",
                "fd00:1::23",
                "10.1.0.1",
                "10.1.0.2",
                "fd00:1::1",
                "fd00:1::2"
            ]
        );
        assert_eq!(
            changed.add_worker(place, "w4").unwrap_err().to_string(),
            "10.1.0.23 is the address of z1w3"
        );
        changed.remove("z1w3").unwrap();
        assert_eq!(changed, topology());
    }

    #[test]
    fn a_node_that_moves_keeps_its_blocks_alone() {
        let mut changed = topology();
        let before = changed.nodes().find(|node| node.name.as_str() == "z1w2");
        let before = before.unwrap().clone();
        let place = Place { zone: 2, octet: 23 };
        let plan = changed.relocate("z1w2", place).unwrap();
        assert_eq!(
            at(&plan),
            [
                "10.2.0.23",
                "fd00:2::23",
                "10.2.0.1",
                "10.2.0.2",
                "fd00:2::1",
                "fd00:2::2"
            ]
        );
        let after = plan.node().unwrap();
        assert_eq!((&after.uid, &after.blocks), (&before.uid, &before.blocks));
        assert_eq!(after.zone.as_str(), "z2");
        let cables = changed.links.iter().filter(|link| link.b.on == "z1w2");
        let switches: Vec<&str> = cables.map(|link| link.a.on.as_str()).collect();
        assert_eq!(switches, ["sw2"]);
        changed.validate().unwrap();
    }
}
