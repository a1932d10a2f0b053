//! The Nodes of a zone in a directory store, by their metadata.
//!
//! A file that cannot be read is a Node all the same: as it was, or, before it was ever readable, of
//! a uid that nobody has. Only a file that is not there is no Node, and only in a folder that is.

use super::Directory;
use super::files::{DEADLINE, blocking, io_error};
use super::watching::{RESCAN, RESCAN_FAILING, SETTLE};
use crate::manifest;
use crate::objects::Kind;
use crate::store::scan::Scan;
use crate::store::{DirWatch, MemberEvent, StoreError};
use gingham_model::{NodeName, Zone};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Names and uids.
type Nodes = BTreeMap<NodeName, String>;

#[derive(Deserialize)]
struct NodeObject {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: NodeName,
    uid: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// What the last look found.
#[derive(Clone, Debug, Default)]
struct Told {
    nodes: Nodes,
    /// Whether all of them have been told, or why not.
    listed: Option<Result<(), String>>,
}

/// Tells the Nodes whose label of that key says that zone, for as long as somebody listens.
pub(super) async fn members(
    store: Directory,
    selector: (String, Zone),
    events: mpsc::Sender<Vec<MemberEvent>>,
) -> Result<(), StoreError> {
    let folder = Scan::folder(&store.root, Kind::Node);
    let mut watch = DirWatch::new().map_err(|error| io_error("watch", &folder, error))?;
    let mut told = Told::default();
    loop {
        // One that cannot be watched costs delay only; one that is missing shows below.
        let _ = watch.add(&folder);
        let (place, selector, before) = (folder.clone(), selector.clone(), told.nodes.clone());
        let what = format!("list {}", folder.display());
        let listed = blocking(what, move || look(&place, &selector, &before)).await;
        let listed = listed.and_then(|listed| listed.map_err(|e| io_error("list", &folder, e)));
        let found = told.compare(listed.map_err(|error| error.to_string()));
        if !found.is_empty() && events.send(found).await.is_err() {
            return Ok(());
        }
        rest(&mut watch, told.pause()).await;
        if events.is_closed() {
            return Ok(());
        }
    }
}

/// Until something has changed, or the time is over.
async fn rest(watch: &mut DirWatch, pause: Duration) {
    match tokio::time::timeout(pause, watch.changed()).await {
        Ok(Ok(_)) => tokio::time::sleep(SETTLE).await,
        Ok(Err(_)) => tokio::time::sleep(pause.min(DEADLINE)).await,
        Err(_) => {}
    }
}

impl Told {
    /// Everything that differs from the last look.
    fn compare(&mut self, found: Result<Nodes, String>) -> Vec<MemberEvent> {
        let mut events = Vec::new();
        let listed = found.map(|nodes| {
            let gone = self.nodes.keys().filter(|name| !nodes.contains_key(*name));
            events.extend(gone.cloned().map(MemberEvent::Gone));
            let new = nodes
                .iter()
                .filter(|(name, uid)| self.nodes.get(*name) != Some(uid));
            events.extend(new.map(|(name, uid)| MemberEvent::Apply(name.clone(), uid.clone())));
            self.nodes = nodes;
        });
        if self.listed.as_ref() != Some(&listed) {
            events.push(match &listed {
                Ok(()) => MemberEvent::Synced,
                Err(error) => MemberEvent::Failed(error.clone()),
            });
            self.listed = Some(listed);
        }
        events
    }

    fn pause(&self) -> Duration {
        match self.listed {
            Some(Ok(())) => RESCAN,
            _ => RESCAN_FAILING,
        }
    }
}

fn look(folder: &Path, (label, zone): &(String, Zone), before: &Nodes) -> io::Result<Nodes> {
    let mut nodes = Nodes::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = node_name(&path) else {
            continue;
        };
        match read(&path) {
            Ok(node) if node.name == name => {
                let stands = node.labels.get(label);
                if stands.is_some_and(|stands| stands == zone.as_str()) {
                    nodes.insert(name, node.uid);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => {
                let uid = before.get(&name).cloned().unwrap_or_default();
                nodes.insert(name, uid);
            }
        }
    }
    Ok(nodes)
}

/// The Node a file of this name speaks for.
fn node_name(path: &Path) -> Option<NodeName> {
    let (stem, extension) = (path.file_stem()?.to_str()?, path.extension()?);
    let manifest = extension == OsStr::new("yaml") && !stem.starts_with('.');
    stem.parse().ok().filter(|_| manifest)
}

fn read(path: &Path) -> io::Result<Metadata> {
    let text = fs::read_to_string(path)?;
    let value = manifest::value(&text).map_err(io::Error::other)?;
    let node = NodeObject::deserialize(value).map_err(io::Error::other)?;
    Ok(node.metadata)
}
