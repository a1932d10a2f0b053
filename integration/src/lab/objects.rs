//! The lab's cluster objects, read and changed alike wherever they are. Kinds are named by their
//! folders: `nodes`, `blocks` and so on.

use super::Lab;
use crate::cluster::{self, Object};
use crate::kubernetes::{Api, Reach, Relay};
use crate::topology::Role;
use anyhow::{Context, Result};
use serde_json::Value;

impl Lab {
    /// Makes an object exactly so, whether there was one or not.
    ///
    /// # Errors
    /// It cannot be written, or the API server refuses it.
    pub fn put(&self, object: &Value) -> Result<()> {
        self.objects.put(object).map(|_| ())
    }

    /// The object of this kind and name; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, folder: &str, name: &str) -> Result<Option<Value>> {
        self.objects.get(folder, name)
    }

    /// All objects of this kind.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn list(&self, folder: &str) -> Result<Vec<Value>> {
        self.objects.list(folder)
    }

    /// Removes an object.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, folder: &str, name: &str) -> Result<()> {
        self.objects.remove(folder, name)
    }

    /// Changes an object.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn change(
        &self,
        (folder, name): (&str, &str),
        change: impl FnOnce(&mut Value),
    ) -> Result<()> {
        let mut object = self
            .get(folder, name)?
            .with_context(|| format!("no {folder}/{name}"))?;
        change(&mut object);
        self.put(&object)
    }

    /// From now on no node gets at the objects.
    ///
    /// # Errors
    /// They are hidden already.
    pub fn hide_store(&self) -> Result<()> {
        self.objects.hide()
    }

    /// They are there again, as they were.
    ///
    /// # Errors
    /// They are not hidden.
    pub fn show_store(&self) -> Result<()> {
        self.objects.show()
    }

    /// Nodes hear of all that `change` does to the objects as of one thing. In a directory that takes no
    /// time; requests to an API server do, and meanwhile nodes hear nothing of it.
    pub fn at_once<T>(&self, change: impl FnOnce() -> T) -> T {
        self.objects.set_reach(Reach::Silent);
        let changed = change();
        self.objects.set_reach(Reach::Open);
        changed
    }

    /// The API server that has the objects.
    ///
    /// # Errors
    /// They are in a directory.
    pub fn api(&self) -> Result<&Api> {
        self.objects.api()
    }

    /// The way of a node to the API server.
    ///
    /// # Errors
    /// The objects are in a directory, or there is no such node.
    pub fn relay(&self, node: &str) -> Result<&Relay> {
        self.objects.relay(node)
    }

    pub(super) fn put_all(&self, objects: &[Object]) -> Result<()> {
        objects.iter().try_for_each(|object| self.put(&object.body))
    }

    /// Creates the Node of a node, and then its blocks, which name the uid that the Node was given.
    pub(super) fn register(&mut self, name: &str) -> Result<()> {
        let mut boxes = self.topology.boxes.iter_mut();
        let plan = boxes
            .find(|plan| plan.name == name)
            .map(|plan| &mut plan.role);
        let Some(Role::Node(node)) = plan else {
            anyhow::bail!("box {name} is no node");
        };
        let registered = self.objects.put(&cluster::node_object(node).body)?;
        let uid = registered["metadata"]["uid"].as_str();
        node.uid = uid
            .with_context(|| format!("Node {name} has no uid"))?
            .to_owned();
        let node = node.clone();
        self.put_all(&cluster::blocks_of(&self.topology, &node)?)
    }

    /// Lays the way of every node to the objects.
    pub(super) fn connect_nodes(&mut self) -> Result<()> {
        for node in self.topology.nodes() {
            let host = self.boxes.get(node.name.as_str());
            let host = host.with_context(|| format!("no box {}", node.name))?;
            self.objects.connect(host, node)?;
        }
        Ok(())
    }
}
