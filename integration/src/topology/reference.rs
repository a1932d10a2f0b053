//! The topology of the project: zones whose cores meet at two backbone routers, all of them real.

use super::addresses::{
    WORKERS, as_number, cable, defaults, hosts, node, node_cidrs, on_link, pair, port, prefixes,
    put_on, put_switch, via, zone_plan,
};
use super::{
    Address, BoxPlan, CORE_ZONE, Daemon, Duty, Neighbour, Role, RouterPlan, Timers, Topology,
    UPLINK,
};
use anyhow::Result;
use gingham_model::{Aggregate, Family};
use std::net::{IpAddr, Ipv4Addr};

/// How many zones: z1, z2, z3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zones {
    /// Two.
    Two,
    /// Three.
    Three,
}

/// How many cores a zone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// cZ.
    One,
    /// cZ and cZb.
    Two,
}

/// The AS of each backbone router.
const BACKBONE_AS: u32 = 65_000;
/// The backbone routers, and their last octet in the client LAN.
pub(super) const BACKBONE: [(&str, u8); 2] = [("bb1", 1), ("bb2", 2)];
/// The segment of the client, and what the backbone routers call their interface to it.
pub(super) const LAN: &str = "lan";
/// What comes after the Z in the name of a core, and its last octet in the zone.
const CORES: [(&str, u8); 2] = [("", 1), ("b", 2)];
/// Last octets of the nodes of the control plane of a zone.
const MASTERS: [(&str, u8); 2] = [("m1", 11), ("m2", 12)];
/// Last octets of the nodes of a zone for traffic from outside.
const INGRESS: [(&str, u8); 2] = [("i1", 31), ("i2", 32)];

/// Zones of two masters, two workers, two ingress nodes and their cores; two backbone routers; a client.
///
/// ```text
///                       cl .10
///                         │
///          ┌─────────── lan ──────────┐      203.0.113.0/24, fd00:203::/64
///       bb1 .1                     bb2 .2    AS 65000 each, no session between them
///        │ │ └─────── c3 ─────────┘ │ │      10.250.Z.0/31 and .2/31, of cZb .10/31 and .12/31
///        │ └───────── c2 ───────────┘ │
///        └─────────── c1 ─────────────┘      AS 64600+Z, 10.Z.0.1, of cZb .2
///                     │
///   ┌─────┬─────┬─── sw1 ┬─────┬─────┐       10.Z.0.0/24, fd00:Z::/64
///  z1m1  z1m2  z1w1  z1w2  z1i1  z1i2
///  .11   .12   .21   .22   .31   .32         pods 10.(100+Z).N.0/24, fd00:10Z:0:N::/64
/// ```
///
/// FRR runs on the backbone and in zones 1 and 3, BIRD in zone 2. Of each link between a core and a
/// backbone router, 10.250.Z.E/31, the backbone has the even address; in IPv6 the same is
/// fd00:250:Z::1EE/127, EE being E in two decimal digits: c1's links are 10.250.1.1 - .0 and
/// fd00:250:1::101 - ::100 to bb1, 10.250.1.3 - .2 and fd00:250:1::103 - ::102 to bb2. The client
/// is 203.0.113.10 and fd00:203::10.
///
/// Cores and masters have sessions, cores and backbone routers, both families each. A core announces
/// the node subnets of its zone, a backbone router the client LAN. Default routes of nodes lead to all
/// cores of the zone, those of the client to both backbone routers.
///
/// # Errors
/// None, unless a name or prefix built here breaks the rules of its type.
pub fn reference(zones: Zones, cores: Cores) -> Result<Topology> {
    let zones = match zones {
        Zones::Two => 1..=2,
        Zones::Three => 1..=3,
    };
    let cores = match cores {
        Cores::One => &CORES[..1],
        Cores::Two => &CORES[..],
    };
    let mut topology = Topology {
        zones: Vec::new(),
        boxes: Vec::new(),
        links: Vec::new(),
        timers: Timers::default(),
    };
    let mut backbone = BACKBONE
        .map(Speaker::backbone)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    for zone in zones {
        add_zone(&mut topology, zone, cores, &mut backbone)?;
    }
    put_switch(&mut topology, LAN);
    for router in backbone {
        put_on(&mut topology, LAN, LAN, router.into_box());
    }
    put_on(&mut topology, LAN, UPLINK, client()?);
    Ok(topology)
}

fn add_zone(
    topology: &mut Topology,
    zone: u8,
    cores: &[(&str, u8)],
    backbone: &mut [Speaker],
) -> Result<()> {
    topology.zones.push(zone_plan(zone, Aggregate::Zone)?);
    let switch = format!("sw{zone}");
    put_switch(topology, &switch);
    for (number, core) in (0..).zip(cores) {
        let mut core = Speaker::core(zone, *core)?;
        for (router, even) in backbone.iter_mut().zip([0, 2]) {
            let ends = wire(zone, number * 10 + even)?;
            let link = (
                port(&router.name, &core.name),
                port(&core.name, &router.name),
            );
            router.connect(&core, ends);
            core.connect(router, [ends[1], ends[0]]);
            topology.links.push(cable(link.0, link.1));
        }
        put_on(topology, &switch, CORE_ZONE, core.into_box());
    }
    let routers: Vec<u8> = cores.iter().map(|(_, octet)| *octet).collect();
    let duties = [
        (MASTERS, Duty::Master),
        (WORKERS, Duty::Worker),
        (INGRESS, Duty::Ingress),
    ];
    for (names, duty) in duties {
        for name in names {
            put_on(topology, &switch, UPLINK, node(zone, name, duty, &routers)?);
        }
    }
    Ok(())
}

/// Both ends of the link between a core and a backbone router, the backbone's first; `even` is its last
/// octet.
fn wire(zone: u8, even: u8) -> Result<[[IpAddr; 2]; 2]> {
    let end = |octet| {
        pair(
            format!("10.250.{zone}.{octet}"),
            format!("fd00:250:{zone}::1{octet:02}"),
        )
    };
    Ok([end(even)?, end(even + 1)?])
}

pub(super) fn client_lan(octet: u8) -> Result<[IpAddr; 2]> {
    pair(format!("203.0.113.{octet}"), format!("fd00:203::{octet}"))
}

fn client() -> Result<BoxPlan> {
    let routers = BACKBONE.map(|(_, octet)| client_lan(octet));
    let routers = routers.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(BoxPlan {
        name: "cl".to_owned(),
        role: Role::Host,
        addresses: on_link(UPLINK, client_lan(10)?),
        routes: via(defaults(), &routers),
    })
}

/// A router on its way.
struct Speaker {
    name: String,
    addresses: Vec<Address>,
    plan: RouterPlan,
}

impl Speaker {
    fn backbone((name, octet): (&str, u8)) -> Result<Self> {
        Ok(Speaker {
            name: name.to_owned(),
            addresses: on_link(LAN, client_lan(octet)?),
            plan: RouterPlan {
                daemon: Daemon::Frr,
                as_number: BACKBONE_AS,
                router_id: Ipv4Addr::new(10, 255, 0, octet),
                originates: prefixes(["203.0.113.0/24".to_owned(), "fd00:203::/64".to_owned()])?,
                neighbours: Vec::new(),
            },
        })
    }

    /// A core, with its sessions to the reflectors of the zone.
    fn core(zone: u8, (name, octet): (&str, u8)) -> Result<Self> {
        let own = hosts(zone, octet)?;
        let mut core = Speaker {
            name: format!("c{zone}{name}"),
            addresses: on_link(CORE_ZONE, own),
            plan: RouterPlan {
                daemon: if zone == 2 { Daemon::Bird } else { Daemon::Frr },
                as_number: as_number(zone),
                router_id: Ipv4Addr::new(10, zone, 0, octet),
                originates: node_cidrs(zone)?,
                neighbours: Vec::new(),
            },
        };
        for (master, octet) in MASTERS {
            let ends = [own, hosts(zone, octet)?];
            core.meet(&format!("z{zone}{master}"), as_number(zone), ends);
        }
        Ok(core)
    }

    /// Gives it an interface towards `other`, with its own and the other's addresses, and sessions.
    fn connect(&mut self, other: &Speaker, ends: [[IpAddr; 2]; 2]) {
        self.addresses.extend(ends[0].map(|address| Address {
            interface: other.name.clone(),
            address,
            length: Family::of(address).bits() - 1,
        }));
        self.meet(&other.name, other.plan.as_number, ends);
    }

    /// A session of each family, between its own addresses and the other's.
    fn meet(&mut self, on: &str, as_number: u32, [own, theirs]: [[IpAddr; 2]; 2]) {
        let sessions = own.into_iter().zip(theirs);
        let sessions = sessions.map(|(local, address)| Neighbour {
            on: on.to_owned(),
            address,
            local,
            as_number,
        });
        self.plan.neighbours.extend(sessions);
    }

    fn into_box(self) -> BoxPlan {
        BoxPlan {
            name: self.name,
            role: Role::BgpRouter(self.plan),
            addresses: self.addresses,
            routes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(topology: &'a Topology, name: &str) -> &'a BoxPlan {
        let mut plans = topology.boxes.iter();
        plans.find(|plan| plan.name == name).unwrap()
    }

    fn at(plan: &BoxPlan) -> Vec<String> {
        let words = |a: &Address| format!("{} {}/{}", a.interface, a.address, a.length);
        plan.addresses.iter().map(words).collect()
    }

    #[test]
    fn every_variant_is_valid_and_complete() {
        for (zones, number) in [(Zones::Two, 2), (Zones::Three, 3)] {
            for (cores, each) in [(Cores::One, 1), (Cores::Two, 2)] {
                let topology = reference(zones, cores).unwrap();
                topology.validate().unwrap();
                assert_eq!(topology.nodes().count(), number * 6);
                assert_eq!(topology.routers().count(), number * each + 2);
                assert_eq!(topology.backbone().count(), 2);
            }
        }
    }

    #[test]
    fn every_session_is_configured_at_both_ends() {
        let topology = reference(Zones::Three, Cores::Two).unwrap();
        for (plan, router) in topology.routers() {
            for peer in &router.neighbours {
                let other = find(&topology, &peer.on);
                assert!(other.addresses.iter().any(|a| a.address == peer.address));
                let Some(other) = other.router() else {
                    continue;
                };
                assert_eq!(other.as_number, peer.as_number);
                let back =
                    |back: &&Neighbour| plan.addresses.iter().any(|a| a.address == back.address);
                assert_eq!(other.neighbours.iter().filter(back).count(), 2, "{peer:?}");
            }
        }
    }

    #[test]
    fn links_are_numbered_as_the_picture_says() {
        let topology = reference(Zones::Two, Cores::Two).unwrap();
        assert_eq!(
            at(find(&topology, "c1b")),
            [
                "zone 10.1.0.2/24",
                "zone fd00:1::2/64",
                "bb1 10.250.1.11/31",
                "bb1 fd00:250:1::111/127",
                "bb2 10.250.1.13/31",
                "bb2 fd00:250:1::113/127",
            ]
        );
        assert_eq!(
            at(find(&topology, "bb2"))[..4],
            [
                "lan 203.0.113.2/24",
                "lan fd00:203::2/64",
                "c1 10.250.1.2/31",
                "c1 fd00:250:1::102/127",
            ]
        );
    }

    #[test]
    fn a_core_meets_its_reflectors_and_the_backbone() {
        let topology = reference(Zones::Three, Cores::One).unwrap();
        let core = find(&topology, "c3").router().unwrap();
        let words = |peer: &Neighbour| format!("{} {} {}", peer.on, peer.address, peer.as_number);
        assert_eq!(
            core.neighbours.iter().map(words).collect::<Vec<_>>(),
            [
                "z3m1 10.3.0.11 64603",
                "z3m1 fd00:3::11 64603",
                "z3m2 10.3.0.12 64603",
                "z3m2 fd00:3::12 64603",
                "bb1 10.250.3.0 65000",
                "bb1 fd00:250:3::100 65000",
                "bb2 10.250.3.2 65000",
                "bb2 fd00:250:3::102 65000",
            ]
        );
    }
}
