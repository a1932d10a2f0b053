//! The speaker as a process: what it is told, what it uses, and its control socket. It dies with the
//! thread that started it.

use crate::layout::{ASN, Layout, RANGE, REFLECTOR, text};
use crate::model::{EXPORT_RANGE, IMPORT_RANGE, Variant};
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::eventually;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a start or an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of its log is worth showing.
const LOG_LINES: usize = 10;

pub(crate) struct Speaker {
    child: Child,
    files: Files,
}

/// Where its files are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    /// All in one folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Files { folder }
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("speaker.yaml")
    }

    fn control(&self) -> PathBuf {
        self.folder.join("control")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Writes the settings of a variant.
    pub(crate) fn write(&self, layout: Layout, variant: Variant) -> Result<()> {
        let path = self.settings();
        fs::write(&path, settings(layout, variant)).with_context(|| path.display().to_string())
    }

    /// Sends a command to the control socket; any answer but an error will do.
    pub(crate) fn command(&self, line: &str) -> Result<()> {
        let mut socket = UnixStream::connect(self.control())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        writeln!(socket, "{line}")?;
        socket.shutdown(Shutdown::Write)?;
        let mut said = String::new();
        socket.read_to_string(&mut said)?;
        let said: serde_json::Value = serde_json::from_str(&said)?;
        match said.get("error") {
            Some(error) => bail!("{line}: {error}"),
            None => Ok(()),
        }
    }

    /// The end of what the speaker logged.
    pub(crate) fn log_end(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LOG_LINES)..);
        last.unwrap_or_default().join("\n")
    }
}

impl Speaker {
    /// Starts it in the calling thread's namespaces, and waits until it answers.
    pub(crate) fn start(program: &Path, files: &Files, record: Option<&Path>) -> Result<Self> {
        let log = File::create(files.log()).context("creating the log")?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .arg(files.settings())
            .arg("--control")
            .arg(files.control());
        if let Some(record) = record {
            command.arg("--record").arg(record);
        }
        // The log is read as text.
        let child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting setpriv for {}", program.display()))?;
        let mut speaker = Speaker {
            child,
            files: files.clone(),
        };
        eventually("the speaker answers", PATIENCE, || {
            files.command("peers").or_else(|error| {
                speaker.check()?;
                Err(error)
            })
        })?;
        Ok(speaker)
    }

    /// Nothing, while it still runs.
    ///
    /// # Errors
    /// It ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the speaker ended: {status}: {}", self.files.log_end()),
        }
    }

    /// Processor time up to now.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let pid = Pid::from_raw(self.child.id().try_into()?);
        let clock = ClockId::pid_cpu_clock_id(pid)?;
        Ok(clock_gettime(clock)?.into())
    }

    /// Memory, `VmRSS`, in octets.
    pub(crate) fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let found = found.with_context(|| format!("no VmRSS in {path}"))?;
        let kilobytes: u64 = found.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }

    /// Asks it to end, and sees that it does.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().try_into()?);
        nix::sys::signal::kill(pid, Signal::SIGTERM).context("SIGTERM")?;
        eventually("the speaker ends", PATIENCE, || {
            let status = self.child.try_wait()?.context("it runs")?;
            ensure!(status.success(), "{status}");
            Ok(())
        })
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(layout: Layout, variant: Variant) -> String {
    let rule = |refused: Option<&str>| {
        let refused = refused.map(|range| {
            let prefix = format!("{{prefix: {range}, minLength: 20}}");
            format!("rules: [{{name: soak, prefixes: [{prefix}], then: reject}}], ")
        });
        refused.unwrap_or_default()
    };
    format!(
        "asn: {ASN}
routerId: {REFLECTOR}
listen: [\"{REFLECTOR}:179\"]
gracefulRestart: {{restartSeconds: 60, deferralSeconds: 0}}
ranges:
  - {{name: clients, prefix: {RANGE}, limit: 65535, asn: {ASN}, role: client, import: said, export: told}}
filters:
  said: {{{}otherwise: accept}}
  told: {{{}otherwise: accept}}
announce:
  - {{prefix: {}, med: {}}}
",
        rule(variant.refuses_import().then_some(IMPORT_RANGE)),
        rule(variant.refuses_export().then_some(EXPORT_RANGE)),
        text(layout.own()),
        variant.number,
    )
}
