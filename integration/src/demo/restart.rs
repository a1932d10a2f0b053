//! An agent killed and restarted under traffic.

use super::flows::{self, Counts};
use crate::standing::READY_DEADLINE;
use anyhow::{Context, Result, ensure};
use gingham_integration::{Node, Pod, RouteMonitor};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long each phase lasts.
const PHASE: Duration = Duration::from_secs(1);

/// What was observed.
pub(super) struct Restart {
    counts: Counts,
    dead: Duration,
    /// What the monitor printed while the new agent came up.
    monitor: Vec<String>,
    /// The new agent's own words.
    status: Value,
}

/// Traffic for as long as the real run takes, without any event.
pub(super) fn control(ends: (&Pod, &Pod)) -> Result<String> {
    let traffic = flows::start(ends)?;
    sleep(3 * PHASE);
    flows::lossless(&flows::stop(traffic)?)
}

/// The agent of `node` is killed, is missing for a while, and is started again.
pub(super) fn killed_and_restarted(ends: (&Pod, &Pod), node: &Node) -> Result<Restart> {
    let traffic = flows::start(ends)?;
    sleep(PHASE);
    let killed = Instant::now();
    node.stop_agent(Signal::SIGKILL)?;
    let monitor = RouteMonitor::start(node.host())?;
    sleep(PHASE);
    node.start_agent()?;
    node.wait_ready(READY_DEADLINE)?;
    let dead = killed.elapsed();
    sleep(PHASE);
    let counts = flows::stop(traffic)?;
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
        let counts = flows::lossless(&self.counts)?;
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
