//! The agent once it stands: memory, rest, restart, repair, and a storm of foreign events.

use crate::agent::Agent;
use crate::report::Figure;
use crate::watch::{Kind, Watch};
use crate::zone::{DIRECT, Zone};
use crate::{KERNEL, median, milliseconds, say, worst};
use anyhow::{Context, Result, bail, ensure};
use gingham_model::{Route, RouteSet};
use gingham_netlink::{Socket, route};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where the foreign routes lie as lines of `ip -batch`.
const STORM: &str = "/run/storm";
/// How often the agent's own monitor has lost events.
const OVERRUNS: &str = "gingham_netlink_overruns_total";
/// Foreign routes in one batch; each comes and goes.
const FOREIGN: u16 = 5_000;
/// How long a route may be missing before the bench gives up: longer than the agent's slowest
/// means, a look at everything every 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to measure.
pub(crate) struct Steady<'a> {
    pub(crate) zone: &'a Zone,
    pub(crate) agent: &'a Path,
    pub(crate) rounds: usize,
    pub(crate) deletions: usize,
    pub(crate) storm: usize,
    pub(crate) idle: Duration,
    /// Between two losses, so that they are two accidents and no fight.
    pub(crate) pause: Duration,
    /// What the mere messages for all routes take, in milliseconds.
    pub(crate) floor: f64,
}

/// A running agent and the eyes on its routes.
struct Stand {
    agent: Agent,
    watch: Watch,
    socket: Socket,
    routes: RouteSet,
    pause: Duration,
    figures: Vec<Figure>,
}

impl Steady<'_> {
    pub(crate) fn run(&self) -> Result<Vec<Figure>> {
        let mut socket = Socket::open(KERNEL)?;
        let mut stand = Stand {
            agent: Agent::start(self.agent)?,
            watch: Watch::open()?,
            routes: self.zone.routes(&mut socket)?,
            socket,
            pause: self.pause,
            figures: Vec::new(),
        };
        stand.agent.wait_ready()?;
        stand.memory("after the start")?;
        say("at rest");
        stand.rest(self.idle)?;
        say("kill -9 and restart");
        stand.restarts(self.agent, self.rounds)?;
        say("one route deleted");
        let took = stand.repair_each(self.deletions)?;
        stand.repairs("one route deleted, back after", &took);
        say("all routes deleted");
        stand.repair_all(self.rounds, self.floor)?;
        stand.memory("after the repairs")?;
        say("storm of foreign route events");
        stand.storm(self.storm, self.deletions)?;
        stand.memory("after the storm")?;
        stand.agent.wait_ready()?;
        self.zone.check()?;
        Ok(stand.figures)
    }
}

impl Stand {
    fn note(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure::new(name, value, unit));
    }

    fn memory(&mut self, when: &str) -> Result<()> {
        let memory = self.agent.process.memory()?;
        let peak = Figure::new(&format!("memory {when}, most ever"), memory.peak, "MB");
        self.figures.push(peak.target("under 32"));
        self.note(&format!("memory {when}, resident"), memory.resident, "MB");
        self.note(&format!("memory {when}, anonymous"), memory.anonymous, "MB");
        Ok(())
    }

    fn rest(&mut self, idle: Duration) -> Result<()> {
        let before = self.agent.process.cpu()?;
        sleep(idle);
        let used = self.agent.process.cpu()?.saturating_sub(before);
        let name = format!("at rest for {} s, processor time", idle.as_secs());
        self.note(&name, milliseconds(used), "ms");
        Ok(())
    }

    /// Kills the agent and starts another, `rounds` times, with nothing changed in between.
    fn restarts(&mut self, program: &Path, rounds: usize) -> Result<()> {
        let (mut took, mut events, mut writes) = (Vec::new(), 0, 0);
        self.watch.pass_over()?;
        for _ in 0..rounds {
            self.agent.process.kill()?;
            self.agent = Agent::start(program)?;
            let status = self.agent.wait_ready()?;
            took.push(milliseconds(self.agent.process.started.elapsed()));
            events += self.watch.pass_over()?;
            let applied = status["round"]["appliedSinceStart"].as_u64();
            writes += applied.with_context(|| format!("no appliedSinceStart in {status}"))?;
        }
        self.note("restart, nothing changed: ready after", median(took), "ms");
        for (what, count) in [("route events", events as f64), ("writes", writes as f64)] {
            let name = format!("restart, nothing changed: {what} in {rounds}");
            self.figures.push(Figure::new(&name, count, "").target("0"));
        }
        Ok(())
    }

    /// Deletes routes one at a time, spread over all of them; how long each was away.
    fn repair_each(&mut self, deletions: usize) -> Result<Vec<Duration>> {
        let step = (self.routes.len() / deletions).max(1);
        let victims: Vec<Route> = self.routes.values().step_by(step).cloned().collect();
        let mut took = Vec::new();
        for victim in victims.iter().cycle().take(deletions) {
            sleep(self.pause);
            self.watch.pass_over()?;
            self.socket.run(&[route::remove(victim)])?;
            took.push(self.away()?);
        }
        Ok(took)
    }

    /// From the next deletion of a route of ours to its return.
    fn away(&mut self) -> Result<Duration> {
        let until = Instant::now() + PATIENCE;
        let mut gone = None;
        while let Some(event) = self.watch.next(until)? {
            match (event.kind, gone) {
                _ if event.protocol != DIRECT => {}
                (Kind::Gone, _) => gone = Some(event.at),
                (Kind::There, Some(gone)) => return Ok(event.at - gone),
                (Kind::There, None) => bail!("a route was written that nobody had deleted"),
            }
        }
        bail!("a deleted route was not back within {PATIENCE:?}")
    }

    /// Deletes every route in one go. The time runs from the last deletion.
    fn repair_all(&mut self, rounds: usize, floor: f64) -> Result<()> {
        let mut took = Vec::new();
        for _ in 0..rounds {
            sleep(self.pause);
            self.watch.pass_over()?;
            for route in self.routes.values() {
                self.socket.run(&[route::remove(route)])?;
            }
            let deleted = Instant::now();
            let back = self.watch.wait(DIRECT, self.routes.len(), PATIENCE)?;
            took.push(back.last.saturating_duration_since(deleted));
        }
        self.repairs("all routes deleted, back after", &took);
        let median = median(took.into_iter().map(milliseconds).collect());
        self.note("all routes deleted, over floor", median / floor, "x");
        Ok(())
    }

    /// Median and worst of several repairs.
    fn repairs(&mut self, what: &str, took: &[Duration]) {
        let took: Vec<f64> = took.iter().copied().map(milliseconds).collect();
        for (name, value) in [
            (format!("{what}, median"), median(took.clone())),
            (format!("{what}, worst of {}", took.len()), worst(&took)),
        ] {
            let figure = Figure::new(&name, value, "ms");
            self.figures.push(figure.target("under 100"));
        }
    }

    /// Foreign routes come and go until there were `least` events and every deletion is repaired.
    fn storm(&mut self, least: usize, deletions: usize) -> Result<()> {
        std::fs::write(STORM, foreign()?).with_context(|| format!("writing {STORM}"))?;
        self.watch.pass_over()?;
        let overruns = self.agent.counter(OVERRUNS)?;
        let (before, seen, start) = (self.agent.process.cpu()?, self.watch.seen(), Instant::now());
        let calm = AtomicBool::new(false);
        let took = std::thread::scope(|scope| {
            let storm = scope.spawn(|| blow(least, &calm));
            let took = self.repair_each(deletions);
            calm.store(true, Ordering::Relaxed);
            let ended = storm
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended.and(took)
        })?;
        self.watch.pass_over()?;
        let events = self.watch.seen() - seen;
        ensure!(events >= least, "the storm had only {events} events");
        let rate = events as f64 / start.elapsed().as_secs_f64();
        let used = self.agent.process.cpu()?.saturating_sub(before);
        self.repairs("storm: one route deleted, back after", &took);
        self.note("storm: route events", events as f64, "");
        self.note("storm: route events a second", rate, "");
        let overruns = self.agent.counter(OVERRUNS)? - overruns;
        self.note("storm: overruns of the agent's monitor", overruns, "");
        let share = milliseconds(used) * 100_000.0 / events as f64;
        self.note("storm: processor time per 100,000 events", share, "ms");
        Ok(())
    }
}

/// Lines that add foreign routes, to prefixes of their own, and take them away again.
fn foreign() -> Result<String> {
    let mut lines = String::new();
    for verb in ["add", "delete"] {
        for number in 0..FOREIGN {
            let [high, low] = number.to_be_bytes();
            writeln!(lines, "route {verb} 198.18.{high}.{low}/32 dev lo proto 99")?;
        }
    }
    Ok(lines)
}

/// Runs the lines again and again: at least until there were `least` events and all is `calm`.
fn blow(least: usize, calm: &AtomicBool) -> Result<()> {
    let mut events = 0;
    while events < least || !calm.load(Ordering::Relaxed) {
        let output = Command::new("ip").args(["-batch", STORM]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "ip -batch {STORM}: {}",
            said.trim()
        );
        events += 2 * usize::from(FOREIGN);
    }
    Ok(())
}
