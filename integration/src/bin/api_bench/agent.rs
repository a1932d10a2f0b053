//! An agent on its node: what it costs, what it says, and what it has put into the kernel.

use crate::metric::Who;
use crate::plan::{ANOTHER, MASTER, Plan, WORKER};
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::kubernetes::{Api, Relay};
use gingham_integration::topology::UPLINK;
use gingham_integration::{Lab, LabBox, Process, eventually};
use gingham_model::{Owner, TABLE_MAIN};
use gingham_netlink::monitor::{Heard, Object, Op};
use gingham_netlink::{Monitor, Netns, Socket};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an answer of the kernel may take.
const KERNEL: Duration = Duration::from_secs(10);
/// Ten times what anything here takes, and more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Room for the events of a flood of routes.
const EVENTS: usize = 256 << 20;

/// The node of one agent, with its way to the API server.
pub(crate) struct Stand {
    pub(crate) who: Who,
    pub(crate) host: LabBox,
    pub(crate) relay: Relay,
    program: PathBuf,
    kubeconfig: PathBuf,
    netns: Netns,
}

/// One that runs.
pub(crate) struct Agent<'a> {
    stand: &'a Stand,
    process: Process,
    pid: i32,
    pub(crate) started: Instant,
    monitor: Monitor,
}

/// Memory in MB of 1,000,000 bytes.
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) peak: f64,
}

impl Stand {
    pub(crate) fn new(lab: &Lab, api: &Api, who: Who, program: &Path) -> Result<Self> {
        let host = lab.at(who.node())?.clone();
        let relay = api.relay_in(&host)?;
        let token = api.token_for(who.account(), who.node())?;
        let url = format!("https://{}", relay.address());
        let pid = host.init().pid;
        Ok(Stand {
            who,
            kubeconfig: api.kubeconfig(who.node(), &url, &token)?,
            program: program.to_owned(),
            netns: Netns::open(Path::new(&format!("/proc/{pid}/ns/net")))?,
            host,
            relay,
        })
    }

    /// Starts the agent as if it had never run here.
    pub(crate) fn start(&self) -> Result<Agent<'_>> {
        let script = "rm -rf /var/lib/gingham /run/gingham
            for family in -4 -6; do for protocol in 201 202 203; do
            ip $family route flush proto $protocol; done; done";
        self.host.exec(&["sh", "-c", script])?;
        let monitor = self.netns.visit(|| Monitor::open_with(EVENTS))??;
        let words = [
            &*self.program.to_string_lossy(),
            "run",
            "--kubeconfig",
            &self.kubeconfig.to_string_lossy(),
            "--node",
            self.who.node(),
        ];
        let started = Instant::now();
        let process = self.host.spawn("agent", &words)?;
        let pid = process.pid().context("the agent has ended")?;
        Ok(Agent {
            stand: self,
            process,
            pid,
            started,
            monitor,
        })
    }

    /// Whether the kernel has the routes of `plan` and no other direct ones.
    pub(crate) fn check(&self, plan: &Plan) -> Result<()> {
        let (want, mut have) = self.netns.visit(|| -> Result<_> {
            let mut socket = Socket::open(KERNEL)?;
            let dev = socket.link(UPLINK)?.index;
            Ok((
                plan.routes(self.who.node(), dev),
                socket.routes(TABLE_MAIN)?,
            ))
        })??;
        have.retain(|route| route.protocol == Owner::Direct.protocol());
        let mut wrong = have
            .iter()
            .filter(|route| want.get(&route.key) != Some(*route));
        if let Some(wrong) = wrong.next() {
            bail!("{}: a route nobody wants: {wrong:?}", self.who);
        }
        let (have, want) = (have.len(), want.len());
        ensure!(
            have == want,
            "{}: {have} routes instead of {want}",
            self.who
        );
        Ok(())
    }
}

impl Agent<'_> {
    /// Where it runs.
    pub(crate) fn stand(&self) -> &Stand {
        self.stand
    }

    /// When the `count`th direct route was there.
    pub(crate) fn last_route(&mut self, count: usize) -> Result<Instant> {
        let mut there = 0;
        let mut last = self.started;
        while there < count {
            self.running()?;
            if self.started.elapsed() > PATIENCE {
                bail!("{}: {there} of {count} routes in time", self.stand.who);
            }
            match self.monitor.hear()? {
                Heard::Nothing => std::thread::sleep(Duration::from_millis(1)),
                Heard::Notices(notices) => {
                    last = Instant::now();
                    let direct = |object: &Object| match object {
                        Object::Route(route) => route.protocol == Owner::Direct.protocol(),
                        _ => false,
                    };
                    let new = notices.iter().filter(|notice| notice.op == Op::New);
                    there += new.filter(|notice| direct(&notice.object)).count();
                }
                _ => bail!("the bench itself lost route events"),
            }
        }
        Ok(last)
    }

    /// Waits until it says that the kernel has what it wants and every source is synced.
    pub(crate) fn wait_synced(&self) -> Result<()> {
        let what = format!("the agent of {} is ready", self.stand.who.node());
        eventually(&what, PATIENCE, || {
            let status = self.status()?;
            ensure!(status["ready"] == true, "{}", status["reasons"]);
            let unsynced = sources(&status).find(|source| source["state"] != "Synced");
            ensure!(unsynced.is_none(), "{unsynced:?}");
            Ok(())
        })
    }

    /// Waits until it has noticed that the API server is gone.
    pub(crate) fn wait_lost(&self) -> Result<()> {
        let what = format!(
            "the agent of {} misses the API server",
            self.stand.who.node()
        );
        eventually(&what, PATIENCE, || {
            let status = self.status()?;
            ensure!(status["ready"] == true, "not ready: {}", status["reasons"]);
            let lost = sources(&status).any(|source| source["state"] != "Synced");
            ensure!(lost, "{}", status["sources"]);
            Ok(())
        })
    }

    pub(crate) fn status(&self) -> Result<Value> {
        self.running()?;
        let program = self.stand.program.to_string_lossy();
        let text = self.stand.host.exec(&[&*program, "status", "-o", "json"])?;
        serde_json::from_str(&text).context("gingham-agent status")
    }

    fn running(&self) -> Result<()> {
        if !self.process.running() {
            let printed = self.process.printed()?;
            let lines: Vec<&str> = printed.lines().collect();
            let last = &lines[lines.len().saturating_sub(5)..];
            bail!("the agent has ended: {}", last.join("\n"));
        }
        Ok(())
    }

    /// Processor time of all its threads up to now.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(self.pid))?;
        Ok(clock_gettime(clock)?.into())
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/status", self.pid);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let field = |name: &str| -> Result<f64> {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(field, _)| *field == name);
            let (_, value) = found.with_context(|| format!("{path}: no {name}"))?;
            let kilobytes = value.trim().trim_end_matches(" kB").parse::<f64>()?;
            Ok(kilobytes * 1024.0 / 1e6)
        };
        Ok(Memory {
            resident: field("VmRSS")?,
            peak: field("VmHWM")?,
        })
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(self) -> Result<()> {
        self.process.stop(Signal::SIGKILL, KERNEL).map(|_| ())
    }
}

impl Who {
    /// The node it runs on, or says that it does.
    pub(crate) fn node(self) -> &'static str {
        match self {
            Who::Worker => WORKER,
            Who::Master => MASTER,
            Who::Floor => ANOTHER,
        }
    }

    /// Who it is to the API server.
    pub(crate) fn account(self) -> &'static str {
        match self {
            Who::Worker | Who::Floor => "gingham-node",
            Who::Master => "gingham-reflector",
        }
    }
}

fn sources(status: &Value) -> impl Iterator<Item = &Value> {
    status["sources"].as_array().into_iter().flatten()
}
