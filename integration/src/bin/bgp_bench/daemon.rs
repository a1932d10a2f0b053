//! The reflector under measurement, with all its processes: what they use of processor and memory.
//! It dies with the thread that started it, so it is started only from one that stays until it ends.

use crate::rival::Launch;
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::{ProcessId, eventually};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a daemon prints goes to this file, for when something fails.
const LOG: &str = "/run/bench.log";
/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks for its socket.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Daemon {
    child: Child,
}

/// Memory of all processes, in MB of 1,000,000 bytes. Pages that several share count for each.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// `VmRSS`.
    pub(crate) resident: f64,
    /// `VmHWM`: the most each ever had.
    pub(crate) peak: f64,
}

impl Daemon {
    /// Starts it in the calling thread's namespaces, and waits until it listens.
    pub(crate) fn start(launch: &Launch) -> Result<Self> {
        let log = File::create(LOG).with_context(|| format!("creating {LOG}"))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&launch.program)
            .args(&launch.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting setpriv for {}", launch.program.display()))?;
        let mut daemon = Daemon { child };
        let start = Instant::now();
        while !listening()? {
            daemon.check()?;
            let late = start.elapsed() > PATIENCE;
            ensure!(!late, "it does not listen on port 179: {}", log_end());
            sleep(PAUSE);
        }
        Ok(daemon)
    }

    /// Whether it still runs.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended: {status}: {}", log_end()),
        }
    }

    /// Processor time of all processes up to now.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let clock = |pid: i32| -> Result<Duration> {
            let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))?;
            Ok(clock_gettime(clock)?.into())
        };
        self.tree()?.into_iter().map(clock).sum()
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
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
    pub(crate) fn kill(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let tree = self.tree()?;
        let tree: Vec<_> = tree.into_iter().filter_map(ProcessId::of).collect();
        for process in &tree {
            process.signal(Signal::SIGKILL)?;
        }
        self.child.wait().context("waiting for the reflector")?;
        eventually("the reflector is gone", PATIENCE, || {
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

impl Drop for Daemon {
    fn drop(&mut self) {
        // After `kill` there is nothing left to do.
        let _ = self.kill();
    }
}

/// The end of what the last daemon printed.
pub(crate) fn log_end() -> String {
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

/// Whether someone listens on BGP's port in the calling thread's namespace. A look disturbs nobody,
/// where a connection would.
fn listening() -> Result<bool> {
    // Listening sockets come first in it.
    let mut text = vec![0; 4096];
    let length = File::open("/proc/thread-self/net/tcp")?.read(&mut text)?;
    text.truncate(length);
    let text = String::from_utf8_lossy(&text);
    // Local address, remote address, state: port 179, TCP_LISTEN.
    let listens = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(":00B3"));
        local && fields.nth(1) == Some("0A")
    };
    Ok(text.lines().any(listens))
}
