//! Processes as `/proc` shows them: named so that a recycled pid is never mistaken for an old one.

use anyhow::{Context, Result};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// A process: its pid, and when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessId {
    /// The pid, as seen from outside the boxes.
    pub pid: i32,
    /// Clock ticks between boot and its start: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
}

/// A process of a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is outside.
    pub id: ProcessId,
    /// Its pid in the box.
    pub inner: i32,
    /// Its name, at most 15 bytes: `/proc/PID/comm`.
    pub name: String,
    /// Its command line. Empty while it ends.
    pub argv: Vec<String>,
}

impl ProcessId {
    /// The process that has `pid` now; `None` when there is none.
    pub fn of(pid: i32) -> Option<Self> {
        let (_, start_time) = stat(pid)?;
        Some(ProcessId { pid, start_time })
    }

    /// Whether it runs. A zombie does not, once its last thread has ended: until then the process holds
    /// its sockets.
    pub fn alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, start_time)| {
            start_time == self.start_time
                && match state {
                    'X' => false,
                    'Z' => threads(self.pid) > 1,
                    _ => true,
                }
        })
    }

    /// Sends it a signal; a process that is gone is no error.
    ///
    /// # Errors
    /// No permission.
    pub fn signal(self, signal: Signal) -> Result<()> {
        if !self.alive() {
            return Ok(());
        }
        match signal::kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("sending {signal} to {}", self.pid)),
        }
    }
}

/// How many threads of a process there are, its own counted.
fn threads(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// State letter and start time of a process.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

/// The name stands in parentheses and may hold some itself; the third field follows the last one.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_time = fields.nth(22 - 4)?.parse().ok()?;
    Some((state, start_time))
}

/// The processes of the PID namespace whose process 1 is `init`. Empty when it is gone.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn members(init: ProcessId) -> Result<Vec<Member>> {
    let namespace =
        |pid: i32| -> Option<PathBuf> { fs::read_link(format!("/proc/{pid}/ns/pid")).ok() };
    let Some(own) = namespace(init.pid).filter(|_| init.alive()) else {
        return Ok(Vec::new());
    };
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry.context("reading /proc")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if namespace(pid).as_ref() == Some(&own) {
            members.extend(member(pid));
        }
    }
    Ok(members)
}

/// `None` when the process went away meanwhile.
fn member(pid: i32) -> Option<Member> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    Some(Member {
        id: ProcessId::of(pid)?,
        // One pid per nested namespace, the innermost last.
        inner: field("NSpid")?
            .split_ascii_whitespace()
            .last()?
            .parse()
            .ok()?,
        name: field("Name")?.to_owned(),
        argv: argv(pid)?,
    })
}

/// Words end with a zero byte each.
fn argv(pid: i32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) R b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9 9";
        assert_eq!(parse_stat(text), Some(('S', 4711)));
        assert_eq!(parse_stat("7 (cut"), None);
    }

    #[test]
    fn a_recycled_pid_is_not_the_old_process() {
        let own = ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.alive());
        let older = ProcessId {
            start_time: own.start_time - 1,
            ..own
        };
        assert!(!older.alive());
        older.signal(Signal::SIGKILL).unwrap();
    }
}
