//! One life of a reflector, and the storm after its death: the phases, one after the other.

use crate::daemon;
use crate::injector::{Goal, Injector};
use crate::metric::Metric;
use crate::netstat::Listen;
use crate::rival::Rival;
use crate::size::Size;
use crate::world;
use anyhow::{Context, Result};
use gingham_integration::bench::{Launch, Placement, Running, Sample, log_end, milliseconds, say};
use gingham_netlink::Netns;
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// How many sessions are opened at a time with a rival that must be paced.
const PACE: usize = 4;
/// Whose first prefix changes, and who is lost; not one that has withdrawn all of its own.
const CHANGED: usize = 1;
const LOST: usize = 0;
/// Of so many prefixes, the last is withdrawn.
const TENTH: usize = 10;

/// What to run.
pub(crate) struct Run<'a> {
    pub(crate) rival: Rival,
    pub(crate) launch: &'a Launch,
    pub(crate) size: Size,
    pub(crate) placement: Placement,
    /// How long a phase may take.
    pub(crate) limit: Duration,
    /// How long a storm may take.
    pub(crate) storm: Duration,
}

/// Whether it was done in time.
type Phase<'a> = fn(&mut Stage<'a>) -> Result<bool>;

/// The run as it goes on.
struct Stage<'a> {
    run: &'a Run<'a>,
    daemon: Running,
    injector: Injector,
    sample: Sample<Metric>,
}

impl Run<'_> {
    /// Runs it in a network of its own. A phase that takes too long is the last.
    pub(crate) fn sample(&self) -> Result<Sample<Metric>> {
        let what = || format!("{} at {}", self.rival, self.size);
        let netns = Netns::create()?;
        netns.visit(|| self.here())?.with_context(what)
    }

    fn here(&self) -> Result<Sample<Metric>> {
        world::populate()?;
        let pace = if self.rival.is_paced() {
            PACE
        } else {
            usize::MAX
        };
        let daemon = self.placement.start(|| daemon::start(self.launch))?;
        let mut stage = Stage {
            run: self,
            daemon,
            injector: Injector::new(self.size, pace)?,
            sample: Sample::new(),
        };
        let late = stage.phases();
        let late = late.with_context(|| format!("it printed at the end: {}", log_end()))?;
        if let Some(phase) = late {
            let missing = stage.injector.missing();
            say(&format!(
                "  {phase}: {missing} clients are not there in time"
            ));
        }
        Ok(stage.sample)
    }
}

impl<'a> Stage<'a> {
    /// The name of the phase that took too long, if one did; there was none after it.
    fn phases(&mut self) -> Result<Option<&'static str>> {
        let phases: [(&str, Phase<'a>); 6] = [
            ("establish", Self::establish),
            ("flood", Self::flood),
            ("one change", Self::change),
            ("10 % withdrawn", Self::withdraw),
            ("client lost", Self::lose),
            ("storm", Self::storm),
        ];
        for (name, phase) in phases {
            if !phase(self).with_context(|| name)? {
                self.daemon.check()?;
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn establish(&mut self) -> Result<bool> {
        self.injector.redial();
        let (wall, cpu) = (Metric::EstablishWall, Metric::EstablishCpu);
        let done = self.phase(wall, cpu, |injector| {
            injector.aim(Goal::Up);
            Ok(())
        })?;
        let memory = self.daemon.memory()?;
        self.note(Metric::EstablishMemory, memory.resident);
        Ok(done)
    }

    fn flood(&mut self) -> Result<bool> {
        let size = self.run.size;
        let (before, own) = (self.injector.tally, injector_cpu()?);
        let (wall, cpu) = (Metric::FloodWall, Metric::FloodCpu);
        let done = self.phase(wall, cpu, |injector| {
            for client in 0..size.clients {
                let prefixes: Vec<_> = size.own(client).collect();
                injector.announce(client, None, &prefixes)?;
            }
            injector.aim(Goal::Holding);
            Ok(())
        })?;
        // Also of one that did not make it: it is no less large.
        let memory = self.daemon.memory()?;
        self.note(Metric::FloodMemory, memory.resident);
        self.note(Metric::FloodPeak, memory.peak);
        if done {
            let after = self.injector.tally;
            let updates = after.updates - before.updates;
            let octets = after.octets - before.octets;
            self.note(Metric::FloodUpdates, updates as f64);
            self.note(Metric::FloodOctets, octets as f64 / 1e6);
            let own = injector_cpu()?.saturating_sub(own);
            self.note(Metric::FloodInjector, milliseconds(own));
            self.injector.check()?;
        }
        Ok(done)
    }

    fn change(&mut self) -> Result<bool> {
        let prefix = self.run.size.own(CHANGED).start;
        let (wall, cpu) = (Metric::ChangeWall, Metric::ChangeCpu);
        self.phase(wall, cpu, |injector| {
            injector.aim(Goal::Hearing(prefix));
            injector.announce(CHANGED, Some(7), &[prefix])
        })
    }

    fn withdraw(&mut self) -> Result<bool> {
        let size = self.run.size;
        let (wall, cpu) = (Metric::WithdrawWall, Metric::WithdrawCpu);
        let done = self.phase(wall, cpu, |injector| {
            for client in 0..size.clients {
                let own = size.own(client);
                let prefixes: Vec<_> = own.filter(|prefix| prefix % TENTH == TENTH - 1).collect();
                injector.withdraw(client, &prefixes)?;
            }
            injector.aim(Goal::Holding);
            Ok(())
        })?;
        if done {
            self.injector.check()?;
        }
        Ok(done)
    }

    fn lose(&mut self) -> Result<bool> {
        let (wall, cpu) = (Metric::LostWall, Metric::LostCpu);
        let done = self.phase(wall, cpu, |injector| {
            injector.retire(LOST)?;
            injector.aim(Goal::Holding);
            Ok(())
        })?;
        if done {
            self.injector.check()?;
            self.note(
                Metric::Notifications,
                self.injector.tally.notifications as f64,
            );
        }
        Ok(done)
    }

    /// All dial in the moment the new reflector listens, and say what they have when they are up.
    fn storm(&mut self) -> Result<bool> {
        let before = Listen::read()?;
        self.daemon.kill()?;
        self.injector.pace = usize::MAX;
        self.injector.redial();
        for prefix in 0..self.run.size.total() {
            self.injector.announced.insert(prefix);
        }
        let launch = self.run.launch;
        self.daemon = self.run.placement.start(|| daemon::start(launch))?;
        let start = Instant::now();
        for (goal, metric) in [
            (Goal::Up, Metric::StormUp),
            (Goal::Holding, Metric::StormFull),
        ] {
            self.injector.aim(goal);
            let Some(wall) = self.injector.reach(start, self.run.storm)? else {
                self.queues(before)?;
                return Ok(false);
            };
            self.note(metric, milliseconds(wall));
        }
        self.injector.check()?;
        self.note(Metric::StormCpu, milliseconds(self.daemon.cpu()?));
        self.queues(before)?;
        Ok(true)
    }

    fn queues(&mut self, before: Listen) -> Result<()> {
        let after = Listen::read()?;
        let overflows = after.overflows - before.overflows;
        self.note(Metric::StormOverflows, overflows as f64);
        self.note(Metric::StormDrops, (after.drops - before.drops) as f64);
        Ok(())
    }

    /// Times `act` until the goal it sets is reached; `false` when it is not in time. Processor time
    /// counts until all is said, which may be later.
    fn phase(
        &mut self,
        wall: Metric,
        cpu: Metric,
        act: impl FnOnce(&mut Injector) -> Result<()>,
    ) -> Result<bool> {
        let before = self.daemon.cpu()?;
        let start = Instant::now();
        act(&mut self.injector)?;
        let Some(took) = self.injector.reach(start, self.run.limit)? else {
            return Ok(false);
        };
        self.injector.settle()?;
        let used = self.daemon.cpu()?.saturating_sub(before);
        self.note(wall, milliseconds(took));
        self.note(cpu, milliseconds(used));
        Ok(true)
    }

    fn note(&mut self, metric: Metric, value: f64) {
        self.sample.insert(metric, value);
    }
}

/// Processor time of the injector, which is the calling thread.
fn injector_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
