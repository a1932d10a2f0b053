//! A running speaker as the rest of a program sees it.

use super::learned::Learned;
use super::report::{PeerReport, PrefixReport, ToldReport, TrialReport};
use super::sessions::Sessions;
use crate::config::{Announcement, Config, ConfigError};
use crate::policy::Filter;
use crate::rib::Reach;
use crate::session::Farewell;
use gingham_model::Prefix;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::{mpsc, oneshot, watch};

/// A speaker that runs. Dropping the last handle ends it as [`Farewell::Restart`] does: without a word.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
}

/// Why a speaker did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No neighbour has this name.
    #[error("no neighbour is called {0:?}")]
    UnknownPeer(String),
    /// The session is not up, or the peer cannot be asked.
    #[error("{0} cannot be asked for its routes: its session is down, or it lacks route refresh")]
    NoRefresh(String),
    /// This prefix is not originated here.
    #[error("{0} is not announced here")]
    NotAnnounced(Prefix),
    /// It could not listen there; nothing changed.
    #[error("listen {0}: {1}")]
    Listen(SocketAddr, String),
    /// The configuration was refused; nothing changed.
    #[error("{}", listed(.0))]
    Config(Vec<ConfigError>),
    /// The speaker has ended.
    #[error("the speaker has ended")]
    Ended,
}

fn listed(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    lines.join("; ")
}

type Reply<T> = oneshot::Sender<T>;

/// What the loop is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Peers(Reply<Vec<PeerReport>>),
    Rib(Option<Prefix>, Reply<Vec<PrefixReport>>),
    Told(String, Reply<Result<Vec<ToldReport>, CommandError>>),
    Try(Box<Filter>, Reply<Vec<TrialReport>>),
    Announce(Announcement, Reply<()>),
    Withdraw(Prefix, Reply<Result<(), CommandError>>),
    Refresh(String, Reply<Result<(), CommandError>>),
    Start(String, Reply<Result<(), CommandError>>),
    Stop(String, Farewell, Reply<Result<(), CommandError>>),
    Configure(Box<Config>, Reply<Result<(), CommandError>>),
    Reach(IpAddr, Reach, Reply<()>),
    Connected(Vec<Prefix>, Reply<()>),
    End(Farewell, Reply<()>),
}

impl Handle {
    /// Every neighbour, by name.
    ///
    /// # Errors
    /// [`CommandError::Ended`].
    pub async fn peers(&self) -> Result<Vec<PeerReport>, CommandError> {
        self.ask(Command::Peers).await
    }

    /// Every path to one prefix, or to all, the best first, with the reason for each loser.
    ///
    /// # Errors
    /// [`CommandError::Ended`].
    pub async fn rib(&self, prefix: Option<Prefix>) -> Result<Vec<PrefixReport>, CommandError> {
        self.ask(|reply| Command::Rib(prefix, reply)).await
    }

    /// What a neighbour is told.
    ///
    /// # Errors
    /// [`CommandError::UnknownPeer`].
    pub async fn told(&self, peer: String) -> Result<Vec<ToldReport>, CommandError> {
        self.ask(|reply| Command::Told(peer, reply)).await?
    }

    /// What a filter would do with every path peers have sent. Nothing changes.
    ///
    /// # Errors
    /// [`CommandError::Ended`].
    pub async fn try_filter(&self, filter: Filter) -> Result<Vec<TrialReport>, CommandError> {
        self.ask(|reply| Command::Try(Box::new(filter), reply))
            .await
    }

    /// Originates a prefix, or originates it differently.
    ///
    /// # Errors
    /// [`CommandError::Ended`].
    pub async fn announce(&self, announcement: Announcement) -> Result<(), CommandError> {
        self.ask(|reply| Command::Announce(announcement, reply))
            .await
    }

    /// Originates a prefix no more.
    ///
    /// # Errors
    /// [`CommandError::NotAnnounced`].
    pub async fn withdraw(&self, prefix: Prefix) -> Result<(), CommandError> {
        self.ask(|reply| Command::Withdraw(prefix, reply)).await?
    }

    /// Asks a neighbour for its routes again (RFC 2918).
    ///
    /// # Errors
    /// [`CommandError::UnknownPeer`], [`CommandError::NoRefresh`].
    pub async fn refresh(&self, peer: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Refresh(peer, reply)).await?
    }

    /// Starts a neighbour that was shut down.
    ///
    /// # Errors
    /// [`CommandError::UnknownPeer`].
    pub async fn start(&self, peer: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Start(peer, reply)).await?
    }

    /// Ends the session with a neighbour.
    ///
    /// # Errors
    /// [`CommandError::UnknownPeer`].
    pub async fn stop(&self, peer: String, farewell: Farewell) -> Result<(), CommandError> {
        self.ask(|reply| Command::Stop(peer, farewell, reply))
            .await?
    }

    /// Goes over to another configuration; only the sessions it concerns notice. Listeners that are new
    /// are opened, those that are not in it any more closed.
    ///
    /// # Errors
    /// [`CommandError::Config`], [`CommandError::Listen`]: the one before stays.
    pub async fn configure(&self, config: Config) -> Result<(), CommandError> {
        self.ask(|reply| Command::Configure(Box::new(config), reply))
            .await?
    }

    /// Says how far a next hop is.
    ///
    /// # Errors
    /// [`CommandError::Ended`].
    pub async fn set_reach(&self, next_hop: IpAddr, reach: Reach) -> Result<(), CommandError> {
        self.ask(|reply| Command::Reach(next_hop, reach, reply))
            .await
    }

    /// Says which prefixes are connected: next hops inside are at hand, all others out of reach, but
    /// for those [`Handle::set_reach`] spoke of.
    ///
    /// # Errors
    /// [`CommandError::Ended`].
    pub async fn set_connected(&self, prefixes: Vec<Prefix>) -> Result<(), CommandError> {
        self.ask(|reply| Command::Connected(prefixes, reply)).await
    }

    /// Ends every session like this, and the speaker once that is written, within six seconds. Before any
    /// farewell but [`Farewell::Restart`] peers are told what they had yet to be told, withdrawals
    /// included.
    ///
    /// # Errors
    /// [`CommandError::Ended`] when it had ended before.
    pub async fn end(&self, farewell: Farewell) -> Result<(), CommandError> {
        self.ask(|reply| Command::End(farewell, reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| CommandError::Ended)?;
        answer.await.map_err(|_| CommandError::Ended)
    }
}

/// A speaker that was just started.
#[derive(Debug)]
pub struct Started {
    /// To command it.
    pub handle: Handle,
    /// What it learned.
    pub learned: Learned,
    /// How its sessions with neighbours stand.
    pub sessions: watch::Receiver<Sessions>,
    /// Ends when the speaker does.
    pub task: tokio::task::JoinHandle<()>,
}
