//! Where connections come from: listeners, their keys, and dials.

use super::rim::StartError;
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
    listeners: Vec<Arc<TcpListener>>,
    /// Where peers dial from that have a key.
    keyed: BTreeSet<Prefix>,
}

impl Doors {
    /// Listens where the configuration says.
    pub(super) fn open(config: &Config) -> Result<Self, StartError> {
        let listeners = config.listen.iter().map(|at| {
            let bound = socket::listen(*at).and_then(TcpListener::from_std);
            bound
                .map(Arc::new)
                .map_err(|error| StartError::Listen(*at, error))
        });
        Ok(Doors {
            listeners: listeners.collect::<Result<_, _>>()?,
            keyed: BTreeSet::new(),
        })
    }

    /// What accepts connections for as long as it is polled, one for each address.
    pub(super) fn watch(
        &self,
        arrivals: &mpsc::Sender<Arrival>,
    ) -> impl Iterator<Item = impl Future<Output = ()> + use<>> {
        self.listeners
            .iter()
            .map(|listener| accept(Arc::clone(listener), arrivals.clone()))
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
        let listeners = self.listeners.iter();
        for listener in listeners.filter(|listener| speaks(listener, from.family())) {
            if let Err(error) = md5::set_key(listener, from, password) {
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

fn speaks(listener: &TcpListener, family: Family) -> bool {
    let at = listener.local_addr();
    at.is_ok_and(|at| Family::of(at.ip()) == family)
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
