//! Kubelets of all Nodes renew what they say, and nothing else happens.

use crate::Taken;
use crate::agent::Agent;
use crate::metric::Metric;
use crate::plan::{self, Plan};
use crate::requests::Mark;
use crate::start::kilobytes;
use crate::world::World;
use anyhow::{Result, ensure};
use gingham_integration::bench::{Sample, say};
use serde_json::json;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Agents that have just become ready may still have something to say.
const CALM: Duration = Duration::from_secs(20);
/// The step from one Node to the next: coprime to their number, so that all zones have their turn.
const STRIDE: usize = 7;

pub(crate) fn run(
    world: &World,
    plan: &Plan,
    agents: [&Agent<'_>; 2],
    (rate, span): (u32, Duration),
    taken: &mut Taken,
) -> Result<()> {
    say(&format!("heartbeats for {} s", span.as_secs_f64()));
    sleep(CALM);
    let mark = Mark::now(&world.api)?;
    let before = agents.map(|agent| (agent.cpu(), agent.stand().relay.carried().1));
    let (start, names) = (Instant::now(), plan.names());
    let mut beats = 0;
    while start.elapsed() < span {
        let name = &names[(beats as usize * STRIDE) % names.len()];
        let now = format!("2026-01-01T00:{:02}:{:02}Z", beats / 60 % 60, beats % 60);
        let status = json!({"conditions": plan::conditions(&now)});
        world.api.patch_status("Node", name, status)?;
        beats += 1;
        let due = start + Duration::from_secs(1) * beats / rate;
        sleep(due.saturating_duration_since(Instant::now()));
    }
    let took = start.elapsed();
    // The machine may have been too slow for them.
    let least = (span.as_secs_f64() * f64::from(rate) * 0.9) as u32;
    ensure!(beats >= least, "only {beats} heartbeats in {took:?}");
    for (agent, (cpu, bytes)) in agents.iter().zip(before) {
        let (used, who) = (agent.cpu()?.saturating_sub(cpu?), agent.stand().who);
        let bytes = agent.stand().relay.carried().1 - bytes;
        let asked = mark.since(&world.api, who)?;
        ensure!(
            asked.writes == 0,
            "{who}: {} writes while nothing happened",
            asked.writes
        );
        let sample = Sample::from([
            (
                Metric::BeatsCpu,
                used.as_secs_f64() * 100.0 / took.as_secs_f64(),
            ),
            (Metric::BeatsBytes, kilobytes(bytes) / took.as_secs_f64()),
            (Metric::BeatsRequests, asked.requests as f64),
            (Metric::BeatsLeases, asked.leases as f64),
            (Metric::BeatsWrites, asked.writes as f64),
        ]);
        taken.add(who, sample);
    }
    Ok(())
}
