//! Where the cluster objects of a lab are, and how each node gets at them.

use crate::cluster::{self, Object, file, folder_of, kind_of};
use crate::kubernetes::{Api, MANIFEST, Reach, Relay};
use crate::lab_box::LabBox;
use crate::node::Access;
use crate::topology::{Duty, NodePlan};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What it adds to objects, and nobody has written.
const ADDED: [&str; 4] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
];
/// Where the folders of a directory go when it is to be of no use.
const HIDDEN: &str = ".hidden";

/// Where cluster objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In files of a directory that all boxes see.
    Directory,
    /// At a real API server of the lab's own, which each node reaches by a relay.
    Kubernetes,
}

/// Makes each scenario a test on each store: `directory::NAME` and `kubernetes::NAME`.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        /// With the cluster objects in a directory.
        mod directory {
            $(#[test]
            fn $name() -> impl std::process::Termination {
                super::$name($crate::Store::Directory)
            })+
        }

        /// With the cluster objects at a real API server.
        mod kubernetes {
            $(#[test]
            fn $name() -> impl std::process::Termination {
                super::$name($crate::Store::Kubernetes)
            })+
        }
    };
}

/// The objects of a lab.
#[derive(Debug)]
pub(super) enum Objects {
    Directory(PathBuf),
    Kubernetes(Box<Served>),
}

/// An API server and the ways to it.
#[derive(Debug)]
pub(super) struct Served {
    api: Api,
    relays: BTreeMap<String, Relay>,
}

impl Objects {
    /// An empty cluster. `dir` exists afterwards in any case: the boxes see it.
    pub(super) fn open(store: Store, dir: &Path) -> Result<Self> {
        match store {
            Store::Directory => {
                cluster::write(dir, &[])?;
                Ok(Objects::Directory(dir.to_owned()))
            }
            Store::Kubernetes => {
                fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
                let api = Api::start(&[])?;
                api.apply(MANIFEST)?;
                let relays = BTreeMap::new();
                Ok(Objects::Kubernetes(Box::new(Served { api, relays })))
            }
        }
    }

    /// Lays the node's way to the API server, and gives it its identity there.
    pub(super) fn connect(&mut self, host: &LabBox, node: &NodePlan) -> Result<()> {
        let Objects::Kubernetes(served) = self else {
            return Ok(());
        };
        let relay = served.api.relay_in(host)?;
        let account = match node.duty {
            Duty::Master => "gingham-reflector",
            Duty::Worker | Duty::Ingress => "gingham-node",
        };
        let token = served.api.token_for(account, node.name.as_str())?;
        let url = format!("https://{}", relay.address());
        served.api.kubeconfig(node.name.as_str(), &url, &token)?;
        served.relays.insert(node.name.to_string(), relay);
        Ok(())
    }

    /// How the agent of this node gets at them.
    pub(super) fn access(&self, node: &str) -> Access {
        match self {
            Objects::Directory(_) => Access::Directory,
            Objects::Kubernetes(served) => Access::Kubeconfig(served.api.kubeconfig_file(node)),
        }
    }

    /// Makes an object exactly so, and tells how it is then.
    pub(super) fn put(&self, object: &Value) -> Result<Value> {
        match self {
            Objects::Directory(dir) => {
                let folder = folder_of(object["kind"].as_str().context("kind: no string")?)?;
                let name = object["metadata"]["name"].as_str();
                let name = name.context("metadata.name: no string")?.to_owned();
                let body = object.clone();
                cluster::write(dir, &[Object { folder, name, body }])?;
                Ok(object.clone())
            }
            Objects::Kubernetes(served) => served.api.put(object),
        }
    }

    pub(super) fn get(&self, folder: &str, name: &str) -> Result<Option<Value>> {
        match self {
            Objects::Directory(dir) => read(&file(dir, folder, name)),
            Objects::Kubernetes(served) => {
                let found = served.api.get(kind_of(folder)?, name)?;
                Ok(found.map(as_written))
            }
        }
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<Value>> {
        match self {
            Objects::Directory(dir) => {
                let dir = dir.join(folder);
                let what = || format!("reading {}", dir.display());
                let mut objects = Vec::new();
                for entry in fs::read_dir(&dir).with_context(what)? {
                    let path = entry.with_context(what)?.path();
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    // What is on its way into the folder has another name.
                    if !name.starts_with('.') && name.ends_with(".yaml") {
                        objects.extend(read(&path)?);
                    }
                }
                Ok(objects)
            }
            Objects::Kubernetes(served) => {
                let kind = kind_of(folder)?;
                let objects = served.api.list(kind)?.into_iter().map(as_written);
                // Objects of a list do not say what they are.
                let named = objects.map(|mut object| {
                    object["kind"] = Value::from(kind);
                    object
                });
                Ok(named.collect())
            }
        }
    }

    pub(super) fn remove(&self, folder: &str, name: &str) -> Result<()> {
        match self {
            Objects::Directory(dir) => {
                let file = file(dir, folder, name);
                fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))
            }
            Objects::Kubernetes(served) => served.api.delete(kind_of(folder)?, name),
        }
    }

    /// No node gets at them any more; they stay as they are.
    pub(super) fn hide(&self) -> Result<()> {
        match self {
            Objects::Directory(dir) => {
                let hidden = dir.join(HIDDEN);
                fs::create_dir(&hidden)
                    .with_context(|| format!("creating {}", hidden.display()))?;
                move_folders(dir, &hidden)
            }
            Objects::Kubernetes(_) => {
                self.set_reach(Reach::Cut);
                Ok(())
            }
        }
    }

    /// They are there again.
    pub(super) fn show(&self) -> Result<()> {
        match self {
            Objects::Directory(dir) => {
                let hidden = dir.join(HIDDEN);
                move_folders(&hidden, dir)?;
                fs::remove_dir(&hidden).with_context(|| format!("removing {}", hidden.display()))
            }
            Objects::Kubernetes(_) => {
                self.set_reach(Reach::Open);
                Ok(())
            }
        }
    }

    /// How every node reaches the API server, if there is one.
    pub(super) fn set_reach(&self, reach: Reach) {
        if let Objects::Kubernetes(served) = self {
            served.relays.values().for_each(|relay| relay.set(reach));
        }
    }

    pub(super) fn api(&self) -> Result<&Api> {
        match self {
            Objects::Directory(_) => bail!("this lab's objects are in a directory"),
            Objects::Kubernetes(served) => Ok(&served.api),
        }
    }

    pub(super) fn relay(&self, node: &str) -> Result<&Relay> {
        match self {
            Objects::Directory(_) => bail!("this lab's objects are in a directory"),
            Objects::Kubernetes(served) => {
                let relay = served.relays.get(node);
                relay.with_context(|| format!("no way from {node} to the API server"))
            }
        }
    }
}

fn move_folders(from: &Path, to: &Path) -> Result<()> {
    for folder in cluster::FOLDERS {
        let moved = fs::rename(from.join(folder), to.join(folder));
        moved.with_context(|| format!("moving {folder} to {}", to.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<Value>> {
    let what = || format!("reading {}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => serde_saphyr::from_str(&text).map(Some).with_context(what),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(what),
    }
}

/// Without what nobody has written.
fn as_written(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| !ADDED.contains(&key.as_str()));
    }
    object
}
