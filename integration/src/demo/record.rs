//! What a story has checked so far: told at once, shown together in the end.

use crate::cli::print;
use anyhow::Result;
use gingham_integration::{Progress, Report};
use std::process::ExitCode;

/// The checks of a story, and where it is told.
pub(super) struct Record {
    progress: Progress,
    report: Report,
}

impl Record {
    pub(super) fn new(progress: Progress) -> Self {
        Record {
            progress,
            report: Report::default(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// What happens next, where it takes a while.
    pub(super) fn say(&self, what: &str) {
        self.progress.say("demo", what);
    }

    /// Adds a check. One that failed does not end the story.
    pub(super) fn check(&mut self, name: &str, outcome: Result<String>) {
        let failed = outcome.is_err();
        self.report.record(name, outcome);
        self.progress.say(if failed { "FAIL" } else { "ok" }, name);
    }

    /// Shows all of it below a map. Exit code 1 when a check failed.
    pub(super) fn show(&self, map: &str) -> Result<ExitCode> {
        let report = &self.report;
        print(&format!(
            "\n{map}\n{report}\n{} checks, {} failed",
            report.total(),
            report.failed()
        ))?;
        Ok(match report.failed() {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}
