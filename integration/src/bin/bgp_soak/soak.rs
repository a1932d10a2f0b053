//! The run: churn, and now and then quiet, in which every table must be right.

use crate::check::{Differences, TOLD};
use crate::churn::Churn;
use crate::cli::Output;
use crate::control::Control;
use crate::crowd::Crowd;
use crate::deaf::Deaf;
use crate::layout::{ANCHOR, Layout};
use crate::model::Variant;
use crate::probe::{Delays, Probe};
use crate::report::{Line, Tables, Verdict, say};
use crate::speaker::{Files, Speaker};
use crate::trend::Trend;
use anyhow::{Result, anyhow};
use gingham_integration::bgp::endpoint::State;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks at the speaker's memory.
const SAMPLE: Duration = Duration::from_secs(1);
/// Nothing came for so long: a look at the tables is worth while.
const STILL: Duration = Duration::from_millis(300);
/// Nothing came for so long: nothing will.
const QUIET: Duration = Duration::from_secs(5);
/// The longest that quiet may take to come, and a change to reach everyone.
const PATIENCE: Duration = Duration::from_secs(120);

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) speaker: PathBuf,
    pub(crate) record: Option<PathBuf>,
    pub(crate) layout: Layout,
    /// Prefixes changed per second.
    pub(crate) flaps: f64,
    /// How long the churn goes on.
    pub(crate) length: Duration,
    /// Churn between two checks.
    pub(crate) check: Duration,
    /// Between two lines.
    pub(crate) line: Duration,
    pub(crate) seed: u64,
}

/// The run as it goes on.
pub(crate) struct Soak {
    plan: Plan,
    output: Output,
    speaker: Speaker,
    crowd: Crowd,
    churn: Churn,
    probe: Probe,
    trend: Trend,
    deaf: Deaf,
    start: Instant,
    /// When the clients were last served, and the longest that took.
    served: (Instant, Duration),
    sampled: Instant,
    /// When the last line was due, and processor time and changes by then.
    line: (Instant, Duration, u64),
    checks: u64,
    tables: Tables,
    /// How many sessions were lost and should not have been.
    lost: usize,
    wrong: Vec<String>,
}

/// Runs it in the calling thread's network, with the speaker's files in `files`.
pub(crate) fn run(plan: Plan, files: Files, output: Output) -> Result<Verdict> {
    files.write(plan.layout, Variant::default())?;
    let speaker = Speaker::start(&plan.speaker, &files, plan.record.as_deref())?;
    let now = Instant::now();
    let control = Control::new(files.clone(), plan.layout);
    let soak = Soak {
        churn: Churn::new(plan.layout, plan.flaps, (plan.seed, control)),
        crowd: Crowd::new(plan.layout, now)?,
        probe: Probe::new(now),
        trend: Trend::default(),
        deaf: Deaf::default(),
        start: now,
        served: (now, Duration::ZERO),
        sampled: now,
        line: (now, Duration::ZERO, 0),
        checks: 0,
        tables: Tables::default(),
        lost: 0,
        wrong: Vec::new(),
        plan,
        output,
        speaker,
    };
    let ended = soak.run();
    ended.map_err(|error| anyhow!("{error:#}; the speaker's last words:\n{}", files.log_end()))
}

impl Soak {
    fn run(mut self) -> Result<Verdict> {
        self.check()?;
        say(&format!(
            "{} clients hold {} prefixes after {:.1} s; the churn begins",
            self.plan.layout.clients,
            self.plan.layout.own() + 1,
            self.start.elapsed().as_secs_f64()
        ));
        let now = Instant::now();
        self.start = now;
        self.line = (now, self.speaker.cpu()?, 0);
        let mut churned = Duration::ZERO;
        while churned < self.plan.length && self.wrong.is_empty() {
            let stretch = self.plan.check.min(self.plan.length - churned);
            self.churn(stretch)?;
            churned += stretch;
            self.check()?;
        }
        self.wrong
            .extend(self.trend.growth().map(|(first, second)| {
                let [first, second] = [first, second].map(|octets| octets / 1e6);
                format!(
                    "memory grows: {first:.1} MB in the first half, {second:.1} MB in the second"
                )
            }));
        let total = self.now(self.probe.all(), (self.start, Duration::ZERO, 0))?;
        let stopped = self.speaker.stop().err();
        self.wrong
            .extend(stopped.map(|error| format!("stopping the speaker: {error:#}")));
        Ok(Verdict {
            wrong: self.wrong,
            total,
        })
    }

    /// Churns for a while, or until something is wrong.
    fn churn(&mut self, stretch: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < stretch && self.wrong.is_empty() {
            let now = Instant::now();
            self.churn.go_on(now, &mut self.crowd)?;
            self.probe.go_on(now, &mut self.crowd)?;
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for quiet and compares all tables with the model.
    fn check(&mut self) -> Result<()> {
        self.churn.rest(&mut self.crowd)?;
        let begun = Instant::now();
        let (mut updates, mut still, mut looked) = (u64::MAX, begun, begun);
        while self.wrong.is_empty() {
            self.turn()?;
            let now = Instant::now();
            let quiet = self.missing() == 0 && self.churn.is_answered()?;
            if !quiet || updates != self.crowd.tally.updates {
                (updates, still) = (self.crowd.tally.updates, now);
            }
            if now - begun > PATIENCE {
                let missing = self.missing();
                let wrong = format!("no quiet within {PATIENCE:?}; {missing} sessions are missing");
                self.wrong.push(wrong);
            }
            if now - still < STILL || now - looked < STILL {
                continue;
            }
            looked = now;
            let differences = Differences::of(&self.crowd, self.plan.layout);
            self.tables = differences.tables;
            if differences.is_none() {
                self.checks += 1;
                return Ok(());
            }
            if now - still >= QUIET {
                self.wrong.extend(differences.first);
            }
        }
        Ok(())
    }

    /// How many well-behaved clients have no session.
    fn missing(&self) -> usize {
        let clients = self.crowd.clients();
        clients
            .filter(|(_, client)| client.role().is_well_behaved() && client.state() != State::Up)
            .count()
    }

    /// Serves the clients, and looks at the speaker when that is due.
    fn turn(&mut self) -> Result<()> {
        self.crowd.turn()?;
        let now = Instant::now();
        self.served = (now, self.served.1.max(now - self.served.0));
        self.probe.look(now, &mut self.crowd);
        let lost = std::mem::take(&mut self.crowd.fates.lost);
        self.lost += lost.len();
        self.wrong.extend(lost.into_iter().take(TOLD));
        if now - self.sampled < SAMPLE {
            return Ok(());
        }
        self.sampled = now;
        self.speaker.check()?;
        let memory = self.speaker.memory()?;
        // What it takes to get going is no part of the trend.
        if self.checks > 0 {
            self.trend.note(now - self.start, memory);
        }
        self.judge(now);
        if self.checks > 0 && now - self.line.0 >= self.plan.line {
            let delays = self.probe.take_recent();
            let line = self.now(delays, self.line)?;
            self.line = (now, self.speaker.cpu()?, line.changes);
            self.output.line(&line)?;
        }
        Ok(())
    }

    /// What must not last.
    fn judge(&mut self, now: Instant) {
        if self.probe.waits(now) > PATIENCE {
            let wrong = format!("a change did not reach everyone within {PATIENCE:?}");
            self.wrong.push(wrong);
        }
        let (cut, told) = (self.crowd.fates.cut, self.crowd.heard(ANCHOR));
        if self.deaf.is_overdue(now, cut, told) {
            let wrong = "the client that never reads keeps its session".to_owned();
            self.wrong.push(wrong);
        }
    }

    /// How it stands, with processor time and changes counted from `since`.
    fn now(&self, delay: Delays, since: (Instant, Duration, u64)) -> Result<Line> {
        let (count, fates) = (&self.churn.count, &self.crowd.fates);
        let cpu = self.speaker.cpu()?.saturating_sub(since.1);
        let changes = count.changes.saturating_sub(since.2).max(1);
        Ok(Line {
            seconds: self.start.elapsed().as_secs_f64(),
            memory: self.trend.last(),
            memory_per_hour: self.trend.slope(),
            cpu_per_thousand: cpu.as_secs_f64() * 1e6 / changes as f64,
            changes: count.changes,
            delay,
            injector_pause: self.served.1.as_secs_f64() * 1e3,
            sessions: self.crowd.up(),
            left: fates.left,
            cut: fates.cut,
            refused: fates.refused.clone(),
            lost: self.lost,
            notifications: self.crowd.tally.notifications,
            updates: self.crowd.tally.updates,
            naps: count.naps,
            blunders: count.blunders,
            refreshes: count.refreshes,
            reloads: count.reloads,
            checks: self.checks,
            tables: self.tables,
        })
    }
}
