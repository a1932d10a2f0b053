//! Nodes that come, go and move while the lab stands. Each verb does to the lab what an operator does:
//! cables, addresses, and the node's own objects; nothing of any other box is touched.

use super::Lab;
use crate::cluster;
use crate::eventually;
use crate::lab_box::Starting;
use crate::node::Node;
use crate::topology::{Place, Port, UPLINK};
use crate::wiring::{self, Batch};
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;

/// How long the end of a cable may outlive a box.
const CABLE: Duration = Duration::from_secs(20);

impl Lab {
    /// Adds a worker: its box, its cable to the zone's switch, its Node and Block objects. Its agent
    /// is not started.
    ///
    /// # Errors
    /// As [`Topology::add_worker`](crate::Topology::add_worker), or a step the kernel refused.
    pub fn add_worker(&mut self, place: Place, suffix: &str) -> Result<Node> {
        let plan = self.topology.add_worker(place, suffix)?;
        let tools = super::tools(&self.binaries, self.files.path());
        let (started, lifeline) = Starting::start(&self.init_spec(&plan), &tools)?.finish()?;
        self.boxes.insert(plan.name.clone(), started);
        self.lifelines.push(lifeline);
        let port = self.port_of(&plan.name)?;
        let cable = wiring::cable((port, UPLINK), self.at(&plan.name)?.init().pid);
        self.run(&port.on, vec![cable])?;
        self.run(&port.on, self.plugged(port)?)?;
        self.run(&plan.name, wiring::settings(&self.topology, &plan))?;
        let node = self.node(&plan.name)?;
        if self.binaries.gingham.is_some() {
            node.equip()?;
        }
        self.register(node.name())?;
        self.objects.connect(node.host(), node.plan())?;
        self.settle()?;
        self.node(node.name())
    }

    /// Starts a box again whose power plug was pulled ([`LabBox::kill`](crate::LabBox::kill)): new
    /// namespaces, its cable, its addresses.
    ///
    /// # Errors
    /// No such box, it stands, or a step the kernel refused.
    pub fn power_on(&mut self, name: &str) -> Result<()> {
        let plans = &mut self.topology.boxes.iter();
        let plan = plans.find(|plan| plan.name == name).cloned();
        let plan = plan.with_context(|| format!("no box {name:?}"))?;
        if self.at(name)?.alive() {
            bail!("{name}: it has not been powered off");
        }
        let tools = super::tools(&self.binaries, self.files.path());
        let (started, lifeline) = Starting::start(&self.init_spec(&plan), &tools)?.finish()?;
        self.boxes.insert(name.to_owned(), started);
        self.lifelines.push(lifeline);
        let port = self.port_of(name)?.clone();
        // The kernel takes the old cable away some time after the box.
        eventually(&format!("the end of the cable of {name}"), CABLE, || {
            let links = self.at(&port.on)?.exec(&["ip", "-o", "link"])?;
            ensure!(
                !links.contains(&format!(" {}@", port.interface)),
                "it is there"
            );
            Ok(())
        })?;
        let cable = wiring::cable((&port, UPLINK), self.at(name)?.init().pid);
        self.run(&port.on, vec![cable])?;
        self.run(&port.on, self.plugged(&port)?)?;
        self.run(name, wiring::settings(&self.topology, &plan))?;
        self.settle()
    }

    /// Removes a node for good: the power plug, then its Node and Block objects.
    ///
    /// # Errors
    /// No such node, or one of these does not go.
    pub fn remove_node(&mut self, name: &str) -> Result<()> {
        let node = self.node(name)?;
        let blocks = cluster::blocks_of(&self.topology, node.plan())?;
        node.host().kill()?;
        self.remove("nodes", name)?;
        for block in blocks {
            self.remove(block.folder, &block.name)?;
        }
        self.topology.remove(name)?;
        self.boxes.remove(name);
        self.settle()
    }

    /// Moves a node that runs: its cable goes to another zone's switch, it gets addresses there, and
    /// its Node object says so. The Block objects are left to its agent.
    ///
    /// # Errors
    /// As [`Topology::relocate`](crate::Topology::relocate), or a step the kernel refused.
    pub fn move_node(&mut self, name: &str, place: Place) -> Result<()> {
        let old = self.port_of(name)?.clone();
        let plan = self.topology.relocate(name, place)?;
        let new = self.port_of(name)?.clone();
        // Its own end of the cable stays as it is, down to the hardware address.
        let there = self.at(&new.on)?.init().pid;
        let out = vec![format!("link set dev {} netns {there}", old.interface)];
        self.run(&old.on, out)?;
        self.run(&new.on, self.plugged(&new)?)?;
        let mut lines = vec![
            format!("link set dev {UPLINK} down"),
            format!("address flush dev {UPLINK}"),
        ];
        lines.extend(wiring::restored(&plan, UPLINK));
        self.run(name, lines)?;
        let object = cluster::node_object(self.node(name)?.plan());
        self.put(&object.body)?;
        self.settle()
    }

    /// The port of the switch in which the cable of a node ends.
    fn port_of(&self, name: &str) -> Result<&Port> {
        let mut links = self.topology.links.iter();
        let link = links.find(|link| link.b.on == name);
        Ok(&link.with_context(|| format!("{name}: no cable"))?.a)
    }

    fn plugged(&self, port: &Port) -> Result<Vec<String>> {
        let mut boxes = self.topology.boxes.iter();
        let plan = boxes.find(|plan| plan.name == port.on);
        let plan = plan.with_context(|| format!("no box {}", port.on))?;
        Ok(wiring::plugged(plan, &port.interface))
    }

    fn run(&self, on: &str, lines: Vec<String>) -> Result<()> {
        let batch = Batch {
            on: on.to_owned(),
            lines,
        };
        wiring::run(&batch, self.at(on)?.init())
    }
}
