//! A box that is a node of the cluster: its agent.

use crate::binaries::{Binaries, Gingham};
use crate::eventually;
use crate::exec::Exec;
use crate::init::CLUSTER_DIR;
use crate::lab_box::LabBox;
use crate::procs::Member;
use crate::topology::NodePlan;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the agent's process and of its log.
const AGENT: &str = "gingham-agent";
/// Where the runtime looks for plugins.
pub const CNI_BIN_DIR: &str = "/opt/cni/bin";
/// The network configuration list of the node.
pub const CONFLIST: &str = "/etc/cni/net.d/10-gingham.conflist";
/// The lease store of the node.
const LEASES: &str = "/run/gingham/leases.json";
/// How long a stopped agent may take to end.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// A node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    host: LabBox,
    plan: NodePlan,
    binaries: Binaries,
    access: Access,
}

/// How the agent of a node gets at the cluster objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// They are in a directory, the same in every box.
    Directory,
    /// An API server has them; this file says where it is and who asks.
    Kubeconfig(PathBuf),
}

impl Node {
    pub(crate) fn new(host: LabBox, plan: NodePlan, binaries: Binaries, access: Access) -> Self {
        Node {
            host,
            plan,
            binaries,
            access,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.host.name()
    }

    /// The box it is.
    pub fn host(&self) -> &LabBox {
        &self.host
    }

    /// What the cluster objects say about it.
    pub fn plan(&self) -> &NodePlan {
        &self.plan
    }

    /// A command in the node, to be given more and then run.
    pub fn command(&self, argv: &[&str]) -> Exec {
        self.host.command(argv)
    }

    /// Runs a command in the node and returns what it printed.
    ///
    /// # Errors
    /// As [`Exec::text`].
    pub fn exec(&self, argv: &[&str]) -> Result<String> {
        self.host.exec(argv)
    }

    /// Puts the plugin and its configuration where a runtime looks for them.
    pub(crate) fn equip(&self) -> Result<()> {
        let Gingham {
            plugin, conflist, ..
        } = self.binaries.gingham()?;
        self.install(plugin, &format!("{CNI_BIN_DIR}/gingham"))?;
        self.install(conflist, CONFLIST)
    }

    fn install(&self, source: &Path, inside: &str) -> Result<()> {
        let target = self.host.path(inside);
        let what = || format!("{}: copying {} to {inside}", self.name(), source.display());
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(what)?;
        }
        fs::copy(source, &target).with_context(what)?;
        Ok(())
    }

    /// Starts the agent. [`Node::wait_ready`] tells when it has done its first work.
    ///
    /// # Errors
    /// One runs already, or it could not be started.
    pub fn start_agent(&self) -> Result<()> {
        if let Some(agent) = self.agent()? {
            bail!(
                "{}: an agent runs already, pid {}",
                self.name(),
                agent.id.pid
            );
        }
        let words = self.agent_command_line()?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.host.spawn(AGENT, &words)?;
        Ok(())
    }

    /// What [`Node::start_agent`] runs.
    ///
    /// # Errors
    /// The lab was brought up without the agent.
    pub fn agent_command_line(&self) -> Result<Vec<String>> {
        let (option, path) = match &self.access {
            Access::Directory => ("--cluster-dir", CLUSTER_DIR.to_owned()),
            Access::Kubeconfig(path) => ("--kubeconfig", path.display().to_string()),
        };
        let agent = self.agent_executable()?;
        let name = self.name().to_owned();
        Ok(vec![
            agent,
            "run".into(),
            option.into(),
            path,
            "--node".into(),
            name,
        ])
    }

    /// The running agent, whoever started it; `None` when there is none.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn agent(&self) -> Result<Option<Member>> {
        let members = self.host.processes()?;
        // Not those who only ask it: `gingham-agent status`.
        let runs = |member: &Member| {
            member.name == AGENT && member.argv.get(1).is_some_and(|a| a == "run")
        };
        Ok(members.into_iter().find(runs))
    }

    /// Signals the agent and waits until it is gone. No agent is no error.
    ///
    /// # Errors
    /// It is still there after 20 s.
    pub fn stop_agent(&self, signal: Signal) -> Result<()> {
        let Some(agent) = self.agent()? else {
            return Ok(());
        };
        agent.id.signal(signal)?;
        eventually(
            &format!("{}: the end of the agent", self.name()),
            STOP_DEADLINE,
            || {
                if agent.id.alive() {
                    bail!("pid {} runs", agent.id.pid);
                }
                Ok(())
            },
        )
    }

    /// What the agent says about itself: `gingham-agent status -o json`.
    ///
    /// # Errors
    /// The agent does not answer, or not with JSON.
    pub fn agent_status(&self) -> Result<Value> {
        self.agent_json("status")
    }

    /// What the agent says about its routes: `gingham-agent routes -o json`.
    ///
    /// # Errors
    /// The agent does not answer, or not with JSON.
    pub fn agent_routes(&self) -> Result<Value> {
        self.agent_json("routes")
    }

    /// The leases of the node, as the store has them; empty before the first pod.
    ///
    /// # Errors
    /// The lease store cannot be read.
    pub fn leases(&self) -> Result<Vec<Value>> {
        let path = self.host.path(LEASES);
        let what = || format!("{}: reading {LEASES}", self.name());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(what),
        };
        let mut store: Value = serde_json::from_str(&text).with_context(what)?;
        serde_json::from_value(store["leases"].take()).with_context(what)
    }

    /// Waits until the agent says that the kernel has what it wants.
    ///
    /// # Errors
    /// It does not within `deadline`; carries its last answer and the end of its log.
    pub fn wait_ready(&self, deadline: Duration) -> Result<()> {
        let ready = eventually(
            &format!("{}: the agent is ready", self.name()),
            deadline,
            || {
                let status = self.agent_status()?;
                if status["ready"] != Value::Bool(true) {
                    bail!("{status}");
                }
                Ok(())
            },
        );
        ready.with_context(|| {
            let log = fs::read_to_string(self.host.log(AGENT)).unwrap_or_default();
            let last = log.lines().last().unwrap_or("nothing");
            format!("{}: its log ends with: {last}", self.name())
        })
    }

    fn agent_json(&self, question: &str) -> Result<Value> {
        let text = self.exec(&[&self.agent_executable()?, question, "-o", "json"])?;
        serde_json::from_str(&text)
            .with_context(|| format!("{}: {AGENT} {question}: {text}", self.name()))
    }

    fn agent_executable(&self) -> Result<String> {
        Ok(self.binaries.gingham()?.agent.display().to_string())
    }
}
