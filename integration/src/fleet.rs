//! A fleet: a lab whose nodes are run by real kubelets, with a real control plane.
//!
//! ```text
//!                cp  etcd, kube-apiserver, kube-controller-manager, kube-scheduler
//!                 │
//!   ───────── client LAN ───────── cl
//!        bb1                bb2
//!         └── c1        c2 ──┘             FRR
//!             │         │
//!          z1m1 z1w1  z2m1 z2w1            containerd, kubelet, kube-proxy each
//! ```
//!
//! The pod network is what is put under test: a fleet that is up has Nodes that are not ready yet. All of it
//! is built from pinned modules; images are made here ([`images`](crate::images)). It stands and falls with
//! the value, like a scoped [`Lab`], and takes its control groups with it.

pub mod chart;
mod configuration;
mod control_plane;
mod groups;
pub mod http;
mod machine;
mod objects;
mod pki;
mod pods;

pub use machine::Daemon;
pub use pods::{FleetPod, PodSpec};

use crate::binaries::Binaries;
use crate::lab::{Lab, Plan};
use crate::lab_box::LabBox;
use crate::progress::Progress;
use crate::topology::{CONTROL_PLANE, Duty, NodePlan, Workers, fleet as topology};
use crate::{Exec, eventually};
use anyhow::{Context, Result, bail};
use configuration::Settings;
use control_plane::ControlPlane;
use machine::Machine;
use pki::Subject;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How long sessions of the routers, and Nodes, may take to come.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a verb of kubectl may take.
const KUBECTL: Duration = Duration::from_secs(60);
/// The label of the nodes of the control plane, which no kubelet can give itself.
const MASTER: &str = "node-role.kubernetes.io/control-plane=";

/// What to bring up.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// How many workers a zone has.
    pub workers: Workers,
    /// Archives of images that nodes have, besides pause, busybox and agnhost.
    pub images: Vec<PathBuf>,
    /// Where progress goes.
    pub progress: Progress,
}

/// A fleet that stands.
#[derive(Debug)]
pub struct Fleet {
    // Dropped first: whatever runs in the groups and on the disks ends with its boxes.
    lab: Lab,
    control: ControlPlane,
    machines: Vec<Machine>,
    images: Vec<PathBuf>,
    _groups: Groups,
    files: TempDir,
}

/// Takes away what is left of the fleet of a process that was killed: its control groups. All else of a fleet
/// ends with its process, or is in a folder.
///
/// # Errors
/// Something still runs in them after 20 s.
pub fn bury(owner: u32) -> Result<()> {
    groups::remove_of(owner)
}

/// Takes the control groups away in the end.
#[derive(Debug)]
struct Groups;

impl Drop for Groups {
    fn drop(&mut self) {
        // The next fleet tries again.
        let _ = groups::remove("");
    }
}

impl Fleet {
    /// Brings `plan` up: routers have their sessions with each other, every node is registered and has its
    /// images.
    ///
    /// # Errors
    /// Not root, a missing program, or a part that did not come up; carries what it said.
    pub fn up(plan: FleetPlan) -> Result<Self> {
        groups::sweep()?;
        let images = machine::archives(&plan.images)?;
        let files = tempfile::Builder::new()
            .prefix("gingham-fleet-")
            .tempdir()
            .context("a folder for the fleet")?;
        let lab = Lab::up(Plan::scoped(topology(plan.workers)?, Binaries::lab_only()?))?;
        let groups = Groups;
        plan.progress.say("fleet", "boxes stand");
        for router in lab.routers() {
            router.start()?;
        }
        let between = |router: &crate::Router| {
            router.wait_established(PATIENCE, |peer| {
                !lab.topology()
                    .nodes()
                    .any(|node| node.name.as_str() == peer.on)
            })
        };
        lab.routers().iter().try_for_each(between)?;
        plan.progress.say("fleet", "routers have their sessions");
        let plans = &lab.topology().boxes;
        let at = plans.iter().find(|plan| plan.name == CONTROL_PLANE);
        let at = at.context("a topology with a control plane")?;
        let addresses: Vec<_> = at.addresses.iter().map(|a| a.address).collect();
        let folder = files.path().join("control-plane");
        let control = ControlPlane::start(lab.at(CONTROL_PLANE)?, &folder, &addresses)?;
        plan.progress.say("fleet", "the API server is ready");
        let machine = |node: &NodePlan| -> Result<Machine> {
            let user = format!("system:node:{}", node.name);
            let group = Some("system:nodes");
            let subject = Subject { user: &user, group };
            Ok(Machine {
                plan: node.clone(),
                disk: files.path().join("disks").join(node.name.as_str()),
                settings: Settings {
                    authority: control.pki().path("ca.crt"),
                    kubelet: control.pki().kubeconfig(node.name.as_str(), subject)?,
                    proxy: control.pki().path("proxy.kubeconfig"),
                },
            })
        };
        let machines = lab.topology().nodes().map(machine);
        let fleet = Fleet {
            machines: machines.collect::<Result<_>>()?,
            lab,
            control,
            images,
            _groups: groups,
            files,
        };
        fleet.start_machines(plan.progress)?;
        Ok(fleet)
    }

    /// The lab underneath: boxes, routers, wires.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The box of a node.
    ///
    /// # Errors
    /// There is no such node.
    pub fn node(&self, name: &str) -> Result<&LabBox> {
        self.machine(name)?;
        self.lab.at(name)
    }

    /// The names of all nodes, masters among them.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.machines
            .iter()
            .map(|machine| machine.plan.name.as_str())
    }

    /// kubectl as the administrator, from the box of the control plane.
    pub fn kubectl(&self, words: &[&str]) -> Exec {
        self.control.kubectl(words).deadline(KUBECTL)
    }

    /// Another client of the API server, as helm: by the administrator's `KUBECONFIG`.
    pub fn client(&self, program: &str, words: &[&str]) -> Exec {
        self.control.client(program, words).deadline(KUBECTL)
    }

    /// A script of the tree, run by the administrator with `kubectl` in its search path.
    pub fn script(&self, path: &str, words: &[&str]) -> Exec {
        self.control.script(path, words)
    }

    /// The administrator's kubeconfig, which every box sees under the same path.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.control.pki().path("admin.kubeconfig")
    }

    /// What kubectl says in JSON.
    ///
    /// # Errors
    /// It was refused, or did not answer in time.
    pub fn json(&self, words: &[&str]) -> Result<serde_json::Value> {
        let words = [words, &["-o", "json"]].concat();
        let text = self.kubectl(&words).text()?;
        serde_json::from_str(&text).with_context(|| format!("kubectl {}", words.join(" ")))
    }

    /// Makes objects exactly so.
    ///
    /// # Errors
    /// As [`Fleet::json`].
    pub fn apply(&self, manifest: &str) -> Result<String> {
        self.kubectl(&["apply", "-f", "-"]).stdin(manifest).text()
    }

    /// Kills the API server. Everything else stays.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_api_server(&self) -> Result<()> {
        self.control.kill_api_server()
    }

    /// Starts the API server again and waits until it is ready.
    ///
    /// # Errors
    /// It does not become so; carries what it said.
    pub fn start_api_server(&self) -> Result<()> {
        self.control.start_all()
    }

    /// Kills a daemon of a node; it is started again a second later.
    ///
    /// # Errors
    /// No such node, or the daemon does not run.
    pub fn kill(&self, node: &str, daemon: Daemon) -> Result<()> {
        self.machine(node)?.kill(self.lab.at(node)?, daemon)
    }

    /// `ctr` on a node, in the namespace of the kubelet's containers.
    ///
    /// # Errors
    /// No such node.
    pub fn ctr(&self, node: &str, words: &[&str]) -> Result<Exec> {
        Ok(self.machine(node)?.ctr(self.lab.at(node)?, words))
    }

    /// Gives every node these images too.
    ///
    /// # Errors
    /// An archive that cannot be read.
    pub fn load(&self, archives: &[PathBuf]) -> Result<()> {
        let load = |machine: &Machine| {
            let host = self.lab.at(machine.plan.name.as_str())?;
            machine.load(host, archives)
        };
        self.machines.iter().try_for_each(load)
    }

    /// Pulls the plug of a node: everything that runs on it ends at once, its disk stays.
    ///
    /// # Errors
    /// No such node, or it does not go.
    pub fn power_off(&self, node: &str) -> Result<()> {
        self.machine(node)?;
        self.lab.at(node)?.kill()?;
        groups::remove(node)
    }

    /// Starts a node again: same disk, same address.
    ///
    /// # Errors
    /// It was not off, or does not come up.
    pub fn power_on(&mut self, node: &str) -> Result<()> {
        let machine = self.machine(node)?.clone();
        self.lab.power_on(node)?;
        let host = self.lab.at(node)?;
        machine.boot(host)?;
        machine.join(host)
    }

    /// Waits until every node is ready.
    ///
    /// # Errors
    /// One is not within `deadline`; says which and why.
    pub fn wait_nodes_ready(&self, deadline: Duration) -> Result<()> {
        eventually("every node is ready", deadline, || {
            let nodes = self.json(&["get", "nodes"])?;
            for node in nodes["items"].as_array().context("items")? {
                let conditions = node["status"]["conditions"].as_array();
                let ready = conditions
                    .into_iter()
                    .flatten()
                    .find(|condition| condition["type"] == "Ready");
                match ready {
                    Some(ready) if ready["status"] == "True" => {}
                    Some(ready) => bail!("{}: {}", node["metadata"]["name"], ready["message"]),
                    None => bail!("{}: no condition yet", node["metadata"]["name"]),
                }
            }
            Ok(())
        })
    }

    /// Takes the fleet down, and waits until nothing of it is left.
    ///
    /// # Errors
    /// A box or a control group that does not go, or a file that cannot be removed.
    pub fn down(self) -> Result<()> {
        self.lab.down()?;
        groups::remove("")?;
        self.files.close().context("removing the fleet's files")
    }

    fn machine(&self, name: &str) -> Result<&Machine> {
        let mut machines = self.machines.iter();
        let found = machines.find(|machine| machine.plan.name.as_str() == name);
        found.with_context(|| {
            let names: Vec<&str> = self.nodes().collect();
            format!("no node {name:?}; there are {}", names.join(", "))
        })
    }

    /// All at once, since each mostly waits; but for the images, which are unpacked by two at a time.
    fn start_machines(&self, progress: Progress) -> Result<()> {
        let start = |machine: &Machine| -> Result<()> {
            let name = machine.plan.name.as_str();
            let host = self.lab.at(name)?;
            machine.boot(host)?;
            machine.load(host, &self.images)?;
            machine.join(host)?;
            self.register(machine)?;
            progress.say(name, "is registered");
            Ok(())
        };
        thread::scope(|scope| {
            let started: Vec<_> = self
                .machines
                .iter()
                .map(|machine| scope.spawn(move || start(machine)))
                .collect();
            let ended = started.into_iter().map(|each| match each.join() {
                Ok(ended) => ended,
                Err(_) => bail!("starting a node panicked"),
            });
            ended.collect()
        })
    }

    /// Waits for the Node of a machine, and gives it the label that its kubelet may not give it.
    fn register(&self, machine: &Machine) -> Result<()> {
        let name = machine.plan.name.as_str();
        let node = eventually(&format!("{name}: its Node"), PATIENCE, || {
            self.kubectl(&["get", "node", name]).text()
        });
        node.with_context(|| machine.last_words(&self.lab))?;
        if machine.plan.duty == Duty::Master {
            self.kubectl(&["label", "node", name, MASTER]).text()?;
        }
        Ok(())
    }
}
