//! An agent killed and restarted under traffic.

use crate::standing::READY_DEADLINE;
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::{Count, Flow, Pod, RouteMonitor, Traffic};
use gingham_model::Family;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Packets a second, in each family.
const RATE: u32 = 1000;
/// How long each phase lasts.
const PHASE: Duration = Duration::from_secs(1);

/// What was observed.
pub(super) struct Restart {
    counts: Vec<(Family, Count)>,
    dead: Duration,
    /// What the monitor printed while the new agent came up.
    monitor: Vec<String>,
    /// The new agent's own words.
    status: Value,
}

/// Traffic for as long as the real run takes, without any event.
pub(super) fn control(from: &Pod, to: &Pod) -> Result<String> {
    let flows = start(from, to)?;
    sleep(3 * PHASE);
    lossless(&stop(flows)?)
}

/// The agent of the sender's node is killed, is missing for a while, and is started again.
pub(super) fn killed_and_restarted(from: &Pod, to: &Pod) -> Result<Restart> {
    let node = from.node();
    let flows = start(from, to)?;
    sleep(PHASE);
    let killed = Instant::now();
    node.stop_agent(Signal::SIGKILL)?;
    let monitor = RouteMonitor::start(node.host())?;
    sleep(PHASE);
    node.start_agent()?;
    node.wait_ready(READY_DEADLINE)?;
    let dead = killed.elapsed();
    sleep(PHASE);
    let counts = stop(flows)?;
    Ok(Restart {
        counts,
        dead,
        monitor: monitor.seen()?,
        status: node.agent_status()?,
    })
}

impl Restart {
    /// Whether every packet arrived.
    pub(super) fn traffic(&self) -> Result<String> {
        let counts = lossless(&self.counts)?;
        Ok(format!(
            "{counts}\nno agent ready for {:.1} s",
            self.dead.as_secs_f64()
        ))
    }

    /// Whether neither the kernel nor the agent tells of a changed route.
    pub(super) fn silence(&self) -> Result<String> {
        ensure!(
            self.monitor.is_empty(),
            "`ip monitor route` saw\n{}",
            self.monitor.join("\n")
        );
        let round = &self.status["round"];
        let number = |field: &str| {
            round[field]
                .as_u64()
                .with_context(|| format!("round {round}"))
        };
        let (applied, failed) = (number("appliedSinceStart")?, number("failed")?);
        ensure!((applied, failed) == (0, 0), "the agent's rounds: {round}");
        Ok(format!(
            "`ip monitor route` stayed silent; the agent's {} rounds since start: {applied} applied, \
             {failed} failed",
            number("number")?
        ))
    }
}

fn start(from: &Pod, to: &Pod) -> Result<Vec<(Family, Traffic)>> {
    let flow = |family| Traffic::start(from, to, Flow { family, rate: RATE });
    Family::ALL
        .into_iter()
        .map(|family| Ok((family, flow(family)?)))
        .collect()
}

fn stop(flows: Vec<(Family, Traffic)>) -> Result<Vec<(Family, Count)>> {
    flows
        .into_iter()
        .map(|(family, traffic)| Ok((family, traffic.stop()?)))
        .collect()
}

fn lossless(counts: &[(Family, Count)]) -> Result<String> {
    let lines = counts.iter().map(|(family, count)| {
        format!(
            "{family}: {} sent, {} received, {} lost, longest gap {:.1} ms",
            count.sent.sent,
            count.received.received,
            count.lost(),
            Duration::from_micros(count.received.longest_gap_micros).as_secs_f64() * 1000.0
        )
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let complete = |count: &Count| count.lost() == 0 && count.sent.sent > 0;
    if !counts.iter().all(|(_, count)| complete(count)) {
        bail!("{lines}");
    }
    Ok(lines)
}
