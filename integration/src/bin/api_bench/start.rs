//! Starts, one agent after the other, beside who lists the same Blocks and does nothing with them.

use crate::agent::Stand;
use crate::metric::{Metric, Who};
use crate::plan::Plan;
use crate::requests::Mark;
use crate::world::World;
use crate::{Taken, meter};
use anyhow::{Context, Result, ensure};
use gingham_integration::bench::{Sample, milliseconds, say};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::time::{Duration, Instant};

pub(crate) fn rounds(world: &World, plan: &Plan, rounds: usize, taken: &mut Taken) -> Result<()> {
    for round in 1..=rounds {
        say(&format!("start, round {round} of {rounds}"));
        taken.add(Who::Floor, floor(world, plan)?);
        for stand in [&world.worker, &world.master] {
            taken.add(stand.who, agent(world, stand, plan)?);
        }
    }
    Ok(())
}

fn agent(world: &World, stand: &Stand, plan: &Plan) -> Result<Sample<Metric>> {
    let mark = Mark::now(&world.api)?;
    let bytes = stand.relay.carried().1;
    let mut agent = stand.start()?;
    let count = plan.routes(stand.who.node(), 0).len();
    let work = || agent.last_route(count);
    let (last, listed) = meter::last_bytes(&stand.relay, work, |last| *last)?;
    let cpu = agent.cpu()?;
    agent.wait_synced()?;
    let ready = agent.started.elapsed();
    let bytes = stand.relay.carried().1 - bytes;
    let memory = agent.memory()?;
    let asked = mark.since(&world.api, stand.who)?;
    stand.check(plan)?;
    let started = agent.started;
    agent.kill()?;
    Ok(Sample::from([
        (Metric::StartListed, milliseconds(listed - started)),
        (Metric::StartRoutes, milliseconds(last - listed)),
        (Metric::StartLast, milliseconds(last - started)),
        (Metric::StartReady, milliseconds(ready)),
        (Metric::StartCpu, milliseconds(cpu)),
        (Metric::StartBytes, kilobytes(bytes)),
        (Metric::StartRequests, asked.requests as f64),
        (Metric::StartMemory, memory.resident),
        (Metric::StartPeak, memory.peak),
    ]))
}

fn floor(world: &World, plan: &Plan) -> Result<Sample<Metric>> {
    let (relay, mark) = (&world.worker.relay, Mark::now(&world.api)?);
    let (bytes, cpu) = (relay.carried().1, children()?);
    let start = Instant::now();
    let zone = &plan.zone().name;
    let path = format!("/apis/gingham.dev/v1alpha1/blocks?fieldSelector=spec.zone%3D{zone}");
    let list = world.kubectl(&path)?;
    let took = start.elapsed();
    let list: serde_json::Value = serde_json::from_str(&list).context("what kubectl printed")?;
    let listed = list["items"].as_array().map_or(0, Vec::len);
    // Its own block is no route.
    let want = plan.routes(Who::Floor.node(), 0).len() + 1;
    ensure!(listed == want, "kubectl listed {listed} of {want} blocks");
    Ok(Sample::from([
        (Metric::StartListed, milliseconds(took)),
        (
            Metric::StartCpu,
            milliseconds(children()?.saturating_sub(cpu)),
        ),
        (Metric::StartBytes, kilobytes(relay.carried().1 - bytes)),
        (
            Metric::StartRequests,
            mark.since(&world.api, Who::Floor)?.requests as f64,
        ),
    ]))
}

pub(crate) fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1e3
}

/// Processor time of all children that have ended.
fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}
