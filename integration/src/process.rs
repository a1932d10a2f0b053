//! A program that stays in a box until it is stopped or the box ends.

use crate::eventually;
use crate::procs::ProcessId;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A program started by [`LabBox::spawn`](crate::LabBox::spawn). Dropping it does not stop it.
#[derive(Debug)]
pub struct Process {
    name: String,
    /// `None` when it had ended before anyone could look.
    id: Option<ProcessId>,
    log: PathBuf,
}

impl Process {
    pub(crate) fn new(name: &str, id: Option<ProcessId>, log: PathBuf) -> Self {
        Process {
            name: name.to_owned(),
            id,
            log,
        }
    }

    /// Its pid, as seen from outside; `None` when it has ended.
    pub fn pid(&self) -> Option<i32> {
        self.id.filter(|id| id.alive()).map(|id| id.pid)
    }

    /// Whether it runs.
    pub fn running(&self) -> bool {
        self.pid().is_some()
    }

    /// Sends it a signal; one that has ended is no error.
    ///
    /// # Errors
    /// No permission.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.id.map_or(Ok(()), |id| id.signal(signal))
    }

    /// Waits until it has ended and returns what it printed.
    ///
    /// # Errors
    /// It still runs after `deadline`.
    pub fn wait(&self, deadline: Duration) -> Result<String> {
        eventually(&format!("the end of {}", self.name), deadline, || {
            if self.running() {
                bail!("it runs");
            }
            Ok(())
        })?;
        self.printed()
    }

    /// Signals it, waits for its end and returns what it printed.
    ///
    /// # Errors
    /// It still runs after `deadline`; it is then killed.
    pub fn stop(&self, signal: Signal, deadline: Duration) -> Result<String> {
        self.signal(signal)?;
        let ended = self.wait(deadline);
        if ended.is_err() {
            self.signal(Signal::SIGKILL)?;
        }
        ended
    }

    /// What it, and others of its name before it, printed so far, complaints included.
    ///
    /// # Errors
    /// The log file cannot be read.
    pub fn printed(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("reading {}", self.log.display()))
    }
}
