//! Boxes on one switch, each with an address of both families.

use crate::topology::{Address, BoxPlan, Link, Port, Role, Timers, Topology, UPLINK};
use crate::{Binaries, Lab, LabBox, Plan};
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use gingham_netlink::Netns;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The box that joins the others.
const SWITCH: &str = "switch";

/// Hosts on one segment. Dropped, everything in them ends.
#[derive(Debug)]
pub struct World {
    lab: Lab,
    hosts: Vec<String>,
}

/// One host of a [`World`]: `10.9.0.N` and `fd00:9::N` on `eth0`.
#[derive(Clone, Debug)]
pub struct Host {
    inside: LabBox,
    number: u8,
}

impl World {
    /// Brings up hosts of these names.
    ///
    /// # Errors
    /// As [`Lab::up`]; more hosts than addresses.
    pub fn of(names: &[&str]) -> Result<Self> {
        let mut topology = Topology {
            zones: Vec::new(),
            boxes: vec![plan(SWITCH, Role::Switch, Vec::new())],
            links: Vec::new(),
            timers: Timers::default(),
        };
        for (index, name) in names.iter().enumerate() {
            topology
                .boxes
                .push(plan(name, Role::Router, addresses(number(index)?)));
            topology.links.push(Link {
                // Not the name alone: ip(8) reads some as words of its own.
                a: port(SWITCH, &format!("to-{name}")),
                b: port(name, UPLINK),
            });
        }
        Ok(World {
            lab: Lab::up(Plan::scoped(topology, Binaries::lab_only()?))?,
            hosts: names.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    /// The host of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn host(&self, name: &str) -> Result<Host> {
        let Some(index) = self.hosts.iter().position(|host| host == name) else {
            bail!("no host {name:?}; there are {}", self.hosts.join(", "));
        };
        Ok(Host {
            inside: self.lab.at(name)?.clone(),
            number: number(index)?,
        })
    }
}

impl Host {
    /// Its address of a family.
    pub fn address(&self, family: Family) -> IpAddr {
        address(self.number, family)
    }

    /// Its IPv4 address, which is also its BGP identifier.
    pub fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, 0, self.number)
    }

    /// The box it is.
    pub fn inside(&self) -> &LabBox {
        &self.inside
    }

    /// Runs `work` in its network namespace, on a thread of its own. Sockets made there stay there.
    ///
    /// # Errors
    /// The box is gone; whatever `work` says.
    pub fn visit<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = format!("/proc/{}/ns/net", self.inside.init().pid);
        let netns = Netns::open(Path::new(&path))?;
        netns.visit(work)?
    }

    /// Established TCP connections of BGP, as `local remote`, one a line.
    ///
    /// # Errors
    /// The box is gone.
    pub fn connections(&self) -> Result<Vec<String>> {
        let filter = "( sport = :179 or dport = :179 )";
        let words = ["ss", "-Htn", "state", "established", filter];
        let shown = self.inside.exec(&words)?;
        Ok(shown.lines().map(str::to_owned).collect())
    }
}

fn number(index: usize) -> Result<u8> {
    u8::try_from(index + 1).context("more hosts than addresses")
}

fn address(number: u8, family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 9, 0, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

fn addresses(number: u8) -> Vec<Address> {
    let on_link = |(family, length)| Address {
        interface: UPLINK.to_owned(),
        address: address(number, family),
        length,
    };
    [(Family::V4, 24), (Family::V6, 64)].map(on_link).into()
}

fn plan(name: &str, role: Role, addresses: Vec<Address>) -> BoxPlan {
    BoxPlan {
        name: name.to_owned(),
        role,
        addresses,
        routes: Vec::new(),
    }
}

fn port(on: &str, interface: &str) -> Port {
    Port {
        on: on.to_owned(),
        interface: interface.to_owned(),
    }
}
