//! A box that is a router with a routing daemon: started, asked, stopped.

mod bird;
mod frr;

use crate::eventually;
use crate::lab_box::LabBox;
use crate::procs::Member;
use crate::topology::{Daemon, Neighbour, RouterPlan, Timers};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

/// Where the configuration is, in the box; goes with the box.
const FOLDER: &str = "/run/router";
/// What both daemons call the state in which routes are exchanged.
const ESTABLISHED: &str = "Established";
/// How long a daemon may take to answer for the first time, or to end.
const DEADLINE: Duration = Duration::from_secs(20);

/// A router. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    host: LabBox,
    plan: RouterPlan,
    timers: Timers,
}

/// A program of a suite, and the file in the box that is there once it can be talked to.
struct Program {
    name: &'static str,
    command: String,
    answers_at: &'static str,
}

/// What is particular to one suite of daemons.
trait Suite {
    /// Its files: path in the box, and text.
    fn files(&self, plan: &RouterPlan, timers: Timers) -> Vec<(String, String)>;

    /// Commands to run once in a new box.
    fn preparations(&self) -> &'static [&'static [&'static str]];

    /// Its programs in the order in which they start.
    fn programs(&self) -> Vec<Program>;

    /// The command line of its client that asks `request`.
    fn client<'a>(&self, request: &[&'a str]) -> Vec<&'a str>;

    /// The state of each session by the address of the neighbour, in the daemon's own words.
    fn sessions(&self, router: &Router) -> Result<BTreeMap<IpAddr, String>>;
}

impl Router {
    pub(crate) fn new(host: LabBox, plan: RouterPlan, timers: Timers) -> Self {
        Router { host, plan, timers }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.host.name()
    }

    /// The box it is.
    pub fn host(&self) -> &LabBox {
        &self.host
    }

    /// Its part in the BGP of the lab.
    pub fn plan(&self) -> &RouterPlan {
        &self.plan
    }

    /// Writes the configuration.
    pub(crate) fn equip(&self) -> Result<()> {
        let folder = self.host.path(FOLDER);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        for (path, text) in self.suite().files(&self.plan, self.timers) {
            let what = || format!("{}: writing {path}", self.name());
            fs::write(self.host.path(&path), text).with_context(what)?;
        }
        for words in self.suite().preparations() {
            self.host.exec(words)?;
        }
        Ok(())
    }

    /// Starts the daemons, and waits until they answer.
    ///
    /// # Errors
    /// They run already, or end at once; carries what they printed.
    pub fn start(&self) -> Result<()> {
        for Program {
            name,
            command,
            answers_at,
        } in self.suite().programs()
        {
            if let Some(running) = self.running()?.iter().find(|member| member.name == name) {
                bail!(
                    "{}: {name} runs already, pid {}",
                    self.name(),
                    running.id.pid
                );
            }
            let socket = self.host.path(answers_at);
            // One of a daemon that was killed is there already.
            let _ = fs::remove_file(&socket);
            let words: Vec<&str> = command.split(' ').collect();
            let process = self.host.spawn(name, &words)?;
            eventually(
                &format!("{}: {name} answers", self.name()),
                DEADLINE,
                || {
                    ensure!(process.running(), "it has ended: {}", process.printed()?);
                    ensure!(socket.exists(), "no {answers_at}");
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// Signals the daemons and waits until they are gone: by SIGTERM they say goodbye to their neighbours
    /// and take their routes out of the kernel, by SIGKILL neither. No daemon is no error.
    ///
    /// # Errors
    /// One is still there after 20 s.
    pub fn stop(&self, signal: Signal) -> Result<()> {
        let running = self.running()?;
        // All at once: zebra takes away what a bgpd that is gone had told it.
        running
            .iter()
            .try_for_each(|member| member.id.signal(signal))?;
        for member in &running {
            let what = format!("{}: the end of {}", self.name(), member.name);
            eventually(&what, DEADLINE, || {
                ensure!(!member.id.alive(), "pid {} runs", member.id.pid);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether all its daemons run.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn runs(&self) -> Result<bool> {
        Ok(self.running()?.len() == self.suite().programs().len())
    }

    /// The daemons that run, in the order in which they are started.
    fn running(&self) -> Result<Vec<Member>> {
        let mut members = self.host.processes()?;
        // One that has ended is listed until process 1 has reaped it.
        members.retain(|member| member.id.alive());
        let programs = self.suite().programs();
        let running = |program: &Program| members.iter().find(|member| member.name == program.name);
        Ok(programs.iter().filter_map(running).cloned().collect())
    }

    /// Asks the daemon's own client: vtysh one command a word, birdc one command in all words.
    ///
    /// # Errors
    /// The client fails or does not understand.
    pub fn ask(&self, request: &[&str]) -> Result<String> {
        let said = self.host.exec(&self.suite().client(request))?;
        // Both end with 0 even so.
        let refusals = ["% Unknown command", "syntax error"];
        if refusals.iter().any(|refusal| said.contains(refusal)) {
            bail!("{}: {request:?}: {said}", self.name());
        }
        Ok(said)
    }

    /// The neighbours whose sessions are not established, with the state of each in the daemon's words.
    ///
    /// # Errors
    /// The daemon does not answer, or not in words that are known.
    pub fn waits_for(&self) -> Result<Vec<(&Neighbour, String)>> {
        let mut states = self.suite().sessions(self)?;
        let mut waiting = Vec::new();
        for peer in &self.plan.neighbours {
            let state = states.remove(&peer.address);
            let state = state.with_context(|| format!("{}: no {}", self.name(), peer.address))?;
            if state != ESTABLISHED {
                waiting.push((peer, state));
            }
        }
        Ok(waiting)
    }

    /// Waits until the sessions that `wanted` chooses are established.
    ///
    /// # Errors
    /// They are not within `deadline`; names those that are not.
    pub fn wait_established(
        &self,
        deadline: Duration,
        wanted: impl Fn(&Neighbour) -> bool,
    ) -> Result<()> {
        let what = format!("{}: all sessions are established", self.name());
        eventually(&what, deadline, || {
            let mut waiting = self.waits_for()?;
            waiting.retain(|(peer, _)| wanted(peer));
            let words = |(peer, state): &(&Neighbour, String)| {
                format!("{} {}: {state}", peer.on, peer.address)
            };
            let waiting: Vec<String> = waiting.iter().map(words).collect();
            ensure!(waiting.is_empty(), "{}", waiting.join(", "));
            Ok(())
        })
    }

    fn suite(&self) -> &'static dyn Suite {
        match self.plan.daemon {
            Daemon::Frr => &frr::Frr,
            Daemon::Bird => &bird::Bird,
        }
    }
}
