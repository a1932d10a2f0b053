//! The loop: events mark dirty; a round plans, changes, reads back and says what is so.
//!
//! ```text
//!   store ──Event──► Cluster ─┐
//!   kernel ──Notice──► Ear ───┤
//!   run dir ──────────────────┼──► Dirty ─settle─► Pass (blocking) ─► claims ─► Known ─► http
//!   operator ─────────────────┤
//!   timer, retry ─────────────┘
//! ```

mod blocks;
mod custody;
mod live;
mod reporting;
mod retaining;
mod speaking;

use crate::bgp::presence::WITHDRAW;
use crate::conf;
use crate::dirty::{Cause, Dirty};
use crate::firewall;
use crate::http;
use crate::metrics;
use crate::pass::Hands;
use crate::privileges;
use crate::run_dir::{RunDir, RunDirError};
use crate::snapshot::Known;
use crate::store::{DirWatch, Store, StoreError};
use gingham_ipam::{BootId, FileError};
use gingham_model::NodeName;
use gingham_netlink::sysctl::Tree;
use gingham_netlink::{Monitor, NftMonitor};
use live::{Agent, Inbox};
use speaking::Before;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

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
    /// Where the agent keeps what must outlive a reboot.
    pub state_dir: PathBuf,
    /// Where the kernel's settings are.
    pub settings: Tree,
    /// The network configuration that is kept where the runtime looks for it, if one is.
    pub conf: Option<conf::Kept>,
    /// Where the metrics are; `None` is the node's first InternalIP, port [`METRICS_PORT`].
    pub metrics: Option<SocketAddr>,
}

/// Where Prometheus finds an agent.
pub const METRICS_PORT: u16 = 9179;

/// Why an agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The kernel would let it change nothing.
    #[error(
        "no CAP_NET_ADMIN: it could change no route, interface, setting or nftables table; run it as root, in \
         a container with the capability NET_ADMIN"
    )]
    Powerless,
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
    // Where procfs does not tell, the first thing that is refused will.
    let capabilities = privileges::effective();
    if capabilities.is_ok_and(|all| !privileges::has(all, privileges::NET_ADMIN)) {
        return Err(AgentError::Powerless);
    }
    let run_dir = RunDir::open(&config.run_dir)?;
    let boot = BootId::of_this_boot()?;
    // Before the kernel is read for the first time, so that nothing falls in between.
    let (mut monitor, nft_monitor) = (Monitor::open()?, NftMonitor::open()?);
    let mut hands = Hands::new(config.settings.clone())?;
    let zone = live::zone_before(&run_dir, &boot, &config.node);
    let mut before = Before::read((&config.node, zone), &config.state_dir);
    before.places.forwarding = hands.forwarding()?;
    // What we write ourselves is no news.
    monitor.ignore(hands.port());
    let mut agent = Agent::new(config.node.clone(), (store, run_dir, boot), hands, before);
    let mut tasks: JoinSet<Result<(), AgentError>> = JoinSet::new();
    let socket = agent.run_dir.socket();
    let endpoints = http::Endpoints {
        socket: socket.clone(),
        health: config.health,
        debug: config.debug,
    };
    let (questions, asked) = mpsc::channel(4);
    let speaker = agent.bgp.handle();
    let served = http::Served {
        shown: agent.shown.subscribe(),
        questions,
        speaker: speaker.clone(),
    };
    http::serve(&endpoints, &served, &stop, &mut tasks).await?;
    let node_ip = metrics::Listen::NodeIp(METRICS_PORT);
    let listen = config.metrics.map_or(node_ip, metrics::Listen::At);
    let scraped = metrics::Served {
        metrics: agent.metrics.clone(),
        shown: agent.shown.subscribe(),
        speaker,
    };
    let scraped = metrics::serve(listen, scraped);
    tasks.spawn(until(stop.clone(), scraped));
    let (sender, events) = mpsc::channel(64);
    let cluster = agent.store.watch(sender);
    tasks.spawn(until(stop.clone(), async move { Ok(cluster.await?) }));
    let reports = reporting::report_on(agent.store.clone(), agent.shown.subscribe());
    tasks.spawn(until(stop.clone(), reports));
    if let Some(kept) = config.conf {
        let told = (agent.conf.clone(), agent.dirty.clone());
        let keeper = conf::keep(kept, agent.shown.subscribe(), told);
        tasks.spawn(until(stop.clone(), keeper));
    }
    let run_dir = watch_run_dir(config.run_dir.clone(), agent.dirty.clone());
    tasks.spawn(until(stop.clone(), run_dir));
    let buffer = monitor.buffer_bytes();
    tasks.spawn(until(stop.clone(), agent.ear().listen(monitor)));
    let nft = agent
        .ear()
        .listen_to_nftables(nft_monitor, firewall::TABLE_NAME);
    tasks.spawn(until(stop.clone(), nft));
    let debug_listen = config
        .debug
        .map_or("off".to_owned(), |address| address.to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), node = %config.node, boot = %agent.boot,
        run_dir = %config.run_dir.display(), health = %config.health,
        %debug_listen, monitor_buffer_bytes = buffer, "agent started");

    let outcome = agent.live(Inbox { events, asked }, &mut tasks, &stop).await;
    agent.fall_silent().await;
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
                Some("" | "node.json" | WITHDRAW) => dirty.mark(Cause::RunDir),
                _ => {}
            }
        }
    }
}
