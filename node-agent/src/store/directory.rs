//! The directory store: `DIR/KIND/NAME.yaml`, one object a file.

mod blocks;
mod custody;
mod files;
mod members;
mod watching;

use super::{Claim, Event, Inspected, Member, MemberEvent, Release, Store, StoreError};
use crate::bgp::keys::Keys;
use crate::report::Report;
pub(super) use blocks::kept;
use files::blocking;
use gingham_model::{Block, NodeName, Prefix, SecretName, Zone};
use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// Objects as YAML files below a directory.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    node: NodeName,
    secrets: PathBuf,
    writing: Arc<Mutex<()>>,
}

impl Directory {
    /// The store below `root`, as node `node` needs it, with keys below `secrets`. Nothing is read
    /// yet.
    pub fn new(root: &Path, node: &NodeName, secrets: &Path) -> Self {
        Directory {
            root: root.to_owned(),
            node: node.clone(),
            secrets: secrets.to_owned(),
            writing: Arc::default(),
        }
    }
}

impl Store for Directory {
    /// A look at a few small files.
    const KEYS: Duration = Duration::from_secs(5);

    fn watch(
        &self,
        events: mpsc::Sender<Vec<Event>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        watching::watch(self.clone(), events)
    }

    fn claim(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send + 'static {
        let (store, block) = (self.clone(), block.clone());
        let what = format!("claim Block {}", Block::object_name(block.cidr));
        async move { blocking(what, move || store.claim_now(&block)).await? }
    }

    fn update(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (store, block) = (self.clone(), block.clone());
        let what = format!("update Block {}", Block::object_name(block.cidr));
        async move { blocking(what, move || store.update_now(&block)).await? }
    }

    fn release(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        let (store, block) = (self.clone(), block.clone());
        let what = format!("release Block {}", Block::object_name(block.cidr));
        async move { blocking(what, move || store.release_now(&block)).await? }
    }

    /// A directory is small enough to be told whole.
    fn select(&self, _zone: Option<&Zone>, _label: &str) {}

    fn members(
        &self,
        zone: &Zone,
        label: &str,
        events: mpsc::Sender<Vec<MemberEvent>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        members::members(self.clone(), (label.to_owned(), zone.clone()), events)
    }

    fn member(
        &self,
        name: &NodeName,
    ) -> impl Future<Output = Result<Option<Member>, StoreError>> + Send + 'static {
        let (store, name) = (self.clone(), name.clone());
        let what = format!("read Node {name}");
        async move { blocking(what, move || store.member_now(&name)).await? }
    }

    fn inspect(
        &self,
        cidr: Prefix,
    ) -> impl Future<Output = Result<Option<Inspected>, StoreError>> + Send + 'static {
        let store = self.clone();
        let what = format!("read Block {}", Block::object_name(cidr));
        async move { blocking(what, move || store.inspect_now(cidr)).await? }
    }

    fn orphan(
        &self,
        seen: &Inspected,
        since: SystemTime,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        let (store, seen) = (self.clone(), seen.clone());
        let what = format!("orphan Block {}", Block::object_name(seen.block.cidr));
        async move { blocking(what, move || store.orphan_now(&seen, since)).await? }
    }

    fn free(
        &self,
        seen: &Inspected,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        let (store, seen) = (self.clone(), seen.clone());
        let what = format!("free Block {}", Block::object_name(seen.block.cidr));
        async move { blocking(what, move || store.free_now(&seen)).await? }
    }

    fn keys(&self, names: &BTreeSet<SecretName>) -> impl Future<Output = Keys> + Send + 'static {
        let (dir, names) = (self.secrets.clone(), names.clone());
        async move {
            let what = format!("read keys below {}", dir.display());
            let wanted = names.clone();
            let read = blocking(what, move || Keys::read(&dir, &wanted)).await;
            read.unwrap_or_else(|error| {
                let failed = |name| (name, Err(error.to_string()));
                names.into_iter().map(failed).collect()
            })
        }
    }

    /// The log is where such things are said.
    fn report(
        &self,
        _report: &Report,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        ready(Ok(()))
    }

    /// Nobody writes conditions here.
    fn lead(&self) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        ready(Ok(false))
    }
}
