//! The kernel's routing tables of a lab: what they should be, and what they are.
//!
//! Both come as lines of one form, `PREFIX via A, B` or `unreachable PREFIX`, in the order of the
//! prefixes, so that they can be compared to the letter. Connected routes and those of pods are left out: they have no
//! next hop.

use crate::lab_box::LabBox;
use crate::topology::{BoxPlan, Duty, NodePlan, RouterPlan, StaticRoute, Topology, ZonePlan};
use crate::{Lab, eventually};
use anyhow::{Context, Result, ensure};
use gingham_model::{Aggregate, Family, Prefix};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// The lines of each box, by its name.
pub type Tables = BTreeMap<String, Vec<String>>;

/// The routes of one box; without next hops: unreachable.
type Table = BTreeMap<Prefix, BTreeSet<IpAddr>>;

/// The tables that a lab has once it has settled, by box. A switch has none.
///
/// - A zone lets out its node subnets and, with `aggregate: Zone`, its pool instead of its blocks. A
///   block of another zone's pool always leaves.
/// - The backbone has what the zones let out, via their cores.
/// - A core has the blocks of its zone via their nodes, the aggregate of its zone via the reflectors, what other
///   zones let out and the client LAN via the backbone; without a session there, via the zone's other
///   cores.
/// - A node has the blocks of its zone via their nodes, what comes from outside via the cores that
///   lead there, and sinks for its own blocks; a reflector also one for the aggregate it announces.
/// - Static routes are where they were put.
pub fn expected(topology: &Topology) -> Tables {
    let boxes = topology.boxes.iter();
    let boxes = boxes.filter(|plan| !plan.addresses.is_empty());
    boxes
        .map(|plan| (plan.name.clone(), lines(expected_at(topology, plan))))
        .collect()
}

/// The tables of all but the nodes while no agent runs: of a zone only its node subnets are known.
pub fn expected_without_agents(topology: &Topology) -> Tables {
    let mut bare = topology.clone();
    bare.boxes.retain(|plan| plan.node().is_none());
    for zone in &mut bare.zones {
        zone.aggregate = Aggregate::None;
    }
    expected(&bare)
}

/// Waits until the boxes have these tables, one after the other.
///
/// # Errors
/// One has not within `deadline`; names the lines that are missing there, and those nobody wants.
pub fn wait_for(lab: &Lab, wanted: &Tables, deadline: Duration) -> Result<()> {
    wanted.iter().try_for_each(|(name, wanted)| {
        eventually(&format!("{name}: its tables"), deadline, || {
            compare(&seen(lab.at(name)?)?, wanted)
        })
    })
}

/// Whether the lines are the same.
///
/// # Errors
/// Says what is missing and what nobody wants.
pub fn compare(seen: &[String], wanted: &[String]) -> Result<()> {
    let without = |all: &[String], others: &[String]| -> Vec<String> {
        let left = all.iter().filter(|line| !others.contains(line));
        left.cloned().collect()
    };
    let (missing, strange) = (without(wanted, seen), without(seen, wanted));
    let missing = missing.iter().map(|line| format!("missing: {line}"));
    let strange = strange.iter().map(|line| format!("unexpected: {line}"));
    let wrong: Vec<String> = missing.chain(strange).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The same line twice: two routes to one prefix.
    ensure!(seen == wanted, "{seen:#?} instead of {wanted:#?}");
    Ok(())
}

fn expected_at(topology: &Topology, plan: &BoxPlan) -> Table {
    let mut table = Table::new();
    for StaticRoute { prefix, via } in &plan.routes {
        learn(&mut table, *prefix, via);
    }
    match (plan.router(), plan.node(), topology.zone_of(plan)) {
        (Some(router), _, Some(zone)) => core(&mut table, topology, (router, zone)),
        (Some(router), _, None) => backbone(&mut table, topology, router),
        (_, Some(own), Some(zone)) => node(&mut table, topology, (own, zone)),
        _ => {}
    }
    table
}

fn backbone(table: &mut Table, topology: &Topology, router: &RouterPlan) {
    for zone in &topology.zones {
        let cores = router
            .external()
            .filter(|peer| peer.as_number == zone.as_number);
        let cores: Vec<IpAddr> = cores.map(|peer| peer.address).collect();
        for prefix in leaving(topology, zone) {
            learn(table, prefix, &cores);
        }
    }
}

fn core(table: &mut Table, topology: &Topology, (router, zone): (&RouterPlan, &ZonePlan)) {
    let uplinks: Vec<IpAddr> = router.external().map(|peer| peer.address).collect();
    let ways_out = match uplinks.as_slice() {
        [] => exits(topology, zone),
        _ => uplinks,
    };
    for prefix in from_outside(topology, zone) {
        learn(table, prefix, &ways_out);
    }
    let reflectors = topology
        .nodes_of(zone)
        .filter(|node| node.duty == Duty::Master);
    let reflectors: Vec<IpAddr> = reflectors
        .flat_map(|node| node.internal_ips.clone())
        .collect();
    for prefix in aggregates(zone) {
        learn(table, *prefix, &reflectors);
    }
    for node in topology.nodes_of(zone) {
        for block in &node.blocks {
            learn(table, *block, &node.internal_ips);
        }
    }
}

fn node(table: &mut Table, topology: &Topology, (own, zone): (&NodePlan, &ZonePlan)) {
    let exits = exits(topology, zone);
    for prefix in from_outside(topology, zone) {
        learn(table, prefix, &exits);
    }
    for node in topology.nodes_of(zone).filter(|node| node.name != own.name) {
        for block in &node.blocks {
            learn(table, *block, &node.internal_ips);
        }
    }
    let announced = match own.duty {
        Duty::Master => aggregates(zone),
        Duty::Worker | Duty::Ingress => &[],
    };
    for sink in own.blocks.iter().chain(announced) {
        table.insert(*sink, BTreeSet::new());
    }
}

/// The addresses in its zone of the cores that lead out of it.
fn exits(topology: &Topology, zone: &ZonePlan) -> Vec<IpAddr> {
    let exits = topology.exits(zone);
    exits.flat_map(|core| zone.addresses_of(core)).collect()
}

/// Everything that a zone can learn: what the other zones let out, and what the backbone announces.
fn from_outside(topology: &Topology, zone: &ZonePlan) -> BTreeSet<Prefix> {
    let others = topology
        .zones
        .iter()
        .filter(|other| other.name != zone.name);
    let backbone = topology.backbone();
    others
        .flat_map(|other| leaving(topology, other))
        .chain(backbone.flat_map(|(_, router)| router.originates.clone()))
        .collect()
}

/// What a zone lets out.
fn leaving(topology: &Topology, zone: &ZonePlan) -> Vec<Prefix> {
    let aggregates = aggregates(zone);
    let blocks = topology.nodes_of(zone).flat_map(|node| node.blocks.clone());
    let blocks = blocks.filter(|block| !aggregates.iter().any(|all| all.covers(*block)));
    // Without a core that leads out, nothing leaves.
    match topology.exits(zone).find_map(BoxPlan::router) {
        None => Vec::new(),
        Some(core) => core
            .originates
            .iter()
            .chain(aggregates)
            .copied()
            .chain(blocks)
            .collect(),
    }
}

/// What the reflectors of a zone announce for all its nodes.
fn aggregates(zone: &ZonePlan) -> &[Prefix] {
    match zone.aggregate {
        Aggregate::Zone => &zone.pod_cidrs,
        Aggregate::None => &[],
    }
}

/// Adds a route via those of `via` that are of its family, if any.
fn learn(table: &mut Table, prefix: Prefix, via: &[IpAddr]) {
    let family = prefix.family();
    let via: BTreeSet<IpAddr> = via
        .iter()
        .copied()
        .filter(|hop| Family::of(*hop) == family)
        .collect();
    if !via.is_empty() {
        table.insert(prefix, via);
    }
}

/// The main tables of a box, both families, in the same words.
///
/// # Errors
/// `ip` fails, or says something unknown.
pub fn seen(on: &LabBox) -> Result<Vec<String>> {
    let mut routes = Vec::new();
    for (option, family) in [("-4", Family::V4), ("-6", Family::V6)] {
        let shown = on.exec(&["ip", "-json", option, "route"])?;
        let what = || format!("{}: `ip -json {option} route`: {shown}", on.name());
        let shown: Vec<Shown> = serde_json::from_str(&shown).with_context(what)?;
        for route in shown {
            routes.extend(route.read(family).with_context(what)?);
        }
    }
    routes.sort();
    Ok(lines(routes))
}

/// A route as `ip -json route` shows it.
#[derive(Deserialize)]
struct Shown {
    dst: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    gateway: Option<IpAddr>,
    #[serde(default)]
    nexthops: Vec<ShownHop>,
}

#[derive(Deserialize)]
struct ShownHop {
    gateway: Option<IpAddr>,
}

impl Shown {
    /// `None` for one without a next hop.
    fn read(self, family: Family) -> Result<Option<(Prefix, BTreeSet<IpAddr>)>> {
        let prefix = match self.dst.as_str() {
            "default" => Prefix::default_of(family),
            text if text.contains('/') => text.parse()?,
            text => Prefix::host(
                text.parse()
                    .with_context(|| format!("destination {text:?}"))?,
            ),
        };
        let hops = self
            .nexthops
            .into_iter()
            .map(|hop| hop.gateway)
            .chain([self.gateway]);
        let hops: BTreeSet<IpAddr> = hops.flatten().collect();
        let sink = self.kind.is_some_and(|kind| kind == "unreachable");
        Ok((sink || !hops.is_empty()).then_some((prefix, hops)))
    }
}

fn lines(routes: impl IntoIterator<Item = (Prefix, BTreeSet<IpAddr>)>) -> Vec<String> {
    routes
        .into_iter()
        .map(|(prefix, via)| line(prefix, &via))
        .collect()
}

fn line(prefix: Prefix, via: &BTreeSet<IpAddr>) -> String {
    let destination = match prefix.length() {
        0 => "default".to_owned(),
        _ => prefix.to_string(),
    };
    if via.is_empty() {
        return format!("unreachable {destination}");
    }
    let via: Vec<String> = via.iter().map(ToString::to_string).collect();
    format!("{destination} via {}", via.join(", "))
}

#[cfg(test)]
mod tests;
