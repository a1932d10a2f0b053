//! The loop: what the sockets say goes to the core, what the core wants goes to the sockets.

use super::connection::{Connection, News};
use super::core::{Core, Effect};
use super::doors::{Arrival, Closed, Doors, connect, ends, kind};
use super::handle::{Command, CommandError, Handle, Started};
use super::learned;
use super::pace::Pace;
use super::peer::{Beginning, Origin};
use super::record::Recorder;
use super::socket;
use crate::config::{Config, ConfigError};
use crate::session::{ConnectionId, Event, Farewell};
use crate::{Moment, PeerId};
use gingham_model::Prefix;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

/// News taken in one go, before anything is written.
const BATCH: usize = 512;
/// What a speaker starts with besides its configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Whether this is a restart.
    pub beginning: Beginning,
    /// Where events are recorded.
    pub recorder: Option<Recorder>,
    /// The connected prefixes, see [`Handle::set_connected`]; without, every next hop is at hand.
    pub connected: Option<Vec<Prefix>>,
}

/// Why a speaker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration was refused.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigError>),
    /// It could not listen.
    #[error("listen {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
}

/// Starts a speaker on the runtime this is called in.
///
/// # Errors
/// A configuration that [`Config::check`] refuses, or an address it cannot listen on.
pub fn start(config: Config, options: Options) -> Result<Started, StartError> {
    config.check().map_err(StartError::Config)?;
    let (command_sender, commands) = mpsc::channel(64);
    let (news_sender, news) = mpsc::channel(4096);
    let (arrivals_sender, arrivals) = mpsc::channel(256);
    let doors = Doors::open(&config, arrivals_sender.clone())
        .map_err(|Closed(at, error)| StartError::Listen(at, error))?;
    let (writing, reading) = learned::channel();
    let mut core = Core::new(config, options.beginning, writing);
    if let Some(connected) = options.connected {
        core.rib.set_connected(connected);
    }
    let sessions = core.sessions.subscribe();
    let speaker = Speaker {
        began: Instant::now(),
        core,
        connections: HashMap::new(),
        doors,
        news: news_sender,
        arrivals: arrivals_sender,
        last_connection: 0,
        pace: Pace::default(),
        dealt_with: Vec::new(),
        recorder: options.recorder,
        tasks: JoinSet::new(),
        closing: JoinSet::new(),
    };
    let sources = Sources {
        commands,
        news,
        arrivals,
    };
    Ok(Started {
        handle: Handle {
            commands: command_sender,
        },
        learned: reading,
        sessions,
        task: tokio::spawn(speaker.run(sources)),
    })
}

struct Sources {
    commands: mpsc::Receiver<Command>,
    news: mpsc::Receiver<News>,
    arrivals: mpsc::Receiver<Arrival>,
}

pub(super) struct Live {
    peer: PeerId,
    pub(super) connection: Arc<Connection>,
    reader: AbortHandle,
    /// Octets written that are in the peer's counters already.
    counted: u64,
}

impl Live {
    fn count_octets(&mut self, core: &mut Core) {
        let written = self.connection.outbox().written;
        let since = written - std::mem::replace(&mut self.counted, written);
        if let Some(peer) = core.peers.get_mut(&self.peer) {
            peer.counters.octets_out += since;
        }
    }
}

pub(super) struct Speaker {
    began: Instant,
    pub(super) core: Core,
    pub(super) connections: HashMap<ConnectionId, Live>,
    pub(super) doors: Doors,
    news: mpsc::Sender<News>,
    arrivals: mpsc::Sender<Arrival>,
    last_connection: u64,
    pace: Pace,
    /// Readers that wait until what they handed on has had its effect.
    dealt_with: Vec<oneshot::Sender<()>>,
    recorder: Option<Recorder>,
    /// Dials and readers: gone when the speaker is.
    pub(super) tasks: JoinSet<()>,
    /// Connections that have yet to say their last words.
    pub(super) closing: JoinSet<()>,
}

impl Speaker {
    async fn run(mut self, mut sources: Sources) {
        let mut batch = Vec::with_capacity(BATCH);
        self.carry_out();
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                command = sources.commands.recv() => match command {
                    Some(Command::End(farewell, reply)) => {
                        self.end(&farewell).await;
                        // Whoever asked may have gone.
                        let _ = reply.send(());
                        return;
                    }
                    Some(Command::Configure(config, reply)) => {
                        let done = self.configure(*config).await;
                        let _ = reply.send(done);
                    }
                    Some(command) => {
                        self.count_octets();
                        let now = self.now();
                        self.core.obey(now, command);
                    }
                    None => return self.end(&Farewell::Restart).await,
                },
                Some(arrival) = sources.arrivals.recv() => self.arrived(arrival),
                _ = sources.news.recv_many(&mut batch, BATCH) => {
                    for news in batch.drain(..) {
                        self.heard(news);
                    }
                }
                () = sleep_until(wake) => {}
            }
            // What has been heard comes before what it is too late for.
            if sources.news.is_empty() {
                let now = self.now();
                self.core.elapse(now);
            }
            self.carry_out();
            while self.tasks.try_join_next().is_some() {}
            while self.closing.try_join_next().is_some() {}
        }
    }

    async fn configure(&mut self, config: Config) -> Result<(), CommandError> {
        config.check().map_err(CommandError::Config)?;
        let listening = self.doors.change(&self.core.config, &config).await;
        listening.map_err(|Closed(at, error)| CommandError::Listen(at, error.to_string()))?;
        let now = self.now();
        self.core.configure(now, config);
        Ok(())
    }

    pub(super) fn now(&self) -> Moment {
        Moment::after_start(self.began.elapsed())
    }

    fn wake(&self) -> Option<Instant> {
        let deadline = self.core.deadline();
        let first = deadline.into_iter().chain(self.pace.due()).min();
        first.map(|moment| self.began + moment.elapsed())
    }

    /// Does what the core wants, and writes out what is new when its time has come.
    fn carry_out(&mut self) {
        for effect in std::mem::take(&mut self.core.effects) {
            self.carry_out_one(effect);
        }
        for waiting in self.dealt_with.drain(..) {
            // A reader that was stopped waits no more.
            let _ = waiting.send(());
        }
        let now = self.now();
        if self.core.has_news() {
            self.pace.news(now);
        }
        if self.pace.due().is_some_and(|due| due <= now) {
            if self.core.flush() {
                self.pump_all();
                self.core.spread.shed();
            }
            self.pace.flushed(now, self.now());
        }
        self.core.publish();
    }

    pub(super) fn pump_all(&mut self) {
        let pumped = self.connections.iter();
        let behind: Vec<ConnectionId> = pumped
            .filter(|(_, live)| live.connection.pump())
            .map(|(id, _)| *id)
            .collect();
        for id in behind {
            self.catch_up(id);
        }
    }

    pub(super) fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(peer) => self.dial(peer),
            Effect::Send(id, frame) => self.with(id, |connection| {
                connection.outbox().send(frame);
                connection.pump();
            }),
            Effect::MaxLength(id, octets) => {
                self.with(id, |connection| connection.set_max_length(octets));
            }
            Effect::Follow(id, family, cursor) => self.with(id, |connection| {
                connection.outbox().follow(family, cursor);
                connection.pump();
            }),
            Effect::Close(id) => self.close(id),
            Effect::Keys => self.doors.set_keys(&self.core.config),
        }
    }

    fn with(&self, id: ConnectionId, act: impl FnOnce(&Arc<Connection>)) {
        if let Some(live) = self.connections.get(&id) {
            act(&live.connection);
        }
    }

    fn count_octets(&mut self) {
        for live in self.connections.values_mut() {
            live.count_octets(&mut self.core);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if let Some(mut live) = self.connections.remove(&id) {
            live.count_octets(&mut self.core);
            live.reader.abort();
            self.closing.spawn(live.connection.finish());
        }
    }

    fn heard(&mut self, news: News) {
        let (id, event) = match news {
            News::Frames(id, frames) => {
                for frame in frames {
                    self.happened(id, Event::Frame(id, frame));
                }
                return;
            }
            News::Closed(id, reason) => (id, Event::Closed(id, reason)),
            News::Blocked(id) => (id, Event::Blocked(id)),
            News::Unblocked(id) => (id, Event::Unblocked(id)),
            News::Behind(id) => return self.catch_up(id),
            News::Long(dealt_with) => return self.dealt_with.push(dealt_with),
        };
        let over = matches!(event, Event::Closed(..));
        self.happened(id, event);
        if over && let Some(mut live) = self.connections.remove(&id) {
            live.count_octets(&mut self.core);
        }
    }

    fn happened(&mut self, id: ConnectionId, event: Event) {
        if let Some(live) = self.connections.get(&id) {
            let peer = live.peer;
            self.tell_core(peer, &event);
        }
    }

    fn tell_core(&mut self, peer: PeerId, event: &Event) {
        let now = self.now();
        if let Some(recorder) = &mut self.recorder
            && let Some(known) = self.core.peers.get(&peer)
        {
            recorder.note(now, &known.name, event);
        }
        self.core.event(now, peer, event);
    }

    fn catch_up(&mut self, id: ConnectionId) {
        let Some(live) = self.connections.get(&id) else {
            return;
        };
        let mut outbox = live.connection.outbox();
        for (family, cursor) in outbox.cursors() {
            self.core.catch_up(live.peer, family, cursor);
        }
        drop(outbox);
        live.connection.pump();
    }

    fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Accepted(stream) => self.accepted(stream),
            Arrival::Dialled(peer, Ok(stream)) => {
                if let Some(ends) = ends(&stream) {
                    let id = self.adopt(peer, stream);
                    self.tell_core(peer, &Event::Dialled(id, ends));
                } else {
                    let error = "connection was lost at once".to_owned();
                    self.tell_core(peer, &Event::DialFailed(error));
                }
            }
            Arrival::Dialled(peer, Err(error)) => {
                self.tell_core(peer, &Event::DialFailed(error.to_string()));
            }
        }
    }

    fn accepted(&mut self, stream: TcpStream) {
        let Some(ends) = ends(&stream) else {
            return;
        };
        let now = self.now();
        let Some(peer) = self.core.caller(now, ends) else {
            tracing::info!(remote = %ends.remote, "connection of a stranger refused");
            return;
        };
        let Some(known) = self.core.peers.get(&peer) else {
            return;
        };
        let kind = kind(self.core.config.asn, &known.settings);
        if let Err(error) = socket::prepare_accepted(&stream, &known.settings, kind) {
            tracing::warn!(peer = known.name, %error, "connection refused");
            return self.core.forget_spent(peer);
        }
        let id = self.adopt(peer, stream);
        self.tell_core(peer, &Event::Accepted(id, ends));
    }

    fn adopt(&mut self, peer: PeerId, stream: TcpStream) -> ConnectionId {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let connection = Connection::new(id, stream, self.news.clone());
        let reader = self.tasks.spawn(Arc::clone(&connection).read());
        let live = Live {
            peer,
            connection,
            reader,
            counted: 0,
        };
        self.connections.insert(id, live);
        id
    }

    fn dial(&mut self, id: PeerId) {
        let Some(peer) = self.core.peers.get(&id) else {
            return;
        };
        let Origin::Configured(to, _) = peer.origin else {
            return;
        };
        let kind = kind(self.core.config.asn, &peer.settings);
        let prepared = socket::prepare_dial(to, &peer.settings, kind);
        let arrivals = self.arrivals.clone();
        self.tasks.spawn(async move {
            let outcome = match prepared {
                Ok(socket) => connect(socket, to).await,
                Err(error) => Err(error),
            };
            // The loop has ended when nobody hears this.
            let _ = arrivals.send(Arrival::Dialled(id, outcome)).await;
        });
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
