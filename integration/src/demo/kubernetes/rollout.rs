//! Every agent replaced under traffic, by `kubectl rollout restart`.

use super::super::flows::{self, Counts};
use super::cast::Cast;
use super::{PATIENCE, WORKER};
use anyhow::{Result, ensure};
use gingham_integration::fleet::FleetPod;
use gingham_integration::fleet::chart::{AGENTS, NAMESPACE};
use gingham_integration::{Fleet, RouteMonitor, Traffic};
use gingham_model::Family;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long traffic flows before and after.
const PHASE: Duration = Duration::from_secs(3);

/// Traffic between two pods, in both families.
type Flow = (String, Vec<(Family, Traffic)>);

/// What was observed.
pub(super) struct Restart {
    counts: Vec<(String, Counts)>,
    took: Duration,
    /// The agents of each node: the old one and the new one.
    agents: Vec<(String, String)>,
    /// What happened to the worker's routes meanwhile.
    monitor: Vec<String>,
}

/// Traffic without any event.
pub(super) fn control(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let flows = start(fleet, cast)?;
    sleep(PHASE);
    lossless(&stop(flows)?)
}

/// Both DaemonSets restarted while traffic flows.
pub(super) fn restarted(fleet: &Fleet, cast: &Cast) -> Result<Restart> {
    let before = agents(fleet)?;
    let flows = start(fleet, cast)?;
    let monitor = RouteMonitor::start(fleet.node(WORKER)?)?;
    sleep(PHASE);
    let began = Instant::now();
    for agents in AGENTS {
        let restart = ["-n", NAMESPACE, "rollout", "restart", agents];
        fleet.kubectl(&restart).text()?;
    }
    fleet.wait_agents(PATIENCE)?;
    let took = began.elapsed();
    sleep(PHASE);
    let monitor = monitor.seen()?;
    Ok(Restart {
        counts: stop(flows)?,
        took,
        agents: before.into_iter().zip(agents(fleet)?).collect(),
        monitor,
    })
}

impl Restart {
    /// Whether every agent is another one, and every packet arrived.
    pub(super) fn traffic(&self) -> Result<String> {
        let kept = self.agents.iter().find(|(old, new)| old == new);
        ensure!(kept.is_none(), "not replaced: {kept:?}");
        let agents = self
            .agents
            .iter()
            .map(|(old, new)| format!("{old} -> {new}"));
        Ok(format!(
            "{}\n{} agents replaced within {:.1} s: {}",
            lossless(&self.counts)?,
            self.agents.len(),
            self.took.as_secs_f64(),
            agents.collect::<Vec<_>>().join(", ")
        ))
    }

    /// Whether the kernel tells of no changed route.
    pub(super) fn silence(&self) -> Result<String> {
        let seen = &self.monitor;
        ensure!(
            seen.is_empty(),
            "`ip monitor route` saw\n{}",
            seen.join("\n")
        );
        Ok(format!("`ip monitor route` on {WORKER} stayed silent"))
    }
}

fn agents(fleet: &Fleet) -> Result<Vec<String>> {
    fleet.nodes().map(|node| fleet.agent(node)).collect()
}

/// In the zone, and between zones both ways.
fn start(fleet: &Fleet, cast: &Cast) -> Result<Vec<Flow>> {
    let Cast { asking, near, far } = cast;
    let start = |(from, to): (&FleetPod, &FleetPod)| -> Result<Flow> {
        let ends = (fleet.endpoint(from)?, fleet.endpoint(to)?);
        Ok((format!("{} to {}", from.name, to.name), flows::start(ends)?))
    };
    let pairs = [(asking, near), (asking, far), (far, asking)];
    pairs.into_iter().map(start).collect()
}

fn stop(flows: Vec<Flow>) -> Result<Vec<(String, Counts)>> {
    let stop = |(what, flow)| Ok((what, flows::stop(flow)?));
    flows.into_iter().map(stop).collect()
}

fn lossless(counts: &[(String, Counts)]) -> Result<String> {
    let mut lines = Vec::new();
    for (what, counts) in counts {
        let each = flows::lossless(counts)?;
        lines.extend(each.lines().map(|line| format!("{what}, {line}")));
    }
    Ok(lines.join("\n"))
}
