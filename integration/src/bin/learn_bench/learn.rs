//! One life of one that learns, and a second after its crash: the phases, one after the other.

use crate::case::Feed;
use crate::device::{Device, Run, note, own_cpu};
use crate::feeder::Feeder;
use crate::fib::Fib;
use crate::metric::Metric;
use crate::rival::{Life, Rival};
use crate::told::Told;
use crate::wire::Voice;
use crate::world;
use anyhow::{Context, Result, bail};
use gingham_integration::bench::{Sample, say};
use gingham_netlink::Netns;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::Write;
use std::os::fd::AsFd;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

/// The longest to be without a look, in milliseconds.
const TICK: u8 = 1;
/// With so few routes missing, each is looked at as it comes; with more, looking would cost.
const FEW: usize = 16;
/// How long nothing must be written until all is done.
const QUIET: Duration = Duration::from_millis(300);
/// How old an empty table is before the flood, and for how long a second life is watched.
const CALM: Duration = Duration::from_secs(2);

/// Whom the one under test learns from.
enum Source {
    Feeders(Vec<Feeder>),
    /// It is the floor, and writes when told.
    Nobody(ChildStdin),
}

/// Whether it was done in time.
type Phase<'a> = fn(&mut Stage<'a>) -> Result<bool>;

/// The run as it goes on.
struct Stage<'a> {
    run: &'a Run<'a>,
    feed: Feed,
    source: Source,
    fib: Fib,
    device: Device,
    sample: Sample<Metric>,
}

/// Runs it in the calling thread's network. A phase that takes too long is the last.
pub(crate) fn sample(run: &Run<'_>, feed: Feed) -> Result<Sample<Metric>> {
    let far = Netns::create()?;
    world::cable(&far, feed.feeders)?;
    let listen = |number| Feeder::listen(number, Voice::Reflector, feed);
    let feeders = far.visit(|| (0..feed.feeders).map(listen).collect::<Result<_>>())??;
    let fib = Fib::open(feed.prefixes)?;
    let start = Instant::now();
    let mut device = Device::start(run, Life::First)?;
    let source = match run.rival {
        Rival::Floor => Source::Nobody(device.stdin()?),
        _ => Source::Feeders(feeders),
    };
    let mut stage = Stage {
        run,
        feed,
        source,
        fib,
        device,
        sample: Sample::new(),
    };
    if let Some(phase) = stage.phases(start)? {
        stage.device.check()?;
        let wrong = stage.fib.wrong();
        say(&format!("  {phase}: not in time, {wrong} routes are wrong"));
    }
    Ok(stage.sample)
}

impl Stage<'_> {
    /// The name of the phase that took too long, if one did; there was none after it.
    fn phases(&mut self, start: Instant) -> Result<Option<&'static str>> {
        if !self.start(start).context("start")? {
            return Ok(Some("start"));
        }
        let phases: [(&str, Phase<'_>); 4] = [
            ("flood", Stage::flood),
            ("one change", Stage::change),
            ("10 % withdrawn", Stage::withdraw),
            ("kill -9 and start", Stage::restart),
        ];
        for (name, phase) in phases {
            if !phase(self).context(name)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn start(&mut self, start: Instant) -> Result<bool> {
        if let Source::Feeders(_) = self.source {
            let Some(took) = self.reach(start, |stage| stage.all(Feeder::is_up))? else {
                return Ok(false);
            };
            note(&mut self.sample, Metric::StartWall, took);
        }
        self.calm()?;
        let memory = self.device.memory()?;
        self.sample.insert(Metric::StartMemory, memory.resident);
        Ok(true)
    }

    fn flood(&mut self) -> Result<bool> {
        let (own, writes) = (own_cpu()?, self.fib.writes());
        let done = self.phase(Metric::FloodWall, Metric::FloodCpu, Told::All)?;
        let own = own_cpu()?.saturating_sub(own);
        note(&mut self.sample, Metric::FloodBench, own);
        // Also of one that did not make it: it is no less large.
        let memory = self.device.memory()?;
        let writes = self.fib.writes() - writes;
        self.sample.extend([
            (Metric::FloodMemory, memory.resident),
            (Metric::FloodPeak, memory.peak),
            (Metric::FloodWrites, writes as f64),
        ]);
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
        self.device.kill()?;
        feeders.iter_mut().for_each(Feeder::close);
        self.fib.follow()?;
        self.fib.forget_worst();
        let writes = self.fib.writes();
        let start = Instant::now();
        self.device = Device::start(self.run, Life::Again)?;
        let Some(up) = self.reach(start, |stage| stage.all(Feeder::is_up))? else {
            return Ok(false);
        };
        note(&mut self.sample, Metric::RestartUp, up);
        let Some(ended) = self.reach(start, |stage| stage.all(Feeder::has_ended))? else {
            return Ok(false);
        };
        note(&mut self.sample, Metric::RestartEnded, ended);
        self.calm()?;
        note(&mut self.sample, Metric::RestartCpu, self.device.cpu()?);
        let right = self.reach(start, |stage| stage.fib.wrong() == 0)?;
        let writes = self.fib.writes() - writes;
        self.sample.extend([
            (Metric::RestartWrites, writes as f64),
            (Metric::RestartWrong, self.fib.worst() as f64),
        ]);
        if right.is_some() {
            self.fib.check()?;
        }
        Ok(right.is_some())
    }

    /// Times what is told until the kernel has it; `false` when it is not in time. Processor time
    /// counts until nothing is written any more, which may be later.
    fn phase(&mut self, wall: Metric, cpu: Metric, told: Told) -> Result<bool> {
        self.fib.aim(told.hops(self.feed));
        if let Source::Feeders(feeders) = &mut self.source {
            feeders.iter_mut().for_each(|feeder| feeder.prepare(told));
        }
        let before = self.device.cpu()?;
        let start = Instant::now();
        self.tell()?;
        let Some(took) = self.reach(start, |stage| stage.fib.wrong() == 0)? else {
            return Ok(false);
        };
        self.settle()?;
        let used = self.device.cpu()?.saturating_sub(before);
        note(&mut self.sample, wall, took);
        note(&mut self.sample, cpu, used);
        self.fib.check()?;
        Ok(true)
    }

    fn tell(&mut self) -> Result<()> {
        match &mut self.source {
            Source::Feeders(feeders) => feeders.iter_mut().try_for_each(Feeder::tell),
            Source::Nobody(stdin) => writeln!(stdin).context("telling the floor"),
        }
    }

    /// Whether all sessions are so far.
    fn all(&self, so_far: fn(&Feeder) -> bool) -> bool {
        match &self.source {
            Source::Feeders(feeders) => feeders.iter().all(so_far),
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
        self.settle()
    }

    /// Goes on until nothing is written any more.
    fn settle(&mut self) -> Result<()> {
        let (mut writes, mut since) = (self.fib.writes(), Instant::now());
        while since.elapsed() < QUIET {
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
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => bail!("poll: {error}"),
        }
    }
}
