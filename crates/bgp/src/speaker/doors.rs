//! Where connections come from: listeners, their keys, and dials.

use super::{md5, socket};
use crate::config::{Config, Password, Settings};
use crate::session::Ends;
use crate::wire::PeerKind;
use crate::{Asn, PeerId};
use gingham_model::{Family, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(10);

/// A connection that has just come about, or not.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A peer dialled.
    Accepted(TcpStream),
    /// We did.
    Dialled(PeerId, io::Result<TcpStream>),
}

/// The addresses a speaker accepts connections at.
#[derive(Debug)]
pub(super) struct Doors {
    open: BTreeMap<SocketAddr, Door>,
    /// Where peers dial from that have a key.
    keyed: BTreeSet<Prefix>,
    arrivals: mpsc::Sender<Arrival>,
}

/// A listener, and the task that hands on whom it accepts.
#[derive(Debug)]
struct Door {
    listener: Arc<TcpListener>,
    accepting: JoinSet<()>,
}

/// An address that cannot be listened at.
#[derive(Debug)]
pub(super) struct Closed(pub(super) SocketAddr, pub(super) io::Error);

impl Doors {
    /// Listens where the configuration says.
    pub(super) fn open(config: &Config, arrivals: mpsc::Sender<Arrival>) -> Result<Self, Closed> {
        let mut doors = Doors {
            open: BTreeMap::new(),
            keyed: keys(config).into_keys().collect(),
            arrivals,
        };
        doors.open_each(config.listen.iter().copied().collect(), config)?;
        Ok(doors)
    }

    /// Listens where another configuration says. Where that cannot be, everything stays as it was.
    pub(super) async fn change(&mut self, before: &Config, after: &Config) -> Result<(), Closed> {
        let wanted: BTreeSet<SocketAddr> = after.listen.iter().copied().collect();
        let open: BTreeSet<SocketAddr> = self.open.keys().copied().collect();
        let new: BTreeSet<SocketAddr> = wanted.difference(&open).copied().collect();
        let gone: BTreeSet<SocketAddr> = open.difference(&wanted).copied().collect();
        let blocks = |old: &&SocketAddr| new.iter().any(|new| excludes(**old, *new));
        let in_the_way: BTreeSet<SocketAddr> = gone.iter().filter(blocks).copied().collect();
        self.close_each(&in_the_way).await;
        if let Err(closed) = self.open_each(new.clone(), after) {
            self.close_each(&new).await;
            if let Err(Closed(at, error)) = self.open_each(in_the_way, before) {
                tracing::error!(%at, %error, "no longer listening");
            }
            return Err(closed);
        }
        self.close_each(&gone).await;
        Ok(())
    }

    /// Listens nowhere any more.
    pub(super) async fn close(&mut self) {
        let all = self.open.keys().copied().collect();
        self.close_each(&all).await;
    }

    fn open_each(&mut self, new: BTreeSet<SocketAddr>, config: &Config) -> Result<(), Closed> {
        let keys = keys(config);
        for at in new {
            let listening = socket::listen(at, &keys).and_then(TcpListener::from_std);
            let listener = Arc::new(listening.map_err(|error| Closed(at, error))?);
            let mut accepting = JoinSet::new();
            accepting.spawn(accept(Arc::clone(&listener), self.arrivals.clone()));
            let door = Door {
                listener,
                accepting,
            };
            self.open.insert(at, door);
        }
        Ok(())
    }

    /// Closes these; they are free for others then.
    async fn close_each(&mut self, gone: &BTreeSet<SocketAddr>) {
        for at in gone {
            if let Some(mut door) = self.open.remove(at) {
                door.accepting.shutdown().await;
            }
        }
    }

    /// Sets the keys of everybody who may dial, and takes away those that are not wanted any more. A
    /// neighbour's own covers its range's, being longer.
    pub(super) fn set_keys(&mut self, config: &Config) {
        let wanted = keys(config);
        for gone in self.keyed.iter().filter(|from| !wanted.contains_key(from)) {
            self.set_key(*gone, None);
        }
        for (from, password) in &wanted {
            self.set_key(*from, Some(password));
        }
        self.keyed = wanted.into_keys().collect();
    }

    fn set_key(&self, from: Prefix, password: Option<&Password>) {
        let doors = self.open.iter();
        for (_, door) in doors.filter(|(at, _)| Family::of(at.ip()) == from.family()) {
            if let Err(error) = md5::set_key(&door.listener, from, password) {
                tracing::error!(%from, %error, "key was not set");
            }
        }
    }
}

/// The keys a configuration asks for, by where peers dial from.
fn keys(config: &Config) -> BTreeMap<Prefix, &Password> {
    let neighbours = config.neighbours.iter();
    let single = neighbours.map(|peer| (Prefix::host(peer.address), &peer.settings));
    let ranges = config.ranges.iter();
    let ranges = ranges.map(|range| (range.prefix, &range.settings));
    let with_key = single
        .chain(ranges)
        .filter_map(|(from, settings)| Some((from, settings.password.as_ref()?)));
    with_key.collect()
}

/// Whether nobody can listen at `new` while somebody does at `old`.
fn excludes(old: SocketAddr, new: SocketAddr) -> bool {
    let everywhere = old.ip().is_unspecified() || new.ip().is_unspecified();
    old.port() == new.port() && old.is_ipv4() == new.is_ipv4() && everywhere
}

async fn accept(listener: Arc<TcpListener>, arrivals: mpsc::Sender<Arrival>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if arrivals.send(Arrival::Accepted(stream)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: trying again at once would only heat the room.
                tracing::error!(%error, "connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Connects a prepared socket.
pub(super) async fn connect(socket: socket2::Socket, to: SocketAddr) -> io::Result<TcpStream> {
    let dialling = TcpSocket::from_std_stream(socket.into()).connect(to);
    match tokio::time::timeout(DIAL, dialling).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
    }
}

/// The two ends of a connection that still has them.
pub(super) fn ends(stream: &TcpStream) -> Option<Ends> {
    Some(Ends {
        local: stream.local_addr().ok()?,
        remote: stream.peer_addr().ok()?,
    })
}

/// What a peer of these settings is to an AS.
pub(super) fn kind(own: Asn, settings: &Settings) -> PeerKind {
    if settings.asn == own {
        PeerKind::Internal
    } else {
        PeerKind::External
    }
}
