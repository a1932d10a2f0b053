//! Changes in directories (inotify), as a hint to look again: it never matters what an event says.

use futures_core::Stream;
use inotify::{EventStream, Inotify, WatchMask};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;

/// Room for some hundred events; more of them come with the next read.
const BUFFER: usize = 16 * 1024;

/// Watches directories.
#[derive(Debug)]
pub struct DirWatch {
    events: EventStream<Vec<u8>>,
}

impl DirWatch {
    /// Watches nothing yet. Must be called inside the runtime.
    ///
    /// # Errors
    /// When the user has too many inotify instances (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        Ok(DirWatch { events })
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
        self.events.watches().add(directory, mask).map(drop)
    }

    /// Waits for a change and says which names it concerns. An empty name stands for a directory
    /// itself, or for events that were lost: look at everything.
    ///
    /// # Errors
    /// When the descriptor fails.
    pub async fn changed(&mut self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        poll_fn(|context| {
            loop {
                match Pin::new(&mut self.events).poll_next(context) {
                    Poll::Ready(Some(event)) => names.insert(event?.name.unwrap_or_default()),
                    Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                    Poll::Pending if names.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Ok(std::mem::take(&mut names))),
                };
            }
        })
        .await
    }
}
