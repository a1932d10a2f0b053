//! The watch over a directory store.

use super::Directory;
use super::files::{DEADLINE, io_error};
use crate::objects::Kind;
use crate::store::scan::{Scan, Where};
use crate::store::watch::Change;
use crate::store::{DirWatch, Event, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to go without a look at everything: inotify may miss an event, and sees nothing of what
/// another host does to a network file system.
pub(super) const RESCAN: Duration = Duration::from_secs(30);
/// The same while a folder is missing: then there may be nothing to watch.
pub(super) const RESCAN_FAILING: Duration = Duration::from_secs(1);
/// A burst of changes is read once.
pub(super) const SETTLE: Duration = Duration::from_millis(10);

/// Tells what is there, and what changes, for as long as somebody listens.
pub(super) async fn watch(
    store: Directory,
    events: mpsc::Sender<Vec<Event>>,
) -> Result<(), StoreError> {
    let (root, mut scan) = (store.root.clone(), Scan::new(&store.root, &store.node));
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
