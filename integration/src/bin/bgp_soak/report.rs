//! What is printed: a line now and then, and the verdict.

use crate::cli::Output;
use crate::probe::Delays;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

/// How it stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// Seconds since the churn began.
    pub(crate) seconds: f64,
    /// `VmRSS`, in octets.
    pub(crate) memory: f64,
    /// How fast it grows, over the whole run.
    pub(crate) memory_per_hour: f64,
    /// Processor time of the speaker since the last line, in milliseconds per 1,000 changes.
    pub(crate) cpu_per_thousand: f64,
    /// Prefixes changed since the start.
    pub(crate) changes: u64,
    /// From a change to the last client, since the last line.
    pub(crate) delay: Delays,
    /// The longest that the soak itself took to serve all clients once, since the start, in
    /// milliseconds: delays cannot be told more exactly.
    pub(crate) injector_pause: f64,
    pub(crate) sessions: usize,
    /// Sessions that clients ended.
    pub(crate) left: u64,
    /// Times the deaf client was cut off.
    pub(crate) cut: u64,
    /// Sessions that ended before they were up, by how.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Sessions that were lost and should not have been.
    pub(crate) lost: usize,
    /// NOTIFICATIONs received.
    pub(crate) notifications: u64,
    /// UPDATEs received by all clients.
    pub(crate) updates: u64,
    pub(crate) naps: u64,
    pub(crate) blunders: u64,
    pub(crate) refreshes: u64,
    pub(crate) reloads: u64,
    /// How often all tables were checked.
    pub(crate) checks: u64,
    pub(crate) tables: Tables,
}

/// What the last check found, over all tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tables {
    /// Prefixes wanted and not held.
    pub(crate) missing: usize,
    /// Prefixes held and not wanted.
    pub(crate) unexpected: usize,
    /// Prefixes held otherwise than wanted.
    pub(crate) different: usize,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    /// What was wrong; nothing is `ok`.
    pub(crate) wrong: Vec<String>,
    /// How it stood in the end; the delays are those of the whole run.
    pub(crate) total: Line,
}

impl Verdict {
    pub(crate) fn is_ok(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { delay, tables, .. } = self;
        write!(
            f,
            "{:.0} s: {:.1} MB ({:+.1} MB/h), {:.1} ms CPU per 1,000 of {} changes, ",
            self.seconds,
            self.memory / 1e6,
            self.memory_per_hour / 1e6,
            self.cpu_per_thousand,
            self.changes,
        )?;
        write!(
            f,
            "delay {:.1}/{:.1}/{:.1} ms (median/p99/max of {}; own pause {:.1} ms), {} sessions ({} left, {} cut off, {} refused, {} lost), ",
            delay.median,
            delay.p99,
            delay.max,
            delay.count,
            self.injector_pause,
            self.sessions,
            self.left,
            self.cut,
            self.refused.values().sum::<u64>(),
            self.lost,
        )?;
        write!(
            f,
            "{} notifications, {} updates; {} naps, {} blunders, {} refreshes, {} reloads; ",
            self.notifications,
            self.updates,
            self.naps,
            self.blunders,
            self.refreshes,
            self.reloads,
        )?;
        write!(
            f,
            "{} checks: {} missing, {} unexpected, {} different",
            self.checks, tables.missing, tables.unexpected, tables.different
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            return write!(f, "verdict: ok");
        }
        write!(f, "verdict: wrong")?;
        self.wrong
            .iter()
            .try_for_each(|wrong| write!(f, "\n  {wrong}"))
    }
}

impl Output {
    pub(crate) fn line(self, line: &Line) -> Result<()> {
        match self {
            Output::Text => {
                say(&line.to_string());
                Ok(())
            }
            Output::Json => document(line),
        }
    }

    pub(crate) fn verdict(self, verdict: &Verdict) -> Result<()> {
        match self {
            Output::Text => {
                for (how, times) in &verdict.total.refused {
                    say(&format!("refused {times} times: {how}"));
                }
                say(&format!("in all: {}", verdict.total));
                Ok(writeln!(std::io::stdout(), "{verdict}")?)
            }
            Output::Json => document(&serde_json::json!({
                "verdict": if verdict.is_ok() { "ok" } else { "wrong" },
                "wrong": verdict.wrong,
                "total": verdict.total,
            })),
        }
    }
}

fn document(of: &impl Serialize) -> Result<()> {
    Ok(writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string(of)?
    )?)
}

/// Progress.
pub(crate) fn say(line: &str) {
    // Without stderr nobody can be told.
    let _ = writeln!(std::io::stderr(), "{line}");
}
