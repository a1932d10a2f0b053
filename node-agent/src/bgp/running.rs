//! One run of the speaker: what it was told, and what it says while it runs.

use super::hearing::Hearing;
use super::learned::Learned;
use crate::dirty::{Cause, Dirty};
use gingham_bgp::config::Config;
use gingham_bgp::session::Farewell;
use gingham_bgp::speaker::{self, CommandError, Handle, Sessions, Started};
use gingham_model::Prefix;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The longest the speaker may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// A speaker that runs, and what it was last told.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) handle: Handle,
    pub(super) task: JoinHandle<()>,
    pub(super) config: Config,
    /// As the speaker was last told.
    connected: Vec<Prefix>,
    pub(super) hearing: Hearing,
    pub(super) sessions: watch::Receiver<Sessions>,
    news: Arc<speaker::Learned>,
    learned: Arc<Mutex<Learned>>,
    /// Carry on what it learns and hears, for as long as it runs.
    _readers: JoinSet<()>,
}

impl Running {
    pub(super) fn new(
        started: Started,
        (config, connected): (Config, Vec<Prefix>),
        dirty: &Dirty,
    ) -> Self {
        let Started {
            handle,
            learned,
            sessions,
            task,
        } = started;
        let news = Arc::new(learned);
        let learned = Arc::new(Mutex::new(Learned::default()));
        let (from, into, marks) = (Arc::clone(&news), Arc::clone(&learned), dirty.clone());
        let mut readers = JoinSet::new();
        readers.spawn(async move {
            loop {
                let changes = from.next().await;
                if lock(&into).take_in(changes) {
                    marks.mark(Cause::Learned);
                }
            }
        });
        let (mut changed, marks) = (sessions.clone(), dirty.clone());
        readers.spawn(async move {
            while changed.changed().await.is_ok() {
                marks.mark(Cause::Learned);
            }
        });
        Running {
            handle,
            task,
            config,
            connected,
            hearing: Hearing::new(Instant::now()),
            sessions,
            news,
            learned,
            _readers: readers,
        }
    }

    pub(super) async fn configure(&mut self, config: Config) -> Result<(), String> {
        if config != self.config {
            answer(self.handle.configure(config.clone())).await?;
            self.config = config;
        }
        Ok(())
    }

    /// What was learned, and which families are not heard out.
    pub(super) fn learned(&mut self, now: Instant) -> Learned {
        self.hearing.hear(&self.sessions.borrow_and_update());
        let mut learned = lock(&self.learned);
        // Who is heard out has said before what he knows; the task that waits for news may not have
        // taken it yet.
        learned.take_in(self.news.take());
        Learned {
            pending: self.hearing.pending(&self.config, now),
            ..learned.clone()
        }
    }

    /// Tells it where next hops may be.
    pub(super) async fn connect(&mut self, connected: Vec<Prefix>) -> Result<(), String> {
        if connected != self.connected {
            answer(self.handle.set_connected(connected.clone())).await?;
            self.connected = connected;
        }
        Ok(())
    }

    /// Ends every session.
    pub(super) async fn end(&self, farewell: Farewell) -> Result<(), String> {
        answer(self.handle.end(farewell)).await.map(drop)
    }
}

/// A writer that panicked left a map that is still whole.
fn lock(learned: &Mutex<Learned>) -> MutexGuard<'_, Learned> {
    learned.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Law 13: nothing waits for ever.
async fn answer<T>(asked: impl Future<Output = Result<T, CommandError>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("BGP: {error}")),
        Err(_) => Err(format!("BGP: no answer of the speaker within {ANSWER:?}")),
    }
}
