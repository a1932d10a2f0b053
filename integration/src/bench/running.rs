//! A child under measurement, with all its processes: what they use of processor and memory. It dies
//! with the thread that started it, so it is started only from one that stays until it ends.

use crate::{ProcessId, eventually};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// What children print goes to this file, for when something fails.
const LOG: &str = "/run/bench.log";
/// How long an end may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How to start one.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its executable.
    pub program: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
}

/// One that was started.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

/// Memory of all processes, in MB of 1,000,000 bytes. Pages that several share count for each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// `VmRSS`.
    pub resident: f64,
    /// `VmHWM`: the most each ever had.
    pub peak: f64,
}

impl Launch {
    /// With the words of a line as arguments.
    pub fn of(program: impl Into<PathBuf>, line: &str) -> Self {
        Launch {
            program: program.into(),
            arguments: line.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl Running {
    /// Starts it in the calling thread's namespaces.
    ///
    /// # Errors
    /// There is no such program.
    pub fn start(launch: &Launch) -> Result<Self> {
        let log = File::options().create(true).append(true).open(LOG);
        let log = log.with_context(|| format!("opening {LOG}"))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&launch.program)
            .args(&launch.arguments)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting setpriv for {}", launch.program.display()))?;
        Ok(Running { child })
    }

    /// Where it reads what it is told as it runs, once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It does not; with the last that it printed.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended: {status}: {}", log_end()),
        }
    }

    /// Processor time of all processes up to now.
    ///
    /// # Errors
    /// One has just ended.
    pub fn cpu(&self) -> Result<Duration> {
        let clock = |pid: i32| -> Result<Duration> {
            let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))?;
            Ok(clock_gettime(clock)?.into())
        };
        self.tree()?.into_iter().map(clock).sum()
    }

    /// Memory of all processes.
    ///
    /// # Errors
    /// One has just ended.
    pub fn memory(&self) -> Result<Memory> {
        let mut sum = Memory::default();
        for pid in self.tree()? {
            let path = format!("/proc/{pid}/status");
            let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            sum.resident += field(&text, "VmRSS").with_context(|| path.clone())?;
            sum.peak += field(&text, "VmHWM").with_context(|| path.clone())?;
        }
        Ok(sum)
    }

    /// Kills all processes at once, as a crash would, and waits until they are gone.
    ///
    /// # Errors
    /// One stays.
    pub fn kill(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let tree = self.tree()?;
        let tree: Vec<_> = tree.into_iter().filter_map(ProcessId::of).collect();
        for process in &tree {
            process.signal(Signal::SIGKILL)?;
        }
        self.child.wait().context("waiting for a child")?;
        eventually("a child is gone", PATIENCE, || {
            match tree.iter().find(|process| process.alive()) {
                None => Ok(()),
                Some(process) => bail!("{} lives", process.pid),
            }
        })
    }

    /// The pids of the process and all below it.
    fn tree(&self) -> Result<Vec<i32>> {
        let mut tree = vec![i32::try_from(self.child.id())?];
        let mut next = 0;
        while let Some(pid) = tree.get(next).copied() {
            next += 1;
            // Each thread has children of its own; a process that has just ended has none.
            let threads = fs::read_dir(format!("/proc/{pid}/task"));
            for thread in threads.into_iter().flatten().flatten() {
                let text = fs::read_to_string(thread.path().join("children"));
                let text = text.unwrap_or_default();
                tree.extend(text.split_whitespace().flat_map(str::parse::<i32>));
            }
        }
        Ok(tree)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `kill` there is nothing left to do.
        let _ = self.kill();
    }
}

/// The end of what the children printed.
pub fn log_end() -> String {
    let text = fs::read_to_string(LOG).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(5)..);
    last.unwrap_or_default().join("\n")
}

/// A field of `/proc/PID/status` in kB, as MB.
fn field(text: &str, name: &str) -> Result<f64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(field, _)| *field == name);
    let (_, value) = found.with_context(|| format!("no {name}"))?;
    let kilobytes = value.trim().trim_end_matches(" kB").parse::<f64>()?;
    Ok(kilobytes * 1024.0 / 1e6)
}
