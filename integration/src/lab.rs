//! A lab: bringing a topology up, finding one that stands, taking it down.

mod change;
mod objects;
mod store;

pub use store::Store;

use crate::binaries::Binaries;
use crate::cluster;
use crate::init::InitSpec;
use crate::lab_box::{LabBox, Lifeline, Starting, Tools};
use crate::node::Node;
use crate::preflight;
use crate::progress::Progress;
use crate::router::Router;
use crate::state::{State, StateDir};
use crate::topology::{BoxPlan, Role, Topology};
use crate::wiring::{self, Batch};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store::Objects;
use tempfile::TempDir;

/// How long a lab stands.
#[derive(Debug)]
pub enum Lifetime {
    /// As long as the value and its process, however that ends.
    Scoped,
    /// Until [`Lab::down`] of whichever process; recorded in the state directory, of which the caller
    /// holds the lock.
    Detached(StateDir),
}

/// What to bring up, and how.
#[derive(Debug)]
pub struct Plan {
    /// What stands where.
    pub topology: Topology,
    /// The executables.
    pub binaries: Binaries,
    /// Where its cluster objects are.
    pub store: Store,
    /// How long it stands.
    pub lifetime: Lifetime,
    /// Where progress goes.
    pub progress: Progress,
}

impl Plan {
    /// A quiet lab that ends with its owner: what tests want.
    pub fn scoped(topology: Topology, binaries: Binaries) -> Self {
        Plan {
            topology,
            binaries,
            store: Store::Directory,
            lifetime: Lifetime::Scoped,
            progress: Progress::silent(),
        }
    }

    /// The same lab with its cluster objects elsewhere.
    #[must_use]
    pub fn on(self, store: Store) -> Self {
        Plan { store, ..self }
    }
}

/// A lab that stands.
#[derive(Debug)]
pub struct Lab {
    topology: Topology,
    binaries: Binaries,
    boxes: BTreeMap<String, LabBox>,
    objects: Objects,
    files: Files,
    /// Ends the boxes of a scoped lab.
    lifelines: Vec<Lifeline>,
}

/// The folder of a lab's files outside of its boxes.
#[derive(Debug)]
enum Files {
    Scoped(TempDir),
    Detached(StateDir),
}

impl Files {
    fn path(&self) -> &Path {
        match self {
            Files::Scoped(folder) => folder.path(),
            Files::Detached(folder) => folder.path(),
        }
    }
}

impl Lab {
    /// Brings `plan` up. When it fails or is interrupted, what stands by then goes again.
    ///
    /// # Errors
    /// Not root, a missing program, a mistake in the topology, or a step the kernel refused.
    pub fn up(plan: Plan) -> Result<Self> {
        preflight::check()?;
        plan.topology.validate()?;
        preflight::check_daemons(&plan.topology)?;
        let files = match plan.lifetime {
            Lifetime::Detached(folder) => {
                if plan.store == Store::Kubernetes {
                    bail!("a lab with an API server ends with the process that made it");
                }
                folder.clear()?;
                Files::Detached(folder)
            }
            Lifetime::Scoped => Files::Scoped(
                tempfile::Builder::new()
                    .prefix("gingham-lab-")
                    .tempdir()
                    .context("a folder for the lab")?,
            ),
        };
        let mut lab = Lab {
            topology: plan.topology,
            binaries: plan.binaries,
            boxes: BTreeMap::new(),
            objects: Objects::open(plan.store, &cluster_dir(files.path()))?,
            files,
            lifelines: Vec::new(),
        };
        lab.write_cluster()?;
        lab.start_boxes()?;
        plan.progress
            .say("lab", &format!("{} boxes stand", lab.boxes.len()));
        lab.wire(plan.progress)?;
        lab.connect_nodes()?;
        lab.equip_nodes()?;
        lab.routers().iter().try_for_each(Router::equip)?;
        lab.settle()?;
        Ok(lab)
    }

    /// The detached lab that stands, or stood before something killed it; `None` when there is none.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn attach(folder: &StateDir) -> Result<Option<Self>> {
        let Some(state) = folder.load()? else {
            return Ok(None);
        };
        let tools = tools(&state.binaries, folder.path());
        let boxes = state
            .boxes
            .iter()
            .map(|(name, init)| (name.clone(), LabBox::new(name, *init, tools.clone())))
            .collect();
        Ok(Some(Lab {
            topology: state.topology,
            binaries: state.binaries,
            boxes,
            objects: Objects::Directory(cluster_dir(folder.path())),
            files: Files::Detached(folder.clone()),
            lifelines: Vec::new(),
        }))
    }

    /// What stands where.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The directory of cluster objects, which the boxes see as `/run/cluster`. Empty when the objects
    /// are elsewhere.
    pub fn cluster_dir(&self) -> PathBuf {
        cluster_dir(self.files.path())
    }

    /// All boxes, by name.
    pub fn boxes(&self) -> impl Iterator<Item = &LabBox> {
        self.boxes.values()
    }

    /// The box of this name.
    ///
    /// # Errors
    /// There is none; names those that exist.
    pub fn at(&self, name: &str) -> Result<&LabBox> {
        self.boxes.get(name).with_context(|| {
            let names: Vec<&str> = self.boxes.keys().map(String::as_str).collect();
            format!("no box {name:?}; there are {}", names.join(", "))
        })
    }

    /// The node of this name.
    ///
    /// # Errors
    /// No such box, or it is no node.
    pub fn node(&self, name: &str) -> Result<Node> {
        let host = self.at(name)?;
        let plan = self
            .topology
            .nodes()
            .find(|node| node.name.as_str() == name);
        let plan = plan.with_context(|| format!("box {name} is no node"))?;
        let access = self.objects.access(name);
        Ok(Node::new(
            host.clone(),
            plan.clone(),
            self.binaries.clone(),
            access,
        ))
    }

    /// All nodes, in the order of the topology.
    pub fn nodes(&self) -> Vec<Node> {
        let names = self.topology.nodes().map(|node| node.name.as_str());
        names.filter_map(|name| self.node(name).ok()).collect()
    }

    /// The router of this name.
    ///
    /// # Errors
    /// No such box, or it is no router that speaks BGP.
    pub fn router(&self, name: &str) -> Result<Router> {
        let host = self.at(name)?;
        let mut routers = self.topology.routers();
        let router = routers.find(|(plan, _)| plan.name == name);
        let (_, router) = router.with_context(|| format!("box {name} does not speak BGP"))?;
        Ok(Router::new(
            host.clone(),
            router.clone(),
            self.topology.timers,
        ))
    }

    /// All routers that speak BGP, in the order of the topology.
    pub fn routers(&self) -> Vec<Router> {
        let routers = self.topology.routers();
        routers
            .filter_map(|(plan, _)| self.router(&plan.name).ok())
            .collect()
    }

    /// Takes an interface down, as when its cable is pulled: both ends see it.
    ///
    /// # Errors
    /// No such box or interface.
    pub fn cut(&self, name: &str, interface: &str) -> Result<()> {
        self.at(name)?
            .exec(&["ip", "link", "set", "dev", interface, "down"])?;
        Ok(())
    }

    /// Brings an interface back after [`Lab::cut`], with the addresses and static routes that went
    /// with it.
    ///
    /// # Errors
    /// No such box or interface.
    pub fn restore(&self, name: &str, interface: &str) -> Result<()> {
        let mut plans = self.topology.boxes.iter();
        let plan = plans.find(|plan| plan.name == name);
        let plan = plan.with_context(|| format!("no box {name:?}"))?;
        let batch = Batch {
            on: name.to_owned(),
            lines: wiring::restored(plan, interface),
        };
        wiring::run(&batch, self.at(name)?.init())
    }

    /// What of the topology does not stand; empty when all is well.
    pub fn missing(&self) -> Vec<&str> {
        let plans = self.topology.boxes.iter().map(|plan| plan.name.as_str());
        plans
            .filter(|name| !self.boxes.get(*name).is_some_and(LabBox::alive))
            .collect()
    }

    /// Takes the lab down, waits until nothing runs of it, and removes its files.
    ///
    /// # Errors
    /// A box that does not go, or a file that cannot be removed.
    pub fn down(mut self) -> Result<()> {
        self.end()?;
        match &self.files {
            Files::Detached(folder) => folder.clear(),
            Files::Scoped(folder) => fs::remove_dir_all(folder.path())
                .with_context(|| format!("removing {}", folder.path().display())),
        }
    }

    fn end(&mut self) -> Result<()> {
        for each in self.boxes.values() {
            each.init().signal(Signal::SIGKILL)?;
        }
        self.boxes.values().try_for_each(LabBox::kill)
    }

    fn write_cluster(&mut self) -> Result<()> {
        let logs = self.files.path().join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        self.put_all(&cluster::shared(&self.topology)?)?;
        let nodes = self.topology.nodes().map(|node| node.name.to_string());
        let nodes: Vec<String> = nodes.collect();
        nodes.iter().try_for_each(|name| self.register(name))
    }

    /// All at once, because each mostly waits for the kernel.
    fn start_boxes(&mut self) -> Result<()> {
        let tools = tools(&self.binaries, self.files.path());
        let starting: Vec<Starting> = self
            .topology
            .boxes
            .iter()
            .map(|plan| Starting::start(&self.init_spec(plan), &tools))
            .collect::<Result<_>>()?;
        for each in starting {
            let (started, lifeline) = each.finish()?;
            self.boxes.insert(started.name().to_owned(), started);
            self.lifelines.push(lifeline);
        }
        Ok(())
    }

    fn init_spec(&self, plan: &BoxPlan) -> InitSpec {
        InitSpec {
            name: plan.name.clone(),
            cluster_dir: self.cluster_dir(),
            sysctls: wiring::sysctls(&plan.role),
            sweep: match &self.files {
                Files::Scoped(folder) => Some(folder.path().to_owned()),
                Files::Detached(_) => None,
            },
        }
    }

    fn wire(&self, progress: Progress) -> Result<()> {
        let pids = self
            .boxes
            .iter()
            .map(|(name, each)| (name.clone(), each.init().pid))
            .collect();
        for batch in wiring::batches(&self.topology, &pids)? {
            wiring::run(&batch, self.at(&batch.on)?.init())?;
        }
        for plan in &self.topology.boxes {
            let what = match plan.role {
                Role::Switch => "switch".to_owned(),
                Role::Router | Role::BgpRouter(_) | Role::Node(_) | Role::Host => {
                    wiring::summary(plan)
                }
            };
            progress.say(&plan.name, &format!("namespaces, {what}"));
        }
        Ok(())
    }

    fn equip_nodes(&self) -> Result<()> {
        if self.binaries.gingham.is_none() {
            return Ok(());
        }
        self.nodes().iter().try_for_each(Node::equip)
    }

    /// Records a detached lab, then lets its boxes go: killed before, nothing of it stays.
    fn settle(&mut self) -> Result<()> {
        let Files::Detached(folder) = &self.files else {
            return Ok(());
        };
        folder.store(&State {
            topology: self.topology.clone(),
            binaries: self.binaries.clone(),
            boxes: self
                .boxes
                .iter()
                .map(|(name, each)| (name.clone(), each.init()))
                .collect(),
        })?;
        let lifelines = std::mem::take(&mut self.lifelines);
        lifelines.into_iter().try_for_each(Lifeline::release)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Files::Scoped(_) = self.files {
            if std::thread::panicking() {
                preflight::show_logs(&self.files.path().join("logs"));
            }
            // The lifelines, dropped next, end whatever this could not.
            let _ = self.end();
        }
    }
}

fn cluster_dir(files: &Path) -> PathBuf {
    files.join("cluster")
}

fn tools(binaries: &Binaries, files: &Path) -> Tools {
    Tools {
        lab: binaries.lab.clone(),
        logs: files.join("logs"),
    }
}
