//! `lab demo`: the story of a pod network over zones, told on a lab of its own.
//!
//! The lab is scoped: it goes when the story ends, and as well when it fails, panics, or is
//! interrupted, since its boxes end with this process.

mod capture;
mod damage;
mod failover;
mod flows;
pub(crate) mod kubernetes;
mod outside;
mod path;
mod pods;
mod record;
mod restart;
mod settle;

use crate::map;
use crate::standing::{start_agents, start_routers};
use anyhow::{Context, Result, ensure};
use gingham_integration::topology::{self, Cores, Zones};
use gingham_integration::{Binaries, Lab, Lifetime, Node, Plan, Pod, Progress, Store};
use record::Record;
use std::process::ExitCode;
use std::time::Instant;

/// Tells the story. Exit code 1 when a check failed.
pub(crate) fn run() -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let lab = Lab::up(Plan {
        topology: topology::reference(Zones::Three, Cores::One)?,
        binaries: Binaries::locate()?,
        store: Store::Directory,
        lifetime: Lifetime::Scoped,
        progress,
    })?;
    let mut story = Story {
        lab: &lab,
        record: Record::new(progress),
    };
    let told = story.tell();
    let mut record = story.record;
    let map = told.unwrap_or_else(|error| {
        record.check("the story comes to its end", Err(error));
        map::draw(lab.topology(), &[])
    });
    record.check("the lab leaves nothing behind", take_down(lab));
    record.show(&map)
}

fn take_down(lab: Lab) -> Result<String> {
    let boxes = lab.boxes().count();
    lab.down()?;
    Ok(format!(
        "{boxes} boxes ended with all their processes, links and mounts"
    ))
}

struct Story<'a> {
    lab: &'a Lab,
    record: Record,
}

impl Story<'_> {
    /// The chapters. An error is one that leaves nothing to tell.
    fn tell(&mut self) -> Result<String> {
        let nodes = self.lab.nodes();
        self.start(&nodes)?;
        let pods = pods::add(&nodes)?;
        self.check(
            "every pod has addresses of its node's blocks",
            pods::in_blocks(&pods),
        );
        let map = map::draw(self.lab.topology(), &pods);
        let cast = Cast::of(&pods)?;
        self.reach(&pods, &cast)?;
        self.check(
            "what a foreign hand breaks is whole again",
            damage::repaired(cast.near),
        );
        self.restart(&cast)?;
        self.check(
            "when a core loses an uplink the other one carries on",
            failover::of_an_uplink(self.lab, (cast.near, cast.far)),
        );
        let gone = pods::delete(&pods).and_then(|()| pods::nothing_left(&nodes));
        self.check("deleted pods leave nothing but resting addresses", gone);
        Ok(map)
    }

    fn start(&mut self, nodes: &[Node]) -> Result<()> {
        let start = Instant::now();
        start_routers(self.lab, self.record.progress())?;
        start_agents(nodes, self.record.progress())?;
        let seconds = start.elapsed().as_secs_f64();
        let evidence = format!("{} agents after {seconds:.1} s", nodes.len());
        self.check("every agent says ready", Ok(evidence));
        self.check(
            "every session of every router is established",
            settle::sessions(self.lab),
        );
        self.check(
            "every box has the routes it should have and no others",
            settle::tables(self.lab),
        );
        self.check(
            "a node routes to its zone's blocks directly, to other zones by its core",
            self.lab.node("z1w1").and_then(|node| routes(&node)),
        );
        Ok(())
    }

    fn reach(&mut self, pods: &[Pod], cast: &Cast<'_>) -> Result<()> {
        let Cast { near, far, .. } = *cast;
        self.check(
            "pods of one node reach each other",
            pods::reach(&[(near, cast.same_node)]),
        );
        self.check(
            "pods of one zone reach each other",
            pods::reach(&[(near, cast.neighbour)]),
        );
        self.check(
            "pods of all zones reach each other",
            pods::reach(&pods::across_zones(pods)),
        );
        self.check(
            "between zones the way leads over both cores and the backbone",
            path::between_zones(self.lab.topology(), near, far),
        );
        self.check(
            "between zones the wire carries the pods' own packets",
            capture::pod_addresses_on_the_wire(self.lab.at("c1")?, near, far),
        );
        let client = self.lab.at("cl")?;
        self.check(
            "a client outside the cluster reaches a pod",
            outside::reaches(client, near),
        );
        self.check(
            "outside the cluster a pod is seen as its node",
            outside::masqueraded(near, client),
        );
        Ok(())
    }

    fn restart(&mut self, cast: &Cast<'_>) -> Result<()> {
        let ends = (cast.near, cast.far);
        self.record.say("traffic without any event, as a control");
        self.check("undisturbed traffic loses nothing", restart::control(ends));
        let reflector = self.lab.node("z1m1")?;
        for (whose, node) in [
            ("a worker's", cast.near.node()),
            ("a reflector's", &reflector),
        ] {
            self.record.say(&format!(
                "kill -9 of {whose} agent under traffic between zones, then a new one"
            ));
            match restart::killed_and_restarted(ends, node) {
                Ok(restart) => {
                    self.check(
                        &format!("{whose} agent killed and restarted loses no packet"),
                        restart.traffic(),
                    );
                    self.check(
                        &format!("{whose} new agent writes no route"),
                        restart.silence(),
                    );
                }
                Err(error) => self.check(&format!("{whose} agent can be restarted"), Err(error)),
            }
        }
        Ok(())
    }

    fn check(&mut self, name: &str, outcome: Result<String>) {
        self.record.check(name, outcome);
    }
}

/// The pods with a part of their own.
struct Cast<'a> {
    near: &'a Pod,
    same_node: &'a Pod,
    neighbour: &'a Pod,
    /// In another zone.
    far: &'a Pod,
}

impl<'a> Cast<'a> {
    fn of(pods: &'a [Pod]) -> Result<Self> {
        let find = |name: &str| {
            let found = pods.iter().find(|pod| pod.name() == name);
            found.with_context(|| format!("no pod {name}"))
        };
        Ok(Cast {
            near: find("z1w1-a")?,
            same_node: find("z1w1-b")?,
            neighbour: find("z1w2-a")?,
            far: find("z2w1-a")?,
        })
    }
}

/// The routes of z1w1 to its neighbour's block and to another zone's, as the kernel looks them up.
fn routes(node: &Node) -> Result<String> {
    let wanted = [
        ("10.101.22.2", "via 10.1.0.22 dev eth0"),
        ("fd00:101:0:22::2", "via fd00:1::22 dev eth0"),
        ("10.102.22.2", "via 10.1.0.1 dev eth0"),
        ("fd00:102:0:22::2", "via fd00:1::1 dev eth0"),
    ];
    let mut lines = Vec::new();
    for (address, way) in wanted {
        let found = node.exec(&["ip", "-o", "route", "get", address])?;
        ensure!(
            found.contains(way),
            "{address}: wanted {way}, found {found}"
        );
        lines.push(format!("{}: {address} {way}", node.name()));
    }
    Ok(lines.join("\n"))
}
