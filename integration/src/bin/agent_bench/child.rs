//! Children of the bench, with what they use of processor and memory. They die with the thread that
//! started them, so they are started only from one that stays until they end.

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the children print goes to this file, for when something fails.
const LOG: &str = "/run/bench.log";

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    pub(crate) started: Instant,
}

/// Memory of a process, in MB of 1,000,000 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// `VmHWM`: the most it ever had resident.
    pub(crate) peak: f64,
    /// `VmRSS`.
    pub(crate) resident: f64,
    /// `RssAnon`: what is its alone.
    pub(crate) anonymous: f64,
}

impl Running {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let log = File::options().create(true).append(true).open(LOG);
        let log = log.with_context(|| format!("opening {LOG}"))?;
        let started = Instant::now();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting setpriv for {}", program.display()))?;
        Ok(Running { child, started })
    }

    /// Processor time of all its threads up to now (`CLOCK_PROCESS_CPUTIME_ID` of it).
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let pid = Pid::from_raw(self.child.id().try_into()?);
        let now = clock_gettime(ClockId::pid_cpu_clock_id(pid)?)?;
        Ok(now.into())
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let field = |name: &str| -> Result<f64> {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(field, _)| *field == name);
            let (_, value) = found.with_context(|| format!("{path}: no {name}"))?;
            let kilobytes = value.trim().trim_end_matches(" kB").parse::<f64>()?;
            Ok(kilobytes * 1024.0 / 1e6)
        };
        Ok(Memory {
            peak: field("VmHWM")?,
            resident: field("VmRSS")?,
            anonymous: field("RssAnon")?,
        })
    }

    /// Waits until it ends by itself, and says what processor time it took from its start on.
    pub(crate) fn finish(mut self) -> Result<Duration> {
        let before = children()?;
        let status = self.child.wait().context("waiting for a child")?;
        ensure!(status.success(), "{status}: {}", log_end());
        Ok(children()?.saturating_sub(before))
    }

    /// Kills it, as a crash would, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing a child")?;
        self.child.wait().context("waiting for a child")?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `finish` or `kill` there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what the children printed.
pub(crate) fn log_end() -> String {
    let text = fs::read_to_string(LOG).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(5)..);
    last.unwrap_or_default().join("\n")
}

/// Processor time of all children that have ended.
fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}
