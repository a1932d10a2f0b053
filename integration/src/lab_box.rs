//! A box from outside: starting it, running things in it, ending it.

use crate::exec::{self, Exec};
use crate::init::{BOOT_ID, InitSpec};
use crate::process::Process;
use crate::procs::{self, Member, ProcessId};
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command};
use std::time::{Duration, Instant};

/// How long a box may take to come up or to vanish.
const DEADLINE: Duration = Duration::from_secs(20);

/// A box. Cheap to clone: it is a name for what the kernel holds.
#[derive(Clone, Debug)]
pub struct LabBox {
    name: String,
    init: ProcessId,
    tools: Tools,
}

/// What outside of the box its verbs need.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The `lab` executable.
    pub(crate) lab: PathBuf,
    /// The folder of log files.
    pub(crate) logs: PathBuf,
}

impl LabBox {
    pub(crate) fn new(name: &str, init: ProcessId, tools: Tools) -> Self {
        LabBox {
            name: name.to_owned(),
            init,
            tools,
        }
    }

    /// Its name and host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process 1, as seen from outside.
    pub fn init(&self) -> ProcessId {
        self.init
    }

    /// Whether it stands.
    pub fn alive(&self) -> bool {
        self.init.alive()
    }

    /// The path outside of a file in the box, to read and write it. `inside` is absolute.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init.pid))
    }

    /// A command in the box, to be given more and then run.
    pub fn command(&self, argv: &[&str]) -> Exec {
        Exec::new(&self.name, self.init, argv)
    }

    /// Runs a command in the box and returns what it printed.
    ///
    /// # Errors
    /// As [`Exec::text`].
    pub fn exec(&self, argv: &[&str]) -> Result<String> {
        self.command(argv).text()
    }

    /// A command in the box on the caller's own streams and terminal; not started yet.
    ///
    /// # Errors
    /// The box is gone.
    pub fn interactive(&self, argv: &[String]) -> Result<Command> {
        if !self.alive() {
            bail!("{}: the box is gone", self.name);
        }
        let mut command = exec::nsenter(self.init, argv);
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        Ok(command)
    }

    /// Starts a program that stays, as a child of the box's process 1. What it prints goes to a log
    /// file of this `name`; a second program of the name appends to it.
    ///
    /// # Errors
    /// The program could not be started; the log says why.
    pub fn spawn(&self, name: &str, argv: &[&str]) -> Result<Process> {
        let path = self.log(name);
        let what = || format!("{}: spawning `{}`", self.name, argv.join(" "));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        let lab = self.tools.lab.to_string_lossy();
        let words = [&[&*lab, "spawn", "--"], argv].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let mut launcher = exec::nsenter(self.init, &words);
        let mut launcher = exec::piped(&mut launcher)
            .stderr(log)
            .spawn()
            .with_context(what)?;
        let inner = read_to_end(&mut launcher, exec::DEADLINE).with_context(what)?;
        launcher.wait().with_context(what)?;
        let inner: i32 = inner.trim().parse().with_context(|| {
            let log = fs::read_to_string(&path).unwrap_or_default();
            format!(
                "{}: {}",
                what(),
                log.lines().last().unwrap_or("no pid came back")
            )
        })?;
        let id = self
            .processes()?
            .into_iter()
            .find(|member| member.inner == inner);
        Ok(Process::new(name, id.map(|member| member.id), path))
    }

    /// The log file of the programs spawned under `name`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.tools.logs.join(format!("{}.{name}.log", self.name))
    }

    /// The `lab` executable, which the boxes see under the same path.
    pub fn lab_executable(&self) -> &Path {
        &self.tools.lab
    }

    /// What runs in the box, its process 1 included.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn processes(&self) -> Result<Vec<Member>> {
        procs::members(self.init)
    }

    /// Gives the box another boot id, as after a reboot.
    ///
    /// # Errors
    /// The box is gone.
    pub fn set_boot_id(&self, id: &str) -> Result<()> {
        let path = self.path(BOOT_ID);
        fs::write(&path, format!("{id}\n")).with_context(|| format!("{}: {BOOT_ID}", self.name))
    }

    /// Ends the box with everything in it: the power plug.
    ///
    /// # Errors
    /// It is still there after 20 s.
    pub fn kill(&self) -> Result<()> {
        self.init.signal(Signal::SIGKILL)?;
        crate::eventually(&format!("the end of {}", self.name), DEADLINE, || {
            if self.alive() {
                bail!("process {} is there", self.init.pid);
            }
            Ok(())
        })
    }
}

/// A box on its way.
pub(crate) struct Starting {
    name: String,
    maker: Child,
    tools: Tools,
}

/// The owner's end of a box's lifeline: dropping it ends the box.
#[derive(Debug)]
pub(crate) struct Lifeline(ChildStdin);

impl Lifeline {
    /// Sets the box free.
    pub(crate) fn release(mut self) -> Result<()> {
        self.0.write_all(b"!").context("releasing a box")
    }
}

impl Starting {
    /// Starts a box without waiting for it.
    pub(crate) fn start(spec: &InitSpec, tools: &Tools) -> Result<Self> {
        let what = || format!("starting box {}", spec.name);
        let log = tools.logs.join(format!("{}.init.log", spec.name));
        let log = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let json = serde_json::to_string(spec).with_context(what)?;
        let mut maker = Command::new(&tools.lab);
        let maker = maker.args(["box", &json]).stderr(log);
        Ok(Starting {
            name: spec.name.clone(),
            maker: exec::piped(maker).spawn().with_context(what)?,
            tools: tools.clone(),
        })
    }

    /// Waits until its process 1 has prepared everything.
    pub(crate) fn finish(mut self) -> Result<(LabBox, Lifeline)> {
        let what = || format!("box {}", self.name);
        // Taken first: waiting for a child closes its stdin.
        let lifeline = self.maker.stdin.take().context("the lifeline is gone")?;
        let said = read_to_end(&mut self.maker, DEADLINE).with_context(what)?;
        self.maker.wait().with_context(what)?;
        let field = |key: &str| said.lines().find_map(|line| line.strip_prefix(key));
        if let Some(why) = field("failed ") {
            bail!("box {}: {why}", self.name);
        }
        let pid = field("pid ").and_then(|pid| pid.parse().ok());
        let Some(init) = pid
            .and_then(ProcessId::of)
            .filter(|_| field("ready").is_some())
        else {
            let log = self.tools.logs.join(format!("{}.init.log", self.name));
            let log = fs::read_to_string(log).unwrap_or_default();
            bail!("box {}: did not come up: {said}{log}", self.name);
        };
        Ok((
            LabBox::new(&self.name, init, self.tools),
            Lifeline(lifeline),
        ))
    }
}

/// What the child's stdout brings until all who hold it let go.
fn read_to_end(child: &mut Child, deadline: Duration) -> Result<String> {
    let mut stdout = child.stdout.take().context("its stdout is gone")?;
    let end = Instant::now() + deadline;
    let mut bytes = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).context("a deadline beyond the kernel's")?;
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => bail!("no answer within {deadline:?}"),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error).context("poll"),
        }
        let mut part = [0; 512];
        match stdout.read(&mut part).context("reading its answer")? {
            0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
}
