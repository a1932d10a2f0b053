//! The loop: events mark dirty; a round plans, changes, reads back and says what is so.
//!
//! ```text
//!   store ──Event──► Cluster ─┐
//!   run dir ──────────────────┼──► Dirty ─settle─► Pass (blocking) ─► claims ─► Snapshot ─► http
//!   timer, retry ─────────────┘
//! ```

use crate::claim::Unlisted;
use crate::claiming::{self, Claiming};
use crate::cluster::Cluster;
use crate::dirty::{Cause, Dirty};
use crate::http;
use crate::journal::{self, Journal};
use crate::pass::{self, Pass, Seen};
use crate::run_dir::{RunDir, RunDirError};
use crate::schedule::{Looked, Outcome, Schedule};
use crate::snapshot::{self, Known, Snapshot};
use crate::status::RoundStatus;
use crate::store::{DirWatch, Event, Store, StoreError};
use gingham_ipam::{BootId, FileError, Usage};
use gingham_model::{Family, NodeName};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// How often the loop shows that it lives while nothing else happens.
const PULSE: Duration = Duration::from_secs(5);
/// The longest the listeners may take to finish their answers at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How an agent is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node it runs on.
    pub node: NodeName,
    /// The directory it shares with the plugin.
    pub run_dir: PathBuf,
    /// Where `/healthz` and `/readyz` answer.
    pub health: SocketAddr,
    /// Where the debug endpoint answers besides its socket.
    pub debug: Option<SocketAddr>,
}

/// Why an agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its run directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The boot id.
    #[error(transparent)]
    Boot(#[from] FileError),
    /// The store's watch ended.
    #[error("watching the cluster: {0}")]
    Store(#[from] StoreError),
    /// A listener cannot be opened or has ended.
    #[error("{what}: {source}")]
    Io {
        /// What it was for.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A part of the agent panicked.
    #[error("a task of the agent ended: {0}")]
    Task(#[from] JoinError),
}

/// Runs until `stop`; then every route and every file but the socket stays as it is.
///
/// # Errors
/// What keeps it from starting, or a part of it that ended: it does not limp on.
pub async fn run<S: Store>(
    config: Config,
    store: S,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let run_dir = RunDir::open(&config.run_dir)?;
    let boot = BootId::of_this_boot()?;
    let mut agent = Agent::new(config.node.clone(), store, run_dir, boot);
    let mut tasks: JoinSet<Result<(), AgentError>> = JoinSet::new();
    let socket = agent.run_dir.socket();
    let endpoints = http::Endpoints {
        socket: socket.clone(),
        health: config.health,
        debug: config.debug,
    };
    http::serve(&endpoints, &agent.shown, &stop, &mut tasks).await?;
    let (sender, events) = mpsc::channel(64);
    let cluster = agent.store.watch(sender);
    tasks.spawn(until(stop.clone(), async move { Ok(cluster.await?) }));
    let run_dir = watch_run_dir(config.run_dir.clone(), agent.dirty.clone());
    tasks.spawn(until(stop.clone(), run_dir));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), node = %config.node, boot = %agent.boot,
        run_dir = %config.run_dir.display(), health = %config.health, debug = ?config.debug,
        "agent started");

    let outcome = agent.live(events, &mut tasks, &stop).await;
    stop.cancel();
    // The socket is taken away first, so that nobody asks an agent that is gone.
    if let Err(error) = std::fs::remove_file(&socket) {
        tracing::debug!(%error, "socket was gone already");
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        tracing::warn!("some answers were cut off");
    }
    outcome
}

/// Runs a task that would never end by itself.
async fn until(
    stop: CancellationToken,
    task: impl Future<Output = Result<(), AgentError>>,
) -> Result<(), AgentError> {
    stop.run_until_cancelled(task).await.unwrap_or(Ok(()))
}

/// What the endpoints show: the last snapshot, and when the loop last turned.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The last snapshot.
    pub snapshot: Arc<Snapshot>,
    /// When the loop last turned.
    pub pulse: Instant,
}

struct Agent<S> {
    me: NodeName,
    store: S,
    run_dir: RunDir,
    boot: BootId,
    cluster: Arc<Cluster>,
    unlisted: Unlisted,
    usage: BTreeMap<Family, Usage>,
    obstacles: Vec<String>,
    seen: Option<Seen>,
    round: RoundStatus,
    dirty: Dirty,
    schedule: Schedule,
    journal: Journal,
    shown: watch::Sender<Shown>,
    random: RandomState,
}

impl<S: Store> Agent<S> {
    fn new(me: NodeName, store: S, run_dir: RunDir, boot: BootId) -> Self {
        let (cluster, round, now) = (Cluster::default(), RoundStatus::default(), Instant::now());
        let snapshot = Arc::new(snapshot::snapshot(&Known {
            me: &me,
            cluster: &cluster,
            seen: None,
            usage: &BTreeMap::new(),
            claims: &[],
            round: &round,
        }));
        let dirty = Dirty::default();
        dirty.mark(Cause::Start);
        Agent {
            me,
            store,
            run_dir,
            boot,
            cluster: Arc::new(cluster),
            unlisted: Unlisted::default(),
            usage: BTreeMap::new(),
            obstacles: Vec::new(),
            seen: None,
            round,
            dirty,
            schedule: Schedule::new(now),
            journal: Journal::default(),
            shown: watch::Sender::new(Shown {
                snapshot,
                pulse: now,
            }),
            random: RandomState::new(),
        }
    }

    async fn live(
        &mut self,
        mut events: mpsc::Receiver<Vec<Event>>,
        tasks: &mut JoinSet<Result<(), AgentError>>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        let dirty = self.dirty.clone();
        loop {
            self.shown.send_modify(|shown| shown.pulse = Instant::now());
            let due = self.schedule.next().into();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(ended) = tasks.join_next() => ended??,
                Some(batch) = events.recv() => self.take_in(batch),
                () = dirty.marked() => self.schedule.marked(Instant::now()),
                () = tokio::time::sleep_until(due) => self.round().await?,
                () = tokio::time::sleep(PULSE) => {}
            }
        }
    }

    fn take_in(&mut self, batch: Vec<Event>) {
        let cluster = Arc::make_mut(&mut self.cluster);
        let changes = batch.into_iter().map(|event| cluster.apply(event));
        // Every event has to be applied, so no `any`.
        if changes.filter(|changed| *changed).count() > 0 {
            self.dirty.mark(Cause::Cluster);
        }
    }

    async fn round(&mut self) -> Result<(), AgentError> {
        let start = Instant::now();
        let mut causes = self.dirty.take();
        causes.extend(self.schedule.begin(start));
        self.run_dir.check()?;
        let only_leases = causes.iter().all(|cause| *cause == Cause::Leases);
        let mut failed = false;
        let looked = if only_leases && self.seen.is_some() {
            Looked::AtLeases
        } else {
            failed |= !self.look(start, &causes).await?;
            Looked::AtAll
        };
        failed |= !self.claim().await?;
        self.show();
        let jitter = self.random.hash_one(self.round.number);
        self.schedule
            .end(Instant::now(), Outcome { looked, failed }, jitter);
        Ok(())
    }

    /// Looks at the kernel and sets it right. Says whether all went well.
    async fn look(&mut self, start: Instant, causes: &BTreeSet<Cause>) -> Result<bool, AgentError> {
        let pass = Pass {
            me: self.me.clone(),
            cluster: Arc::clone(&self.cluster),
            boot: self.boot.clone(),
            node_state: self.run_dir.node_state(),
        };
        let result = tokio::task::spawn_blocking(move || pass.run()).await?;
        self.round = snapshot::round(&self.round, causes, start.elapsed());
        match result {
            Ok(seen) => {
                journal::changes(&seen, causes);
                self.round.applied = seen.round.applied.len();
                self.round.applied_since_start += self.round.applied;
                self.round.failed = seen.round.failed.len();
                let well = seen.round.is_in_sync() && seen.sysctls.is_empty();
                self.seen = Some(seen);
                Ok(well)
            }
            Err(error) => {
                tracing::warn!(%error, "kernel not read");
                self.round.error = Some(error.to_string());
                Ok(false)
            }
        }
    }

    /// Sees to it that the node has the blocks it needs. Says whether all went well.
    async fn claim(&mut self) -> Result<bool, AgentError> {
        // An outdated plan lacks the block that the last shortage claimed, and would find it again.
        let seen = self.seen.as_ref().filter(|_| self.round.error.is_none());
        let state = seen.and_then(|seen| seen.plan.node_state.clone().ok());
        let usage = match state {
            Some(state) => {
                let run_dir = self.run_dir.path().to_owned();
                tokio::task::spawn_blocking(move || pass::usage(&run_dir, &state)).await?
            }
            None => Ok(BTreeMap::new()),
        };
        let unread = usage.as_ref().err().cloned();
        self.usage = usage.unwrap_or_default();
        let claiming = Claiming {
            store: &self.store,
            me: &self.me,
            cluster: &self.cluster,
            usage: &self.usage,
        };
        let claimed = claiming::carry_out(claiming, &mut self.unlisted).await;
        self.obstacles = claimed.obstacles;
        self.obstacles.extend(unread);
        Ok(!claimed.failed)
    }

    fn show(&mut self) {
        self.journal.news(&self.cluster, self.seen.as_ref());
        let snapshot = Arc::new(snapshot::snapshot(&Known {
            me: &self.me,
            cluster: &self.cluster,
            seen: self.seen.as_ref(),
            usage: &self.usage,
            claims: &self.obstacles,
            round: &self.round,
        }));
        let ready = snapshot.status.ready;
        let before = self.shown.borrow().snapshot.status.ready;
        if ready != before {
            tracing::info!(ready, reasons = ?snapshot.status.reasons, "readiness changed");
        }
        self.shown.send_modify(|shown| shown.snapshot = snapshot);
    }
}

/// Marks dirty what happens in the run directory.
async fn watch_run_dir(run_dir: PathBuf, dirty: Dirty) -> Result<(), AgentError> {
    let failed = |source| AgentError::Io {
        what: format!("watch {}", run_dir.display()),
        source,
    };
    let mut watch = DirWatch::new().map_err(failed)?;
    watch.add(Path::new(&run_dir)).map_err(failed)?;
    loop {
        for name in watch.changed().await.map_err(failed)? {
            match name.to_str() {
                Some("leases.json") => dirty.mark(Cause::Leases),
                Some("" | "node.json") => dirty.mark(Cause::RunDir),
                _ => {}
            }
        }
    }
}
