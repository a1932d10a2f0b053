//! Every agent replaced under traffic, by `kubectl rollout restart`.

use super::super::flows::{self, Counts};
use super::cast::Cast;
use super::{PATIENCE, WORKER};
use anyhow::{Context, Result, ensure};
use gingham_integration::fleet::FleetPod;
use gingham_integration::fleet::chart::{AGENTS, NAMESPACE};
use gingham_integration::{Fleet, RouteMonitor};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long traffic flows before and after.
const PHASE: Duration = Duration::from_secs(3);

/// Packets a second, in each family of each flow: six in all, each of which crosses up to ten links.
const RATE: u32 = 200;
/// The kernel's queues, a line a processor; the second column is what they had no room for.
const QUEUES: &str = "/proc/net/softnet_stat";

/// Traffic between two pods, in both families.
type Flow = (String, flows::Flows);

/// What the flows counted, and what the machine's own queues dropped meanwhile, of whomever.
struct Counted {
    flows: Vec<(String, Counts)>,
    dropped: u64,
}

/// What was observed.
pub(super) struct Restart {
    counted: Counted,
    took: Duration,
    /// The agents of each node: the old one and the new one.
    agents: Vec<(String, String)>,
    /// What happened to the worker's routes meanwhile.
    monitor: Vec<String>,
}

/// Traffic without any event.
pub(super) fn control(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let flows = Running::start(fleet, cast)?;
    sleep(PHASE);
    flows.stop()?.lossless()
}

/// Both DaemonSets restarted while traffic flows.
pub(super) fn restarted(fleet: &Fleet, cast: &Cast) -> Result<Restart> {
    let before = agents(fleet)?;
    let flows = Running::start(fleet, cast)?;
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
        counted: flows.stop()?,
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
            self.counted.lossless()?,
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

/// Traffic that flows.
struct Running {
    flows: Vec<Flow>,
    dropped_before: u64,
}

impl Running {
    /// In the zone, and between zones both ways.
    fn start(fleet: &Fleet, cast: &Cast) -> Result<Self> {
        let Cast { asking, near, far } = cast;
        let start = |(from, to): (&FleetPod, &FleetPod)| -> Result<Flow> {
            let ends = (fleet.endpoint(from)?, fleet.endpoint(to)?);
            let what = format!("{} to {}", from.name, to.name);
            Ok((what, flows::start_at(RATE, ends)?))
        };
        let dropped_before = dropped()?;
        let pairs = [(asking, near), (asking, far), (far, asking)];
        Ok(Running {
            flows: pairs.into_iter().map(start).collect::<Result<_>>()?,
            dropped_before,
        })
    }

    fn stop(self) -> Result<Counted> {
        let stop = |(what, flow)| Ok((what, flows::stop(flow)?));
        Ok(Counted {
            flows: self.flows.into_iter().map(stop).collect::<Result<_>>()?,
            dropped: dropped()?.saturating_sub(self.dropped_before),
        })
    }
}

impl Counted {
    /// All counts, if every packet arrived.
    fn lossless(&self) -> Result<String> {
        let each = self.flows.iter().flat_map(|(what, counts)| {
            let words = flows::words(counts);
            let lines = words.lines().map(|line| format!("{what}, {line}"));
            lines.collect::<Vec<_>>()
        });
        let lines = each.collect::<Vec<_>>().join("\n");
        let complete = self.flows.iter().all(|(_, counts)| flows::complete(counts));
        // A machine that is too slow for its own packets says nothing of the network, and is known by this.
        let dropped = self.dropped;
        ensure!(
            complete,
            "{lines}\nthe machine's own queues dropped {dropped}"
        );
        Ok(lines)
    }
}

/// What the queues of all processors have had no room for.
fn dropped() -> Result<u64> {
    let text = fs::read_to_string(QUEUES).context(QUEUES)?;
    let of = |line: &str| {
        let column = line.split_whitespace().nth(1);
        let column = column.with_context(|| format!("{QUEUES}: {line}"))?;
        u64::from_str_radix(column, 16).with_context(|| format!("{QUEUES}: {line}"))
    };
    text.lines().map(of).sum()
}
