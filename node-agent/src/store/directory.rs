//! The directory store: `DIR/KIND/NAME.yaml`, one object a file.
//!
//! A claim is a hidden file, complete and on disk, that gets its name by link(2): the name exists
//! with all of its contents or not at all, and of two that link one is told `EEXIST`.

use super::scan::Scan;
use super::{Claim, DirWatch, Event, Store, StoreError};
use crate::manifest;
use crate::objects::{Kind, Object};
use gingham_model::{Block, NodeName};
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to go without a look, should an inotify event be missed.
const RESCAN: Duration = Duration::from_secs(30);
/// The same while a folder is missing: then there may be nothing to watch.
const RESCAN_FAILING: Duration = Duration::from_secs(1);
/// A burst of changes is read once.
const SETTLE: Duration = Duration::from_millis(10);
/// The longest a file operation may take; network file systems can take for ever.
const DEADLINE: Duration = Duration::from_secs(10);

/// Objects as YAML files below a directory.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    node: NodeName,
}

impl Directory {
    /// The store below `root`, as node `node` needs it. Nothing is read yet.
    pub fn new(root: &Path, node: &NodeName) -> Self {
        Directory {
            root: root.to_owned(),
            node: node.clone(),
        }
    }

    fn block_path(&self, name: &str) -> PathBuf {
        Scan::folder(&self.root, Kind::Block).join(format!("{name}.yaml"))
    }

    fn claim_now(&self, block: &Block) -> Result<Claim, StoreError> {
        let name = Block::object_name(block.cidr);
        let path = self.block_path(&name);
        let text = render(block, None)?;
        let draft = self.draft(&path, &text)?;
        let linked = fs::hard_link(&draft, &path);
        discard(&draft);
        match linked {
            Ok(()) => settle_name(&path).map(|()| Claim::Ours),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (there, _) = read(&path, &name)?;
                let ours = there.node == block.node && there.node_uid == block.node_uid;
                Ok(if ours {
                    Claim::Ours
                } else {
                    Claim::Taken(there)
                })
            }
            Err(source) => Err(io_error("link", &path, source)),
        }
    }

    fn update_now(&self, block: &Block) -> Result<(), StoreError> {
        let name = Block::object_name(block.cidr);
        let path = self.block_path(&name);
        let (there, text) = read(&path, &name)?;
        if there.node != block.node {
            let node = there.node.to_string();
            return Err(StoreError::Lost { name, node });
        }
        let draft = self.draft(&path, &render(block, Some(&text))?)?;
        let renamed = fs::rename(&draft, &path).map_err(|source| {
            discard(&draft);
            io_error("rename to", &path, source)
        });
        renamed.and_then(|()| settle_name(&path))
    }

    /// A hidden file beside `path` with all of `text`, on disk. Its name is this node's, process's
    /// and call's alone: agents in containers may all have the same process id.
    fn draft(&self, path: &Path, text: &str) -> Result<PathBuf, StoreError> {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let (node, process) = (&self.node, std::process::id());
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = path.with_file_name(format!(".{name}.{node}.{process}.{number}"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| io_error("write", &draft, source))?;
        Ok(draft)
    }
}

/// A draft that stays behind is hidden and harmless.
fn discard(draft: &Path) {
    if let Err(error) = fs::remove_file(draft) {
        tracing::warn!(file = %draft.display(), %error, "draft stays behind");
    }
}

/// Brings the name of `path` to disk.
fn settle_name(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let sync = File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(|source| io_error("sync", folder, source))
}

fn read(path: &Path, name: &str) -> Result<(Block, String), StoreError> {
    let text = fs::read_to_string(path).map_err(|source| io_error("read", path, source))?;
    let invalid = |why: String| StoreError::Invalid(format!("{}: {why}", path.display()));
    let parsed = manifest::parse(Kind::Block, name, &text);
    match parsed.map_err(|why| invalid(why.to_string()))?.object {
        Object::Block(block) => Ok((block, text)),
        _ => Err(invalid("is no Block".into())),
    }
}

fn render(block: &Block, present: Option<&str>) -> Result<String, StoreError> {
    manifest::render(block, present).map_err(|why| StoreError::Invalid(why.to_string()))
}

fn io_error(what: &str, path: &Path, source: io::Error) -> StoreError {
    let what = format!("{what} {}", path.display());
    StoreError::Io { what, source }
}

/// Runs file operations away from the loop, and not for ever.
async fn blocking<T: Send + 'static>(
    what: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::time::timeout(DEADLINE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(join)) => Err(StoreError::Io {
            what,
            source: join.into(),
        }),
        Err(_) => Err(StoreError::Timeout {
            what,
            limit: DEADLINE,
        }),
    }
}

impl Store for Directory {
    fn watch(
        &self,
        events: mpsc::Sender<Vec<Event>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (root, mut scan) = (self.root.clone(), Scan::new(&self.root, &self.node));
        async move {
            let mut watch = DirWatch::new().map_err(|e| io_error("watch", &root, e))?;
            let mut blind = false;
            loop {
                // Watch first, then look: what changes between the two is seen twice, not missed.
                let sighted = arm(&mut watch, &root).map_err(|error| error.to_string());
                if let (Err(error), false) = (&sighted, blind) {
                    let directory = root.display();
                    tracing::warn!(%directory, %error, "cannot be watched, only looked at");
                }
                blind = sighted.is_err();
                let found;
                (found, scan) = look(scan, &root, &events).await?;
                if !found.is_empty() && events.send(found).await.is_err() {
                    return Ok(());
                }
                let rest = if scan.is_failing() {
                    RESCAN_FAILING
                } else {
                    RESCAN
                };
                if let Ok(changed) = tokio::time::timeout(rest, watch.changed()).await {
                    changed.map_err(|e| io_error("watch", &root, e))?;
                    tokio::time::sleep(SETTLE).await;
                }
            }
        }
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
}

/// One look, away from the loop. While it takes too long the sources count as failed.
async fn look(
    mut scan: Scan,
    root: &Path,
    events: &mpsc::Sender<Vec<Event>>,
) -> Result<(Vec<Event>, Scan), StoreError> {
    let what = format!("scan {}", root.display());
    let mut looking = tokio::task::spawn_blocking(move || (scan.look(), scan));
    let done = match tokio::time::timeout(DEADLINE, &mut looking).await {
        Ok(done) => done,
        Err(_) => {
            let failed = |kind| Event::Failed(kind, format!("{what}: not done in {DEADLINE:?}"));
            // Whether anybody listens shows with the next batch.
            let _ = events.send(Kind::ALL.map(failed).to_vec()).await;
            looking.await.map(|(found, mut scan)| {
                scan.repeat_listed();
                (found, scan)
            })
        }
    };
    done.map_err(|join| StoreError::Io {
        what,
        source: join.into(),
    })
}

/// Watches what there is to watch. A folder that is missing shows in the scan; one that cannot be
/// watched costs delay only.
fn arm(watch: &mut DirWatch, root: &Path) -> io::Result<()> {
    let folders = Kind::ALL.map(|kind| Scan::folder(root, kind));
    let mut armed = Ok(());
    for directory in folders.iter().map(PathBuf::as_path).chain([root]) {
        match watch.add(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => armed = Err(error),
            _ => {}
        }
    }
    armed
}
