//! Files of a directory store: written whole, read, taken away, and brought to disk.
//!
//! To take a file away is to look first, then take the name away by rename(2) to a hidden one, and
//! look again: a rewrite that came between the two is in hand now instead of lost, and gets its name
//! back by link(2), which never covers a claim. Killed in between, it is done: what is hidden is no
//! object, and what was looked at could go.

use super::Directory;
use crate::manifest;
use crate::objects::{Kind, Object};
use crate::store::scan::Scan;
use crate::store::{Release, StoreError};
use gingham_model::Block;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{MutexGuard, TryLockError};
use std::time::Duration;

/// The longest a file operation may take; network file systems can take for ever.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

impl Directory {
    /// The right to write. A write that hangs past its deadline goes on, and might otherwise undo a
    /// later one.
    pub(super) fn turn(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
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

    pub(super) fn block_path(&self, name: &str) -> PathBuf {
        Scan::folder(&self.root, Kind::Block).join(format!("{name}.yaml"))
    }

    /// Takes the file away that was read as `text`, unless it is another one by now.
    pub(super) fn take_away(&self, path: &Path, text: &str) -> Result<Release, StoreError> {
        let aside = self.hidden(path);
        match fs::rename(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Release::Gone),
            renamed => renamed.map_err(|source| io_error("rename", path, source))?,
        }
        let unchanged = fs::read_to_string(&aside).is_ok_and(|now| now == text);
        if !unchanged {
            put_back(&aside, path)?;
        }
        discard(&aside);
        settle_name(path)?;
        Ok(if unchanged {
            Release::Done
        } else {
            Release::rewritten()
        })
    }

    /// A hidden name beside `path`, this node's, process's and call's alone: agents in containers
    /// may all have the same process id.
    pub(super) fn hidden(&self, path: &Path) -> PathBuf {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let (node, process) = (&self.node, std::process::id());
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!(".{name}.{node}.{process}.{number}"))
    }

    /// A hidden file beside `path` with all of `text`, on disk.
    pub(super) fn draft(&self, path: &Path, text: &str) -> Result<PathBuf, StoreError> {
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
pub(super) fn discard(hidden: &Path) {
    if let Err(error) = fs::remove_file(hidden) {
        tracing::warn!(file = %hidden.display(), %error, "hidden file stays behind");
    }
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
pub(super) fn settle_name(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let sync = File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(|source| io_error("sync", folder, source))
}

pub(super) fn read(path: &Path, name: &str) -> Result<(Block, String), StoreError> {
    let text = fs::read_to_string(path).map_err(|source| io_error("read", path, source))?;
    let invalid = |why: String| StoreError::Invalid(format!("{}: {why}", path.display()));
    let parsed = manifest::parse(Kind::Block, name, &text);
    match parsed.map_err(|why| invalid(why.to_string()))?.object {
        Object::Block(block) => Ok((block, text)),
        _ => Err(invalid("is no Block".into())),
    }
}

pub(super) fn render(block: &Block, present: Option<&str>) -> Result<String, StoreError> {
    manifest::render(block, present).map_err(|why| StoreError::Invalid(why.to_string()))
}

pub(super) fn io_error(what: &str, path: &Path, source: io::Error) -> StoreError {
    let what = format!("{what} {}", path.display());
    StoreError::Io { what, source }
}

/// Runs file operations away from the loop, and not for ever.
pub(super) async fn blocking<T: Send + 'static>(
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
