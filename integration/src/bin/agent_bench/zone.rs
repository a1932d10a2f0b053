//! The zone under test: its cluster objects, the node's link, and the routes that follow from them.

use crate::{Families, KERNEL, Size};
use anyhow::{Context, Result, ensure};
use gingham_integration::cluster;
use gingham_integration::topology::{BoxPlan, Duty, NodePlan, Role, Timers, Topology, ZonePlan};
use gingham_model::{
    Aggregate, Family, NextHop, Owner, Prefix, Route, RouteSet, TABLE_MAIN, Target,
};
use gingham_netlink::Socket;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

/// Where the cluster objects are.
pub(crate) const CLUSTER_DIR: &str = "/run/cluster";
/// The node the agent runs on.
pub(crate) const NODE: &str = "n0";
/// The protocol of the routes under test.
pub(crate) const DIRECT: u8 = Owner::Direct.protocol().0;
/// The interface towards the other nodes.
const UPLINK: &str = "eth0";

/// One node after the other, all in one subnet, each with one block a family; the first is ours.
///
/// Node N stands at 172.16.0.0/16 and fd00:1::/64 plus N + 1; its blocks are 10.0.0.0/8 and
/// fd00:100::/48, cut into /24 and /64, number N.
pub(crate) struct Zone {
    size: Size,
    topology: Topology,
}

impl Zone {
    pub(crate) fn new(size: Size) -> Result<Self> {
        let families: &[Family] = match size.families {
            Families::V4 => &[Family::V4],
            Families::Dual => &Family::ALL,
        };
        let each = |of: fn(Family) -> &'static str| -> Result<Vec<Prefix>> {
            let texts = families.iter().map(|family| of(*family));
            texts.map(|text| Ok(text.parse()?)).collect()
        };
        let zone = ZonePlan {
            name: "z1".parse()?,
            as_number: 64_601,
            pool: "z1".parse()?,
            pod_cidrs: each(pool)?,
            aggregate: Aggregate::None,
            node_cidrs: each(node_net)?,
        };
        let nodes = (0..=size.blocks).map(|number| node(&zone, number));
        let boxes = nodes.collect::<Result<_>>()?;
        Ok(Zone {
            size,
            topology: Topology {
                zones: vec![zone],
                boxes,
                links: Vec::new(),
                timers: Timers::default(),
            },
        })
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Writes what an agent sees of the cluster: of all Nodes only its own.
    pub(crate) fn write_objects(&self) -> Result<()> {
        let mut objects = cluster::objects(&self.topology)?;
        objects.retain(|object| object.folder != "nodes" || object.name == NODE);
        cluster::write(Path::new(CLUSTER_DIR), &objects)
    }

    /// Gives the calling thread's namespace the node's link and addresses.
    pub(crate) fn make_link(&self) -> Result<()> {
        let own = self.topology.nodes().next().context("no node")?;
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("link add {UPLINK} type veth peer name wire"),
            "link set wire up".to_owned(),
        ];
        for ip in &own.internal_ips {
            lines.push(match ip {
                IpAddr::V4(v4) => format!("address add {v4}/16 dev {UPLINK}"),
                IpAddr::V6(v6) => format!("address add {v6}/64 dev {UPLINK} nodad"),
            });
        }
        lines.push(format!("link set {UPLINK} up"));
        for line in lines {
            ip(&line)?;
        }
        Ok(())
    }

    /// The routes the agent must install.
    pub(crate) fn routes(&self, socket: &mut Socket) -> Result<RouteSet> {
        let dev = socket.link(UPLINK)?.index;
        let mut routes = RouteSet::new();
        for node in self.topology.nodes().skip(1) {
            for (cidr, via) in node.blocks.iter().zip(&node.internal_ips) {
                let target = Target::Via(NextHop { via: *via, dev }.into());
                let route = Route::of(Owner::Direct, *cidr, target);
                routes.insert(route.key, route);
            }
        }
        Ok(routes)
    }

    /// How many these are.
    pub(crate) fn count(&self) -> usize {
        let others = self.topology.nodes().skip(1);
        others.map(|node| node.blocks.len()).sum()
    }

    /// The same routes as lines of `ip -batch`.
    pub(crate) fn batch(&self) -> String {
        let line = |cidr: &Prefix, via: &IpAddr| {
            format!("route add {cidr} via {via} dev {UPLINK} proto 201 metric 12\n")
        };
        let others = self.topology.nodes().skip(1);
        others
            .flat_map(|node| node.blocks.iter().zip(&node.internal_ips))
            .map(|(cidr, via)| line(cidr, via))
            .collect()
    }

    /// Whether the kernel has these routes and no other of their protocol.
    pub(crate) fn check(&self) -> Result<()> {
        let mut socket = Socket::open(KERNEL)?;
        let want = self.routes(&mut socket)?;
        let mut have = socket.routes(TABLE_MAIN)?;
        have.retain(|route| route.protocol == Owner::Direct.protocol());
        let wrong = have
            .iter()
            .find(|route| want.get(&route.key) != Some(route));
        ensure!(wrong.is_none(), "a route nobody wants: {wrong:?}");
        ensure!(
            have.len() == want.len(),
            "{} routes instead of {}",
            have.len(),
            want.len()
        );
        Ok(())
    }
}

fn node(zone: &ZonePlan, number: u16) -> Result<BoxPlan> {
    let name = format!("n{number}");
    let index = u128::from(number);
    let nets = zone.node_cidrs.iter();
    let internal_ips: Option<Vec<IpAddr>> = nets.map(|net| net.nth_address(index + 1)).collect();
    let pools = zone.pod_cidrs.iter();
    let blocks: Option<Vec<Prefix>> = pools
        .map(|pool| pool.nth(block_length(pool.family()), index))
        .collect();
    let full = "the zone has no room for so many nodes";
    Ok(BoxPlan {
        role: Role::Node(NodePlan {
            name: name.parse()?,
            zone: zone.name.clone(),
            duty: Duty::Worker,
            uid: format!("67696e67-0000-4000-8000-{number:012}"),
            internal_ips: internal_ips.context(full)?,
            blocks: blocks.context(full)?,
        }),
        name,
        addresses: Vec::new(),
        routes: Vec::new(),
    })
}

fn node_net(family: Family) -> &'static str {
    match family {
        Family::V4 => "172.16.0.0/16",
        Family::V6 => "fd00:1::/64",
    }
}

fn pool(family: Family) -> &'static str {
    match family {
        Family::V4 => "10.0.0.0/8",
        Family::V6 => "fd00:100::/48",
    }
}

fn block_length(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}

/// Runs `ip` in the calling thread's namespace.
pub(crate) fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip")
        .args(line.split_whitespace())
        .output()
        .context("starting ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {line}: {}", said.trim());
    Ok(())
}
