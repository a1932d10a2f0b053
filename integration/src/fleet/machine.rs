//! A node as a machine: a box with control groups and a disk, and containerd, kubelet and kube-proxy in it.
//!
//! ```text
//!  box ──prepare.sh──► control groups, disk, rshared mounts
//!        ├─ supervise.sh containerd ──► shims ──► pods
//!        ├─ supervise.sh kubelet
//!        └─ supervise.sh kube-proxy
//! ```

use super::configuration::{self, Settings};
use super::groups;
use crate::eventually;
use crate::images;
use crate::lab::Lab;
use crate::lab_box::LabBox;
use crate::procs::Member;
use crate::topology::NodePlan;
use crate::{Exec, tools};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PREPARE: &str = include_str!("prepare.sh");
const SUPERVISE: &str = include_str!("supervise.sh");
/// How long a daemon may take until it answers.
const ANSWERS: Duration = Duration::from_secs(60);
/// How long an image may take to be unpacked.
const IMPORT: Duration = Duration::from_secs(300);

/// How many lines of a log are told when something goes wrong.
const LAST_WORDS: usize = 8;

/// What a machine needs of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) plan: NodePlan,
    /// The folder that is its disk.
    pub(super) disk: PathBuf,
    /// The files of the control plane it needs.
    pub(super) settings: Settings,
}

/// A program of a machine that is started again when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The container runtime.
    Containerd,
    /// The kubelet.
    Kubelet,
    /// What makes Services.
    KubeProxy,
}

impl Daemon {
    fn name(self) -> &'static str {
        match self {
            Daemon::Containerd => "containerd",
            Daemon::Kubelet => "kubelet",
            Daemon::KubeProxy => "kube-proxy",
        }
    }
}

impl Machine {
    fn name(&self) -> &str {
        self.plan.name.as_str()
    }

    fn group(&self) -> String {
        format!("{}/{}", groups::own(), self.name())
    }

    /// Makes the box a machine, and starts containerd.
    pub(super) fn boot(&self, host: &LabBox) -> Result<()> {
        let disk = self.disk.display().to_string();
        fs::create_dir_all(&self.disk).with_context(|| format!("creating {disk}"))?;
        let prepare = ["sh", "-c", PREPARE, "prepare", &self.group(), &disk];
        host.command(&prepare).deadline(ANSWERS).text()?;
        for (path, text) in configuration::files(&self.plan, &self.settings) {
            let what = || format!("{}: writing {path}", self.name());
            fs::write(host.path(path), text).with_context(what)?;
        }
        let containerd = tools::locate("containerd")?;
        // It finds its shim beside itself.
        let folder = containerd.parent().context("a folder of programs")?;
        let path = format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
        self.supervise(host, Daemon::Containerd, &["env", &path, "containerd"])?;
        eventually(
            &format!("{}: containerd answers", self.name()),
            ANSWERS,
            || self.ctr(host, &["version"]).text(),
        )?;
        Ok(())
    }

    /// Gives containerd images it does not have.
    pub(super) fn load(&self, host: &LabBox, archives: &[PathBuf]) -> Result<()> {
        for archive in archives {
            let archive = archive.display().to_string();
            let import = self.ctr(host, &["images", "import", "--local", &archive]);
            import.deadline(IMPORT).text()?;
        }
        Ok(())
    }

    /// Starts kubelet and kube-proxy.
    pub(super) fn join(&self, host: &LabBox) -> Result<()> {
        let ips: Vec<String> = self
            .plan
            .internal_ips
            .iter()
            .map(ToString::to_string)
            .collect();
        let kubelet = tools::locate("kubelet")?.display().to_string();
        let words = [
            kubelet,
            format!("--config={}", configuration::KUBELET),
            format!("--kubeconfig={}", self.settings.kubelet.display()),
            format!("--hostname-override={}", self.name()),
            format!("--node-ip={}", ips.join(",")),
            format!(
                "--node-labels=topology.kubernetes.io/zone={}",
                self.plan.zone
            ),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.supervise(host, Daemon::Kubelet, &words)?;
        let proxy = tools::locate("kube-proxy")?.display().to_string();
        let config = format!("--config={}", configuration::PROXY);
        let name = format!("--hostname-override={}", self.name());
        self.supervise(host, Daemon::KubeProxy, &[&proxy, &config, &name])
    }

    /// Kills a daemon; it is there again a second later.
    pub(super) fn kill(&self, host: &LabBox, daemon: Daemon) -> Result<()> {
        let running = self.running(host, daemon)?;
        let Some(running) = running else {
            bail!("{}: {} does not run", self.name(), daemon.name());
        };
        running.id.signal(Signal::SIGKILL)
    }

    /// A daemon that runs.
    pub(super) fn running(&self, host: &LabBox, daemon: Daemon) -> Result<Option<Member>> {
        let members = host.processes()?;
        let is = |member: &Member| member.name == daemon.name() && member.id.alive();
        Ok(members.into_iter().find(is))
    }

    /// `ctr` in the namespace of the kubelet's containers.
    pub(super) fn ctr(&self, host: &LabBox, words: &[&str]) -> Exec {
        // A program that is missing is said so when it is run.
        let ctr = tools::locate("ctr").unwrap_or_else(|_| PathBuf::from("ctr"));
        let ctr = ctr.display().to_string();
        host.command(&[&[&*ctr, "--namespace", "k8s.io"], words].concat())
    }

    /// What the daemons said last.
    pub(super) fn last_words(&self, lab: &Lab) -> String {
        let Ok(host) = lab.at(self.name()) else {
            return String::new();
        };
        let daemons = [Daemon::Containerd, Daemon::Kubelet, Daemon::KubeProxy];
        let said = daemons.map(|daemon| {
            let log = fs::read_to_string(host.log(daemon.name())).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n");
            format!("{}: {} said last:\n{last}\n", self.name(), daemon.name())
        });
        said.concat()
    }

    fn supervise(&self, host: &LabBox, daemon: Daemon, words: &[&str]) -> Result<()> {
        let supervise = ["sh", "-c", SUPERVISE, "supervise"];
        host.spawn(daemon.name(), &[&supervise, words].concat())?;
        Ok(())
    }
}

/// The images every node needs, the one without which nothing starts at the front.
pub(super) fn archives(extra: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let ready = images::ready()?;
    let mut archives: Vec<PathBuf> = ready.all().map(Path::to_owned).into();
    archives.extend_from_slice(extra);
    Ok(archives)
}
