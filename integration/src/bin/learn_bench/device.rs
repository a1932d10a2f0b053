//! The one under test, with all it consists of.

use crate::rival::{Life, Rival};
use crate::{case::Case, metric::Metric};
use anyhow::{Context, Result};
use gingham_integration::bench::{Launch, Memory, Placement, Running, Sample, milliseconds};
use nix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::process::ChildStdin;
use std::time::Duration;

/// What to run, and how.
pub(crate) struct Run<'a> {
    pub(crate) rival: Rival,
    pub(crate) program: &'a Path,
    pub(crate) case: Case,
    pub(crate) placement: Placement,
    /// How long a phase may take.
    pub(crate) limit: Duration,
}

/// Its processes.
pub(crate) struct Device(Vec<Running>);

impl Device {
    /// Starts it in the calling thread's namespaces.
    pub(crate) fn start(run: &Run<'_>, life: Life) -> Result<Self> {
        let launches = run.rival.launches(run.program, life, run.case);
        let start = |launch: &Launch| run.placement.start(|| Running::start(launch));
        launches
            .iter()
            .map(start)
            .collect::<Result<_>>()
            .map(Device)
    }

    /// Kills all of it, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(Running::kill)
    }

    /// Whether all of it still runs.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(Running::check)
    }

    /// Where it reads what it is told, once.
    pub(crate) fn stdin(&mut self) -> Result<ChildStdin> {
        let stdin = self.0.first_mut().and_then(Running::stdin);
        stdin.context("nothing that hears")
    }

    /// Processor time of all of it, up to now.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.0.iter().map(Running::cpu).sum()
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut sum = Memory::default();
        for process in &self.0 {
            let memory = process.memory()?;
            sum.resident += memory.resident;
            sum.peak += memory.peak;
        }
        Ok(sum)
    }
}

/// Notes a duration.
pub(crate) fn note(sample: &mut Sample<Metric>, metric: Metric, took: Duration) {
    sample.insert(metric, milliseconds(took));
}

/// Processor time of the bench, which is the calling thread.
pub(crate) fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
