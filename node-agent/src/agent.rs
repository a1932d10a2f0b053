//! The loop: events mark dirty; a round plans, changes, reads back and says what is so.
//!
//! ```text
//!   store ──Event──► Cluster ─┐
//!   kernel ──Notice──► Ear ───┤
//!   run dir ──────────────────┼──► Dirty ─settle─► Pass (blocking) ─► claims ─► Known ─► http
//!   operator ─────────────────┤
//!   timer, retry ─────────────┘
//! ```

use crate::belief::Belief;
use crate::claim::Unlisted;
use crate::claiming::{self, Claiming};
use crate::cluster::Cluster;
use crate::dirty::{Cause, Dirty, Marks};
use crate::ear::Ear;
use crate::firewall;
use crate::give_back::Waiting;
use crate::giving_back::GivingBack;
use crate::http::{self, Asked};
use crate::interest::Interest;
use crate::journal::{self, Journal};
use crate::metrics::{self, Metrics};
use crate::pass::{self, Hands, Pass, Seen, Wired};
use crate::routes::reconcile::Memory;
use crate::run_dir::{RunDir, RunDirError};
use crate::schedule::{Looked, Outcome, Schedule};
use crate::snapshot::{self, Known};
use crate::status::RoundStatus;
use crate::store::{DirWatch, Event, Store, StoreError};
use gingham_ipam::{BootId, FileError, NodeState, Usage};
use gingham_model::{Family, NodeName, Zone};
use gingham_netlink::{Monitor, NftMonitor};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
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
    /// Where the metrics are; `None` is the node's first InternalIP, port [`METRICS_PORT`].
    pub metrics: Option<SocketAddr>,
}

/// Where Prometheus finds an agent.
pub const METRICS_PORT: u16 = 9179;

/// Why an agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its run directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The boot id.
    #[error(transparent)]
    Boot(#[from] FileError),
    /// The kernel cannot be listened to.
    #[error(transparent)]
    Netlink(#[from] gingham_netlink::Error),
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
    // Before the kernel is read for the first time, so that nothing falls in between.
    let (monitor, nft_monitor) = (Monitor::open()?, NftMonitor::open()?);
    let mut agent = Agent::new(config.node.clone(), store, run_dir, boot);
    let mut tasks: JoinSet<Result<(), AgentError>> = JoinSet::new();
    let socket = agent.run_dir.socket();
    let endpoints = http::Endpoints {
        socket: socket.clone(),
        health: config.health,
        debug: config.debug,
    };
    let (questions, asked) = mpsc::channel(4);
    let served = http::Served {
        shown: agent.shown.subscribe(),
        questions,
    };
    http::serve(&endpoints, &served, &stop, &mut tasks).await?;
    let node_ip = metrics::Listen::NodeIp(METRICS_PORT);
    let listen = config.metrics.map_or(node_ip, metrics::Listen::At);
    let scraped = metrics::serve(listen, agent.metrics.clone(), agent.shown.subscribe());
    tasks.spawn(until(stop.clone(), scraped));
    let (sender, events) = mpsc::channel(64);
    let cluster = agent.store.watch(sender);
    tasks.spawn(until(stop.clone(), async move { Ok(cluster.await?) }));
    let run_dir = watch_run_dir(config.run_dir.clone(), agent.dirty.clone());
    tasks.spawn(until(stop.clone(), run_dir));
    let buffer = monitor.buffer_bytes();
    tasks.spawn(until(stop.clone(), agent.ear().listen(monitor)));
    let nft = agent.ear().listen_to_nftables(nft_monitor, firewall::TABLE);
    tasks.spawn(until(stop.clone(), nft));
    let debug_listen = config
        .debug
        .map_or("off".to_owned(), |address| address.to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), node = %config.node, boot = %agent.boot,
        run_dir = %config.run_dir.display(), health = %config.health,
        %debug_listen, monitor_buffer_bytes = buffer, "agent started");

    let outcome = agent.live(Inbox { events, asked }, &mut tasks, &stop).await;
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

/// What the endpoints show: what is known, and when the loop last turned.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is known since the last round.
    pub known: Arc<Known>,
    /// Whether the node is ready by that.
    pub ready: bool,
    /// When the loop last turned.
    pub pulse: Instant,
}

/// What comes in from outside.
struct Inbox {
    events: mpsc::Receiver<Vec<Event>>,
    asked: mpsc::Receiver<Asked>,
}

struct Agent<S> {
    me: NodeName,
    store: S,
    run_dir: RunDir,
    boot: BootId,
    cluster: Arc<Cluster>,
    belief: Belief,
    unlisted: Unlisted,
    waiting: Waiting,
    usage: BTreeMap<Family, Usage>,
    obstacles: Vec<String>,
    /// Away while a pass works with them.
    hands: Option<Hands>,
    seen: Option<Arc<Seen>>,
    pods: Arc<Wired>,
    round: RoundStatus,
    dirty: Dirty,
    schedule: Schedule,
    journal: Journal,
    shown: watch::Sender<Shown>,
    interest: watch::Sender<Interest>,
    own_port: Arc<AtomicU32>,
    metrics: Metrics,
    random: RandomState,
}

impl<S: Store> Agent<S> {
    fn new(me: NodeName, store: S, run_dir: RunDir, boot: BootId) -> Self {
        let (cluster, now) = (Arc::new(Cluster::default()), Instant::now());
        let known = Known {
            me: me.clone(),
            boot: boot.clone(),
            run_dir: run_dir.path().to_owned(),
            cluster: Arc::clone(&cluster),
            seen: None,
            pods: Arc::default(),
            usage: BTreeMap::new(),
            claims: Vec::new(),
            round: RoundStatus::default(),
            memory: Memory::default(),
        };
        let dirty = Dirty::default();
        dirty.mark(Cause::Start);
        let own_port = Arc::default();
        Agent {
            belief: Belief::before(zone_before(&run_dir, &boot, &me)),
            me,
            store,
            run_dir,
            boot,
            cluster,
            unlisted: Unlisted::default(),
            waiting: Waiting::default(),
            usage: BTreeMap::new(),
            obstacles: Vec::new(),
            hands: Some(Hands::new(Arc::clone(&own_port))),
            seen: None,
            pods: Arc::default(),
            round: RoundStatus::default(),
            dirty,
            schedule: Schedule::new(now),
            journal: Journal::default(),
            shown: watch::Sender::new(Shown {
                known: Arc::new(known),
                ready: false,
                pulse: now,
            }),
            interest: watch::Sender::default(),
            own_port,
            metrics: Metrics::new(),
            random: RandomState::new(),
        }
    }

    fn ear(&self) -> Ear {
        Ear {
            dirty: self.dirty.clone(),
            interest: self.interest.subscribe(),
            own_port: Arc::clone(&self.own_port),
            overruns: self.metrics.overruns.clone(),
        }
    }

    async fn live(
        &mut self,
        mut inbox: Inbox,
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
                Some(batch) = inbox.events.recv() => self.take_in(batch),
                Some(asked) = inbox.asked.recv() => self.answer(asked),
                () = dirty.marked() => self.marked(),
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

    fn answer(&mut self, asked: Asked) {
        match asked {
            Asked::ConfirmRemovals(answer) => {
                let held = self.seen.as_ref().and_then(|seen| seen.round.mass);
                if let (Some(_), Some(hands)) = (held, &mut self.hands) {
                    hands.memory.guard.confirm();
                    tracing::warn!("an operator confirmed the removals that are held");
                    self.dirty.mark(Cause::Operator);
                }
                // Who asked may be gone.
                let _ = answer.send(held);
            }
        }
    }

    fn marked(&mut self) {
        let now = Instant::now();
        if self.dirty.is_of_kernel() {
            self.schedule.heard(now);
        }
        if self.dirty.is_of_others() {
            self.schedule.marked(now);
        }
    }

    async fn round(&mut self) -> Result<(), AgentError> {
        let start = Instant::now();
        let mut marks = self.dirty.take();
        for cause in self.schedule.begin(start) {
            marks.causes.entry(cause).or_insert(start);
        }
        self.run_dir.check()?;
        self.believe(start);
        let (looked, well) = self.look(start, marks).await?;
        let mut failed = !well;
        failed |= !self.claim().await?;
        self.show();
        let seen = self.seen.as_ref().and_then(|seen| seen.round.again);
        let put_off = [seen, self.pods.again, self.belief.next()];
        self.schedule.put_off(put_off.into_iter().flatten().min());
        let jitter = self.random.hash_one(self.round.number);
        self.schedule
            .end(Instant::now(), Outcome { looked, failed }, jitter);
        Ok(())
    }

    /// Settles which zone this node stands in.
    fn believe(&mut self, now: Instant) {
        self.belief.hear(self.cluster.label(&self.me).ok(), now);
        let zone = self.belief.zone().cloned();
        if self.cluster.believed() != zone.as_ref() {
            Arc::make_mut(&mut self.cluster).believe(zone);
        }
    }

    /// Looks at the kernel and sets it right. Says how far it looked, and whether all went well.
    async fn look(&mut self, start: Instant, marks: Marks) -> Result<(Looked, bool), AgentError> {
        let pass = Pass {
            me: self.me.clone(),
            cluster: Arc::clone(&self.cluster),
            boot: self.boot.clone(),
            run_dir: self.run_dir.path().to_owned(),
            before: self.seen.clone(),
            marks,
        };
        let fresh = || Hands::new(Arc::clone(&self.own_port));
        let mut hands = self.hands.take().unwrap_or_else(fresh);
        let (pass, hands, result) = tokio::task::spawn_blocking(move || {
            let result = pass.run(&mut hands);
            (pass, hands, result)
        })
        .await?;
        self.hands = Some(hands);
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "kernel not read");
                let causes = &pass.marks.causes;
                self.round = snapshot::round(&self.round, causes, start.elapsed());
                self.round.error = Some(error.to_string());
                return Ok((Looked::AtAll, false));
            }
        };
        let only_pods = pass
            .before
            .is_some_and(|before| Arc::ptr_eq(&before, &found.seen));
        if !only_pods {
            self.note(&found.seen, (&pass.marks, start));
        }
        self.metrics.count_pods(&found.pods);
        let changed = !only_pods && !found.seen.round.applied.is_empty();
        if changed || !found.pods.repaired.is_empty() {
            self.metrics.answered(&pass.marks);
        }
        let well = found.seen.is_well() && found.pods.troubles.is_empty();
        self.seen = Some(found.seen);
        self.pods = Arc::new(found.pods);
        let interest = Interest::new(self.seen.clone(), Arc::clone(&self.pods));
        self.interest.send_replace(interest);
        let looked = if only_pods {
            Looked::AtPods
        } else {
            Looked::AtAll
        };
        Ok((looked, well))
    }

    /// Notes and logs what a pass over everything did.
    fn note(&mut self, seen: &Seen, (marks, start): (&Marks, Instant)) {
        let took = start.elapsed();
        self.metrics.count(seen, took);
        self.round = snapshot::round(&self.round, &marks.causes, took);
        self.round.applied = seen.round.applied.len();
        self.round.applied_since_start += self.round.applied;
        self.round.failed = seen.round.failed.len();
        journal::changes(seen, &marks.causes);
    }

    /// Sees to it that the node has the blocks it needs, and not many more. Says whether all went
    /// well.
    async fn claim(&mut self) -> Result<bool, AgentError> {
        // An outdated plan lacks the block that the last shortage claimed, and would find it again.
        let seen = self.seen.as_ref().filter(|_| self.round.error.is_none());
        let state = seen.and_then(|seen| seen.plan.node_state.clone().ok());
        let holding = match state {
            Some(state) => {
                let run_dir = self.run_dir.path().to_owned();
                let read = move || pass::holding(&run_dir, state).map(Some);
                tokio::task::spawn_blocking(read).await?
            }
            None => Ok(None),
        };
        let unread = holding.as_ref().err().cloned();
        let holding = holding.unwrap_or_default();
        let usage = holding.as_ref().map(|holding| holding.usage.clone());
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
        let told = seen.is_some_and(|seen| seen.published.is_ok());
        let giving_back = GivingBack {
            store: &self.store,
            me: &self.me,
            cluster: &self.cluster,
            run_dir: self.run_dir.path(),
            holding: holding.as_ref().filter(|_| told),
        };
        let given_back = giving_back.carry_out(&mut self.waiting).await;
        Ok(!claimed.failed && given_back)
    }

    fn show(&mut self) {
        let memory = self.hands.as_ref().map(|hands| hands.memory.clone());
        let known = Known {
            me: self.me.clone(),
            boot: self.boot.clone(),
            run_dir: self.run_dir.path().to_owned(),
            cluster: Arc::clone(&self.cluster),
            seen: self.seen.clone(),
            pods: Arc::clone(&self.pods),
            usage: self.usage.clone(),
            claims: self.obstacles.clone(),
            round: self.round.clone(),
            memory: memory.unwrap_or_default(),
        };
        self.journal.news(&known);
        let reasons = known.reasons();
        let ready = reasons.is_empty();
        if ready != self.shown.borrow().ready {
            tracing::info!(ready, ?reasons, "readiness changed");
        }
        let known = Arc::new(known);
        self.shown.send_modify(|shown| {
            shown.ready = ready;
            shown.known = known;
        });
    }
}

/// The zone this node was published to stand in, in this boot.
fn zone_before(run_dir: &RunDir, boot: &BootId, me: &NodeName) -> Option<Zone> {
    let state = NodeState::read(&run_dir.node_state()).ok()?;
    (state.boot_id == *boot && state.node == *me).then_some(state.zone)
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
