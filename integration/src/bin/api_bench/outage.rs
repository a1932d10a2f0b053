//! The API server goes and comes back, as when it is upgraded.

use crate::Taken;
use crate::agent::Agent;
use crate::metric::Metric;
use crate::requests::Mark;
use crate::start::kilobytes;
use crate::world::World;
use anyhow::{Result, bail};
use gingham_integration::bench::{Sample, milliseconds};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant};

pub(crate) fn run(
    world: &World,
    agents: [&Agent<'_>; 2],
    away: Duration,
    taken: &mut Taken,
) -> Result<()> {
    let mark = Mark::now(&world.api)?;
    world.api.kill()?;
    agents.iter().try_for_each(|agent| agent.wait_lost())?;
    sleep(away);
    let before = agents.map(|agent| agent.stand().relay.carried().1);
    world.api.restart()?;
    let back = Instant::now();
    let synced = scope(|scope| {
        let wait = |agent: &Agent<'_>| agent.wait_synced().map(|()| back.elapsed());
        let waits = agents.map(|agent| scope.spawn(move || wait(agent)));
        waits.map(join)
    });
    for ((agent, synced), bytes) in agents.iter().zip(synced).zip(before) {
        let (stand, memory) = (agent.stand(), agent.memory()?);
        let asked = mark.since(&world.api, stand.who)?;
        let sample = Sample::from([
            (Metric::OutageSynced, milliseconds(synced?)),
            (
                Metric::OutageBytes,
                kilobytes(stand.relay.carried().1 - bytes),
            ),
            (Metric::OutageRequests, asked.requests as f64),
            (Metric::OutageMemory, memory.resident),
            (Metric::OutagePeak, memory.peak),
        ]);
        taken.add(stand.who, sample);
    }
    Ok(())
}

fn join(wait: ScopedJoinHandle<'_, Result<Duration>>) -> Result<Duration> {
    match wait.join() {
        Ok(synced) => synced,
        Err(_) => bail!("the thread that waited has panicked"),
    }
}
