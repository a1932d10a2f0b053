//! Cold start: from exec to the last route in the kernel, beside two who write the same routes.

use crate::agent::Agent;
use crate::child::{self, Running};
use crate::report::Figure;
use crate::watch::Watch;
use crate::zone::{self, DIRECT, Zone};
use crate::{median, milliseconds, say};
use anyhow::{Context, Result};
use gingham_netlink::Netns;
use std::path::Path;
use std::time::Duration;

/// Where the routes lie as lines of `ip -batch`.
const BATCH: &str = "/run/batch";
/// Ten times what anyone takes, and more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Several rounds.
pub(crate) struct Rounds<'a> {
    pub(crate) zone: &'a Zone,
    pub(crate) agent: &'a Path,
    pub(crate) own: &'a Path,
    pub(crate) rounds: usize,
}

/// What came of them.
pub(crate) struct Cold {
    pub(crate) figures: Vec<Figure>,
    /// What the floor takes to its last route, in milliseconds.
    pub(crate) floor: f64,
}

/// One cold start.
struct Sample {
    first: Duration,
    last: Duration,
    cpu: Duration,
}

impl Rounds<'_> {
    pub(crate) fn run(&self) -> Result<Cold> {
        std::fs::write(BATCH, self.zone.batch()).with_context(|| format!("writing {BATCH}"))?;
        let size = self.zone.size();
        let (blocks, families) = (size.blocks.to_string(), size.families.to_string());
        let floor = ["floor", "--blocks", &blocks, "--families", &families];
        let sisters = [sister(self.zone)?, sister(self.zone)?];
        let mut samples = [(); 3].map(|()| Vec::new());
        let [by_batch, by_floor, by_agent] = &mut samples;
        for round in 1..=self.rounds {
            say(&format!("cold start, round {round} of {}", self.rounds));
            by_batch.push(self.in_sister(&sisters[0], Path::new("ip"), &["-batch", BATCH])?);
            by_floor.push(self.in_sister(&sisters[1], self.own, &floor)?);
            by_agent.push(self.agent_starts()?);
        }
        let [by_batch, by_floor, by_agent] = samples;
        Ok(Cold {
            figures: figures(&by_batch, &by_floor, &by_agent),
            floor: of(&by_floor, |sample| sample.last),
        })
    }

    fn in_sister(&self, netns: &Netns, program: &Path, arguments: &[&str]) -> Result<Sample> {
        netns.visit(|| {
            let mut watch = Watch::open()?;
            let running = Running::start(program, arguments)?;
            let started = running.started;
            let span = watch.wait(DIRECT, self.zone.count(), PATIENCE);
            let span = span.with_context(child::log_end)?;
            let cpu = running.finish()?;
            self.zone.check()?;
            flush()?;
            Ok(Sample {
                first: span.first - started,
                last: span.last - started,
                cpu,
            })
        })?
    }

    fn agent_starts(&self) -> Result<Sample> {
        let mut watch = Watch::open()?;
        let mut agent = Agent::start(self.agent)?;
        let span = watch.wait(DIRECT, self.zone.count(), PATIENCE);
        let span = span.with_context(child::log_end)?;
        let cpu = agent.process.cpu()?;
        let started = agent.process.started;
        agent.wait_ready()?;
        agent.process.kill()?;
        self.zone.check()?;
        flush()?;
        Ok(Sample {
            first: span.first - started,
            last: span.last - started,
            cpu,
        })
    }
}

/// A network of its own with the same link.
fn sister(zone: &Zone) -> Result<Netns> {
    let netns = Netns::create()?;
    netns.visit(|| zone.make_link())??;
    Ok(netns)
}

/// Removes what a contender left.
fn flush() -> Result<()> {
    for family in ["-4", "-6"] {
        for protocol in ["201", "203"] {
            zone::ip(&format!("{family} route flush proto {protocol}"))?;
        }
    }
    Ok(())
}

/// The median of a part of the samples, in milliseconds.
fn of(samples: &[Sample], part: fn(&Sample) -> Duration) -> f64 {
    median(samples.iter().map(part).map(milliseconds).collect())
}

fn figures(by_batch: &[Sample], by_floor: &[Sample], by_agent: &[Sample]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (who, samples) in [
        ("ip -batch", by_batch),
        ("floor", by_floor),
        ("agent", by_agent),
    ] {
        let named =
            |what: &str, value| Figure::new(&format!("cold start, {who}: {what}"), value, "ms");
        figures.push(named("first route", of(samples, |s| s.first)));
        figures.push(named("last route", of(samples, |s| s.last)));
        figures.push(named("processor time", of(samples, |s| s.cpu)));
    }
    let ratio = |what: &str, against: &[Sample], part: fn(&Sample) -> Duration| {
        let value = of(by_agent, part) / of(against, part);
        Figure::new(&format!("cold start, agent over {what}"), value, "x")
    };
    figures.push(ratio("ip -batch: last route", by_batch, |s| s.last).target("at most 2"));
    figures.push(ratio("ip -batch: processor time", by_batch, |s| s.cpu));
    figures.push(ratio("floor: last route", by_floor, |s| s.last));
    figures.push(ratio("floor: processor time", by_floor, |s| s.cpu));
    figures
}
