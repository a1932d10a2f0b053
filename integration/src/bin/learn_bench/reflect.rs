//! A reflector of a zone with many nodes: all dial at once, each announces its block; the core is to be
//! told all blocks, and every node all that the core told.

use crate::case::{Feed, Nodes};
use crate::crowd::Crowd;
use crate::device::{Device, Run, note, own_cpu};
use crate::feeder::Feeder;
use crate::metric::Metric;
use crate::rival::Life;
use crate::told::Told;
use crate::wire::Voice;
use crate::world;
use anyhow::Result;
use gingham_integration::bench::{Sample, say};
use gingham_netlink::Netns;
use std::time::{Duration, Instant};

/// What the core tells: as many prefixes as a hundred zones have.
const CORE: Feed = Feed {
    feeders: 1,
    prefixes: 100,
};
/// How long the reflector has the core's prefixes before nodes dial.
const CALM: Duration = Duration::from_secs(2);
/// How long nothing must be told until all is said.
const QUIET: Duration = Duration::from_millis(500);

struct Stage<'a> {
    run: &'a Run<'a>,
    nodes: Nodes,
    core: Feeder,
    crowd: Crowd<'a>,
    device: Device,
    sample: Sample<Metric>,
}

/// Runs it in the calling thread's network.
pub(crate) fn sample(run: &Run<'_>, nodes: Nodes) -> Result<Sample<Metric>> {
    let far = Netns::create()?;
    world::cable(&far, CORE.feeders)?;
    world::populate(&far, nodes)?;
    let start = Instant::now();
    let mut stage = Stage {
        run,
        nodes,
        core: far.visit(|| Feeder::listen(0, Voice::Core, CORE))??,
        crowd: Crowd::new(&far, nodes, CORE)?,
        device: Device::start(run, Life::First)?,
        sample: Sample::new(),
    };
    if !stage.phases(start)? {
        stage.device.check()?;
        let blocks = stage.core.blocks(nodes);
        say(&format!("  not in time; the core knows {blocks} blocks"));
    }
    Ok(stage.sample)
}

impl Stage<'_> {
    /// Whether all was done in time.
    fn phases(&mut self, start: Instant) -> Result<bool> {
        let Some(took) = self.reach(start, |stage| stage.core.is_up())? else {
            return Ok(false);
        };
        note(&mut self.sample, Metric::StartWall, took);
        self.core.prepare(Told::All);
        self.core.tell()?;
        let calm = Instant::now();
        while calm.elapsed() < CALM {
            self.turn()?;
        }
        let memory = self.device.memory()?;
        self.sample.insert(Metric::StartMemory, memory.resident);
        let done = self.dial()?;
        // Also of one that did not make it: it is no less large.
        let memory = self.device.memory()?;
        self.sample.extend([
            (Metric::CrowdMemory, memory.resident),
            (Metric::CrowdPeak, memory.peak),
        ]);
        Ok(done)
    }

    fn dial(&mut self) -> Result<bool> {
        let (before, own) = (self.device.cpu()?, own_cpu()?);
        let start = Instant::now();
        self.crowd.dial(self.run.rival.pace());
        let Some(up) = self.reach(start, |stage| stage.crowd.all_up())? else {
            return Ok(false);
        };
        note(&mut self.sample, Metric::CrowdUp, up);
        let Nodes(all) = self.nodes;
        let told = |stage: &Self| stage.crowd.all_told() && stage.core.blocks(stage.nodes) == all;
        let Some(told) = self.reach(start, told)? else {
            return Ok(false);
        };
        note(&mut self.sample, Metric::CrowdTold, told);
        self.settle()?;
        let used = self.device.cpu()?.saturating_sub(before);
        note(&mut self.sample, Metric::CrowdCpu, used);
        let own = own_cpu()?.saturating_sub(own);
        note(&mut self.sample, Metric::CrowdBench, own);
        Ok(true)
    }

    /// As for those that learn.
    fn reach(
        &mut self,
        since: Instant,
        reached: impl Fn(&Self) -> bool,
    ) -> Result<Option<Duration>> {
        while !reached(self) {
            if since.elapsed() > self.run.limit {
                return Ok(None);
            }
            self.turn()?;
        }
        Ok(Some(since.elapsed()))
    }

    /// Goes on until nothing is told any more.
    fn settle(&mut self) -> Result<()> {
        let (mut heard, mut since) = (self.crowd.heard, Instant::now());
        while since.elapsed() < QUIET {
            self.turn()?;
            if self.crowd.heard != heard {
                (heard, since) = (self.crowd.heard, Instant::now());
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        self.crowd.turn()?;
        self.core.turn()
    }
}
