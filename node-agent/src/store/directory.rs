//! The directory store: `DIR/KIND/NAME.yaml`, one object a file.
//!
//! A claim is a hidden file, complete and on disk, that gets its name by link(2): the name exists
//! with all of its contents or not at all, and of two that link one is told `EEXIST`.
//!
//! A release looks first, then takes the name away by rename(2) to a hidden one, and looks again: a
//! rewrite that came between the two is in hand now instead of lost, and gets its name back by
//! link(2), which never covers a claim. Killed in between, the release is done: what is hidden is
//! no Block, and what was looked at could go.

use super::scan::{Scan, Where};
use super::watch::Change;
use super::{Claim, DirWatch, Event, Inspected, Member, MemberEvent, Release, Store, StoreError};
use crate::bgp::keys::Keys;
use crate::manifest;
use crate::objects::{Kind, Object};
use crate::report::Report;
use gingham_model::{Block, BlockState, NodeName, Prefix, SecretName, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How long to go without a look at everything: inotify may miss an event, and sees nothing of what
/// another host does to a network file system.
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

    /// The right to write. A write that hangs past its deadline goes on, and might otherwise undo a
    /// later one.
    fn turn(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        match self.writing.try_lock() {
            Ok(turn) => Ok(turn),
            // There is nothing behind the lock that a panic could leave broken.
            Err(TryLockError::Poisoned(turn)) => Ok(turn.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let earlier = io::Error::other("an earlier write has not come to its end");
                Err(io_error("write below", &self.root, earlier))
            }
        }
    }

    fn block_path(&self, name: &str) -> PathBuf {
        Scan::folder(&self.root, Kind::Block).join(format!("{name}.yaml"))
    }

    fn claim_now(&self, block: &Block) -> Result<Claim, StoreError> {
        let _turn = self.turn()?;
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
        let _turn = self.turn()?;
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

    fn release_now(&self, block: &Block) -> Result<Release, StoreError> {
        let _turn = self.turn()?;
        let name = Block::object_name(block.cidr);
        let path = self.block_path(&name);
        let (there, text) = match read(&path, &name) {
            Err(error) if error.is_missing() => return Ok(Release::Gone),
            read => read?,
        };
        if let Some(why) = kept(&there, block) {
            return Ok(Release::Kept(why));
        }
        let aside = self.hidden(&path);
        match fs::rename(&path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Release::Gone),
            renamed => renamed.map_err(|source| io_error("rename", &path, source))?,
        }
        let unchanged = fs::read_to_string(&aside).is_ok_and(|now| now == text);
        if !unchanged {
            put_back(&aside, &path)?;
        }
        discard(&aside);
        settle_name(&path)?;
        Ok(if unchanged {
            Release::Done
        } else {
            Release::Kept("was rewritten at the same time".to_owned())
        })
    }

    /// A hidden name beside `path`, this node's, process's and call's alone: agents in containers
    /// may all have the same process id.
    fn hidden(&self, path: &Path) -> PathBuf {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let (node, process) = (&self.node, std::process::id());
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!(".{name}.{node}.{process}.{number}"))
    }

    /// A hidden file beside `path` with all of `text`, on disk.
    fn draft(&self, path: &Path, text: &str) -> Result<PathBuf, StoreError> {
        let draft = self.hidden(path);
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| io_error("write", &draft, source))?;
        Ok(draft)
    }
}

/// A file that stays behind is hidden and harmless.
fn discard(hidden: &Path) {
    if let Err(error) = fs::remove_file(hidden) {
        tracing::warn!(file = %hidden.display(), %error, "hidden file stays behind");
    }
}

/// Why `there` is not the block to be released; `None` if it is.
fn kept(there: &Block, block: &Block) -> Option<String> {
    if there.node != block.node || there.node_uid != block.node_uid {
        let (node, uid) = (&there.node, &there.node_uid);
        return Some(format!("is in the hands of node {node} ({uid}) now"));
    }
    (there.state != BlockState::Draining).then(|| format!("is {:?}", there.state))
}

/// Gives `path` its name back, unless a claim has it by now.
fn put_back(aside: &Path, path: &Path) -> Result<(), StoreError> {
    match fs::hard_link(aside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let what = format!("link {} to", aside.display());
            Err(io_error(&what, path, error))
        }
        _ => Ok(()),
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
    /// A look at a few small files.
    const KEYS: Duration = Duration::from_secs(5);

    fn watch(
        &self,
        events: mpsc::Sender<Vec<Event>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (root, mut scan) = (self.root.clone(), Scan::new(&self.root, &self.node));
        async move {
            let mut watch = DirWatch::new().map_err(|e| io_error("watch", &root, e))?;
            let mut blind = false;
            let mut next = Where::Everywhere;
            loop {
                // Watch first, then look: what changes between the two is seen twice, not missed.
                let sighted = arm(&mut watch, &root).map_err(|error| error.to_string());
                if let (Err(error), false) = (&sighted, blind) {
                    let directory = root.display();
                    tracing::warn!(%directory, %error, "cannot be watched, only looked at");
                }
                blind = sighted.is_err();
                let found;
                (found, scan) = look(scan, next, &events).await?;
                if !found.is_empty() && events.send(found).await.is_err() {
                    return Ok(());
                }
                let rest = if scan.is_failing() {
                    RESCAN_FAILING
                } else {
                    RESCAN
                };
                let changed = tokio::time::timeout(rest, watch.changes()).await;
                next = Where::Everywhere;
                if let Ok(changes) = changed {
                    let changes = changes.map_err(|e| io_error("watch", &root, e))?;
                    tokio::time::sleep(SETTLE).await;
                    if !blind && !scan.is_failing() {
                        next = concerned(&root, changes);
                    }
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

    fn release(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        let (store, block) = (self.clone(), block.clone());
        let what = format!("release Block {}", Block::object_name(block.cidr));
        async move { blocking(what, move || store.release_now(&block)).await? }
    }

    /// A directory is small enough to be told whole.
    fn select(&self, _zone: Option<&Zone>) {}

    fn members(
        &self,
        _zone: &Zone,
        _label: &str,
        _events: mpsc::Sender<Vec<MemberEvent>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        async { Err(StoreError::Invalid("not there yet".to_owned())) }
    }

    fn member(
        &self,
        _name: &NodeName,
    ) -> impl Future<Output = Result<Option<Member>, StoreError>> + Send + 'static {
        async { Err(StoreError::Invalid("not there yet".to_owned())) }
    }

    fn inspect(
        &self,
        _cidr: Prefix,
    ) -> impl Future<Output = Result<Option<Inspected>, StoreError>> + Send + 'static {
        async { Err(StoreError::Invalid("not there yet".to_owned())) }
    }

    fn orphan(
        &self,
        _seen: &Inspected,
        _since: SystemTime,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        async { Err(StoreError::Invalid("not there yet".to_owned())) }
    }

    fn free(
        &self,
        _seen: &Inspected,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        async { Err(StoreError::Invalid("not there yet".to_owned())) }
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
        async { Ok(()) }
    }

    /// Nobody writes conditions here.
    fn lead(&self) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        async { Ok(false) }
    }
}

/// Where to look after these changes: at the files they name. Whatever else they may mean is worth
/// a look at everything.
fn concerned(root: &Path, changes: BTreeSet<Change>) -> Where {
    let mut files: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    for Change { folder, name } in changes {
        let mut kinds = Kind::ALL.into_iter();
        let kind = kinds.find(|kind| Scan::folder(root, *kind) == folder);
        let Some(kind) = kind.filter(|_| !name.is_empty()) else {
            return Where::Everywhere;
        };
        let name = name.to_string_lossy().into_owned();
        files.entry(kind).or_default().insert(name);
    }
    Where::Files(files)
}

/// One look, away from the loop. While it takes too long the sources count as failed.
async fn look(
    mut scan: Scan,
    place: Where,
    events: &mpsc::Sender<Vec<Event>>,
) -> Result<(Vec<Event>, Scan), StoreError> {
    let what = format!("scan {}", scan.root().display());
    let mut looking = tokio::task::spawn_blocking(move || (scan.look(&place), scan));
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
