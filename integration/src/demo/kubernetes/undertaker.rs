//! The story in a process of its own, and what is done when that has ended, however it did.
//!
//! A fleet's boxes end with the process that made them, even by `kill -9`. Its files are in the folder that we
//! give it for them, its control groups bear its pid: both are taken away here.

use anyhow::{Context, Result};
use gingham_integration::{eventually, fleet};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use std::fs;
use std::io::{ErrorKind, Write, stderr};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

/// How long files may be written to after their writers were killed.
const GRACE: Duration = Duration::from_secs(20);
/// What asks for an early end.
const REQUESTS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Has the story told, and cleans up after it. Its exit code is ours.
pub(crate) fn run() -> Result<ExitCode> {
    let mut awaited = SigSet::from_iter(REQUESTS);
    awaited.add(Signal::SIGCHLD);
    awaited.thread_block().context("blocking signals")?;
    let files = tempfile::Builder::new()
        .prefix("gingham-demo-")
        .tempdir()
        .context("a folder for the demo")?;
    let own = std::env::current_exe().context("finding the own executable")?;
    let mut story = Command::new(own)
        .arg("tell-kubernetes")
        .env("TMPDIR", files.path())
        .spawn()
        .context("starting the story")?;
    let ended = wait(&mut story, &awaited);
    fleet::bury(story.id())?;
    clear(files.path())?;
    ended.map(|(status, request)| exit_code(status, request))
}

/// To be called by the story: it ends when we do, and hears signals again.
pub(super) fn end_with_parent() -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("asking to end with the parent")?;
    SigSet::all().thread_unblock().context("unblocking signals")
}

/// Waits for the end of the story, which comes at once when it is asked for.
fn wait(story: &mut Child, awaited: &SigSet) -> Result<(ExitStatus, Option<Signal>)> {
    let mut request = None;
    loop {
        if let Some(status) = story.try_wait().context("waiting for the story")? {
            return Ok((status, request));
        }
        let signal = awaited.wait().context("waiting for a signal")?;
        if REQUESTS.contains(&signal) {
            // Nobody to tell that stderr is closed.
            let _ = writeln!(stderr(), "lab: {signal}: taking the cluster down");
            request = Some(signal);
            story.kill().context("ending the story")?;
        }
    }
}

/// As a shell has it for a process that a signal ended.
fn exit_code(status: ExitStatus, request: Option<Signal>) -> ExitCode {
    let by_signal = request.and_then(|signal| u8::try_from(128 + signal as i32).ok());
    let own = status.code().and_then(|code| u8::try_from(code).ok());
    by_signal.or(own).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn clear(folder: &Path) -> Result<()> {
    let what = format!("removing {}", folder.display());
    eventually(&what, GRACE, || match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    })
}
