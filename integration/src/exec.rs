//! Commands inside a box, each with a deadline.

use crate::procs::ProcessId;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take unless told otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// The search path in a box, as systemd and kubelet set it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// A command to run in a box, with nothing of the caller's environment but a search path.
#[derive(Clone, Debug)]
#[must_use]
pub struct Exec {
    on: String,
    init: ProcessId,
    argv: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Vec<u8>,
    deadline: Duration,
}

impl Exec {
    pub(crate) fn new(on: &str, init: ProcessId, argv: &[&str]) -> Self {
        Exec {
            on: on.to_owned(),
            init,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: Vec::new(),
            stdin: Vec::new(),
            deadline: DEADLINE,
        }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets how long it may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it, whatever its exit code.
    ///
    /// # Errors
    /// The box is gone, the command could not be started, or it did not end in time (it is killed).
    pub fn output(&self) -> Result<Output> {
        let what = || format!("{}: `{}`", self.on, self.argv.join(" "));
        self.try_output().with_context(what)
    }

    /// Runs it and returns what it printed.
    ///
    /// # Errors
    /// As [`Exec::output`], and an exit code other than 0, with what it complained about.
    pub fn text(&self) -> Result<String> {
        let Output {
            status,
            stdout,
            stderr,
        } = self.output()?;
        if !status.success() {
            bail!(
                "{}: `{}`: {status}: {}{}",
                self.on,
                self.argv.join(" "),
                stdout,
                stderr.trim()
            );
        }
        Ok(stdout)
    }

    /// The streams are files, not pipes: no reader can block, and a grandchild that keeps them open
    /// delays nobody.
    fn try_output(&self) -> Result<Output> {
        if !self.init.alive() {
            bail!("the box is gone");
        }
        let mut stdin = tempfile::tempfile().context("a file for stdin")?;
        stdin.write_all(&self.stdin).context("writing stdin")?;
        stdin.rewind().context("writing stdin")?;
        let mut stdout = tempfile::tempfile().context("a file for stdout")?;
        let mut stderr = tempfile::tempfile().context("a file for stderr")?;
        let mut child = nsenter(self.init, &self.argv)
            .envs(self.env.iter().cloned())
            .stdin(stdin)
            .stdout(stdout.try_clone().context("a file for stdout")?)
            .stderr(stderr.try_clone().context("a file for stderr")?)
            .process_group(0)
            .spawn()
            .context("starting nsenter")?;
        let ended = wait(&mut child, self.deadline)?;
        let (stdout, stderr) = (text(&mut stdout)?, text(&mut stderr)?);
        let Some(status) = ended else {
            bail!(
                "not done within {:?}, killed; so far: {stdout}{stderr}",
                self.deadline
            );
        };
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

/// `argv` in the namespaces of the box, without the caller's environment. Its PID namespace makes nsenter fork: its child is the one
/// in the box.
pub(crate) fn nsenter(init: ProcessId, argv: &[String]) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["-t", &init.pid.to_string(), "-n", "-m", "-p", "-u", "--"])
        .args(argv)
        .env_clear()
        .env("PATH", PATH);
    command
}

/// Waits until `child` ends; after `deadline` its whole process group is killed, so that what
/// nsenter has forked goes with it. `None` then.
pub(crate) fn wait(child: &mut Child, deadline: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("waiting")? {
            return Ok(Some(status));
        }
        if start.elapsed() >= deadline {
            let group = Pid::from_raw(i32::try_from(child.id()).context("a pid beyond i32")?);
            // A group that is gone by now is what we want.
            let _ = killpg(group, Signal::SIGKILL);
            child.wait().context("waiting")?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What was written to `file`. Bytes that are no UTF-8 are replaced, not refused: it is for people.
pub(crate) fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().context("reading back")?;
    file.read_to_end(&mut bytes).context("reading back")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Pipes for the streams that the caller talks to.
pub(crate) fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped())
}
