//! Changes in directories (inotify), as a hint where to look again: it never matters what an event
//! says has happened there.

use futures_core::Stream;
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchMask};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

/// Room for some hundred events; more of them come with the next read.
const BUFFER: usize = 16 * 1024;

/// Watches directories.
#[derive(Debug)]
pub struct DirWatch {
    events: EventStream<Vec<u8>>,
    /// By the kernel's number of the watch. It never gives one twice.
    directories: BTreeMap<i32, PathBuf>,
}

/// Something that may have changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// The directory, as it was added; empty where events were lost.
    pub(super) folder: PathBuf,
    /// The name in it; empty for the directory itself.
    pub(super) name: OsString,
}

impl DirWatch {
    /// Watches nothing yet. Must be called inside the runtime.
    ///
    /// # Errors
    /// When the user has too many inotify instances (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        Ok(DirWatch {
            events,
            directories: BTreeMap::new(),
        })
    }

    /// Watches a directory too; adding one that is watched changes nothing.
    ///
    /// # Errors
    /// When it is not there, or there are too many watches.
    pub fn add(&mut self, directory: &Path) -> io::Result<()> {
        // Not MODIFY: a file that is being written is worth reading when it is closed.
        let mask = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::ATTRIB
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let watch = self.events.watches().add(directory, mask)?;
        let number = watch.get_watch_descriptor_id();
        self.directories.insert(number, directory.to_owned());
        Ok(())
    }

    /// Waits for a change and says which names it concerns, in whatever directory. An empty name
    /// stands for a directory itself, or for events that were lost: look at everything.
    ///
    /// # Errors
    /// When the descriptor fails.
    pub async fn changed(&mut self) -> io::Result<BTreeSet<OsString>> {
        let changes = self.changes().await?;
        Ok(changes.into_iter().map(|change| change.name).collect())
    }

    /// Waits for a change and says what it concerns.
    ///
    /// # Errors
    /// When the descriptor fails.
    pub(super) async fn changes(&mut self) -> io::Result<BTreeSet<Change>> {
        let mut changes = BTreeSet::new();
        poll_fn(|context| {
            loop {
                match Pin::new(&mut self.events).poll_next(context) {
                    Poll::Ready(Some(event)) => changes.insert(self.change(event?)),
                    Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                    Poll::Pending if changes.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Ok(std::mem::take(&mut changes))),
                };
            }
        })
        .await
    }

    /// The number of lost events (`IN_Q_OVERFLOW`) is nobody's.
    fn change(&mut self, event: EventOwned) -> Change {
        let number = event.wd.get_watch_descriptor_id();
        let folder = if event.mask.contains(EventMask::IGNORED) {
            self.directories.remove(&number)
        } else {
            self.directories.get(&number).cloned()
        };
        Change {
            folder: folder.unwrap_or_default(),
            name: event.name.unwrap_or_default(),
        }
    }
}
