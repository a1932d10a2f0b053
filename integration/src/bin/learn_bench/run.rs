//! One life of one that learns, and a second after its crash: the phases, one after the other.

use crate::case::Case;
use crate::feeder::{Feeder, State};
use crate::fib::Fib;
use crate::floor;
use crate::metric::Metric;
use crate::rival::{Life, Rival};
use crate::told::Told;
use crate::world::{self, Folders};
use anyhow::{Context, Result, bail};
use gingham_integration::bench::{Memory, Placement, Running, Sample, log_end, milliseconds, say};
use gingham_netlink::Netns;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

/// The longest to be without a look, in milliseconds.
const TICK: u8 = 1;
/// With so few routes missing, each is looked at as it comes; with more, looking would cost.
const FEW: usize = 16;
/// How long nothing must happen until all is done.
const QUIET: Duration = Duration::from_millis(300);
/// How long an empty table is old before the flood, and a new life is watched.
const CALM: Duration = Duration::from_secs(2);

/// What to run.
pub(crate) struct Run<'a> {
    pub(crate) rival: Rival,
    pub(crate) program: &'a Path,
    pub(crate) case: Case,
    pub(crate) placement: Placement,
    /// How long a phase may take.
    pub(crate) limit: Duration,
}

/// Whether it was done in time.
type Phase<'a> = fn(&mut Stage<'a>) -> Result<bool>;

/// Whom the one under test learns from.
enum Source {
    Feeders(Vec<Feeder>),
    /// It is the floor, and does as it is told.
    Nobody(ChildStdin),
}

/// The run as it goes on.
struct Stage<'a> {
    run: &'a Run<'a>,
    source: Source,
    fib: Fib,
    device: Vec<Running>,
    sample: Sample<Metric>,
}

impl Run<'_> {
    /// Runs it in a network of its own. A phase that takes too long is the last.
    pub(crate) fn sample(&self) -> Result<Sample<Metric>> {
        let what = || format!("{} at {}", self.rival, self.case);
        let near = Netns::create()?;
        near.visit(|| self.here())?.with_context(what)
    }

    fn here(&self) -> Result<Sample<Metric>> {
        let _folders = Folders::cover()?;
        let far = Netns::create()?;
        world::cable(&far, self.case)?;
        self.rival.prepare(self.case)?;
        let fib = Fib::open(self.case.prefixes)?;
        let feeders = world::feeders(&far, self.case)?;
        let mut stage = Stage {
            run: self,
            source: Source::Feeders(feeders),
            fib,
            device: Vec::new(),
            sample: Sample::new(),
        };
        let late = stage.phases();
        let late = late.with_context(|| format!("it printed at the end: {}", log_end()))?;
        if let Some(phase) = late {
            let wrong = stage.fib.wrong();
            say(&format!("  {phase}: not in time, {wrong} routes are wrong"));
        }
        Ok(stage.sample)
    }
}

impl<'a> Stage<'a> {
    /// The name of the phase that took too long, if one did; there was none after it.
    fn phases(&mut self) -> Result<Option<&'static str>> {
        let phases: [(&str, Phase<'a>); 5] = [
            ("start", Self::start),
            ("flood", Self::flood),
            ("one change", Self::change),
            ("10 % withdrawn", Self::withdraw),
            ("kill -9 and start", Self::restart),
        ];
        for (name, phase) in phases {
            if !phase(self).with_context(|| name)? {
                for process in &mut self.device {
                    process.check()?;
                }
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn start(&mut self) -> Result<bool> {
        let start = Instant::now();
        self.launch(Life::First)?;
        if self.run.rival == Rival::Floor {
            let stdin = self.device.first_mut().and_then(Running::stdin);
            self.source = Source::Nobody(stdin.context("the floor hears nothing")?);
            self.calm()?;
            return Ok(true);
        }
        let Some(took) = self.reach(start, |stage| stage.all(State::Up))? else {
            return Ok(false);
        };
        self.note(Metric::StartWall, milliseconds(took));
        self.calm()?;
        let memory = self.memory()?;
        self.note(Metric::StartMemory, memory.resident);
        Ok(true)
    }

    fn flood(&mut self) -> Result<bool> {
        let (own, writes) = (own_cpu()?, self.fib.writes());
        let done = self.phase(Metric::FloodWall, Metric::FloodCpu, Told::All)?;
        // Also of one that did not make it: it is no less large.
        let memory = self.memory()?;
        self.note(Metric::FloodMemory, memory.resident);
        self.note(Metric::FloodPeak, memory.peak);
        let own = own_cpu()?.saturating_sub(own);
        self.note(Metric::FloodBench, milliseconds(own));
        let writes = self.fib.writes() - writes;
        self.note(Metric::FloodWrites, writes as f64);
        Ok(done)
    }

    fn change(&mut self) -> Result<bool> {
        self.phase(Metric::ChangeWall, Metric::ChangeCpu, Told::Changed)
    }

    fn withdraw(&mut self) -> Result<bool> {
        self.phase(Metric::WithdrawWall, Metric::WithdrawCpu, Told::Less)
    }

    /// Nothing is new after the crash, so nothing is to be written.
    fn restart(&mut self) -> Result<bool> {
        let Source::Feeders(feeders) = &mut self.source else {
            return Ok(true);
        };
        for process in &mut self.device {
            process.kill()?;
        }
        self.device.clear();
        feeders.iter_mut().for_each(Feeder::close);
        self.fib.forget_worst();
        let writes = self.fib.writes();
        let start = Instant::now();
        self.launch(Life::Again)?;
        for (state, metric) in [
            (State::Up, Metric::RestartUp),
            (State::Ended, Metric::RestartEnded),
        ] {
            let Some(took) = self.reach(start, |stage| stage.all(state))? else {
                return Ok(false);
            };
            self.note(metric, milliseconds(took));
        }
        self.calm()?;
        let right = self.reach(start, |stage| stage.fib.wrong() == 0)?;
        let cpu = self.cpu()?;
        self.note(Metric::RestartCpu, milliseconds(cpu));
        self.note(Metric::RestartWrites, (self.fib.writes() - writes) as f64);
        self.note(Metric::RestartWrong, self.fib.worst() as f64);
        if right.is_some() {
            self.fib.check()?;
        }
        Ok(right.is_some())
    }

    fn launch(&mut self, life: Life) -> Result<()> {
        let run = self.run;
        for launch in run.rival.launches(run.program, life, run.case) {
            let running = run.placement.start(|| Running::start(&launch))?;
            self.device.push(running);
        }
        Ok(())
    }

    /// Times what is told until the kernel has it; `false` when it is not in time. Processor time
    /// counts until nothing is written any more, which may be later.
    fn phase(&mut self, wall: Metric, cpu: Metric, told: Told) -> Result<bool> {
        self.fib.aim(told.hops(self.run.case));
        let before = self.cpu()?;
        let start = Instant::now();
        self.tell(told)?;
        let Some(took) = self.reach(start, |stage| stage.fib.wrong() == 0)? else {
            return Ok(false);
        };
        self.settle(QUIET)?;
        let used = self.cpu()?.saturating_sub(before);
        self.note(wall, milliseconds(took));
        self.note(cpu, milliseconds(used));
        self.fib.check()?;
        Ok(true)
    }

    fn tell(&mut self, told: Told) -> Result<()> {
        match &mut self.source {
            Source::Feeders(feeders) => feeders.iter_mut().try_for_each(|one| one.tell(told)),
            Source::Nobody(stdin) => {
                writeln!(stdin, "{}", floor::word(told)?).context("telling the floor")
            }
        }
    }

    /// Whether all sessions are so far.
    fn all(&self, state: State) -> bool {
        match &self.source {
            Source::Feeders(feeders) => feeders.iter().all(|feeder| feeder.state() >= state),
            Source::Nobody(_) => true,
        }
    }

    /// Goes on until something is so, and says how long after `since` that was; `None` when it is not
    /// within the limit.
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

    /// Goes on for a while.
    fn calm(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < CALM {
            self.turn()?;
        }
        self.settle(QUIET)
    }

    /// Goes on until nothing is written any more.
    fn settle(&mut self, quiet: Duration) -> Result<()> {
        let (mut writes, mut since) = (self.fib.writes(), Instant::now());
        while since.elapsed() < quiet {
            self.turn()?;
            if self.fib.writes() != writes {
                (writes, since) = (self.fib.writes(), Instant::now());
            }
        }
        Ok(())
    }

    /// Waits a moment for something to do, and does it.
    fn turn(&mut self) -> Result<()> {
        self.wait()?;
        if let Source::Feeders(feeders) = &mut self.source {
            feeders.iter_mut().try_for_each(Feeder::turn)?;
        }
        self.fib.follow()
    }

    fn wait(&self) -> Result<()> {
        let mut wake = Vec::new();
        if let Source::Feeders(feeders) = &self.source {
            wake.extend(feeders.iter().flat_map(Feeder::sockets));
        }
        if self.fib.wrong() <= FEW {
            wake.push(self.fib.watch().as_fd());
        }
        let wake = wake
            .into_iter()
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let mut wake: Vec<_> = wake.collect();
        match poll(&mut wake, PollTimeout::from(TICK)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => bail!("poll: {error}"),
        }
    }

    /// Processor time of all it consists of, up to now.
    fn cpu(&self) -> Result<Duration> {
        self.device.iter().map(Running::cpu).sum()
    }

    fn memory(&self) -> Result<Memory> {
        let mut sum = Memory::default();
        for process in &self.device {
            let memory = process.memory()?;
            sum.resident += memory.resident;
            sum.peak += memory.peak;
        }
        Ok(sum)
    }

    fn note(&mut self, metric: Metric, value: f64) {
        self.sample.insert(metric, value);
    }
}

/// Processor time of the bench, which is the calling thread.
fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
