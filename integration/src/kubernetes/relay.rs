//! Bytes carried from one network namespace to the API server in another: what a node's way to the
//! API server is, with a switch in it. It must not look into what it carries.
//!
//! A socket belongs to the namespace it was made in, whoever uses it later. So one runtime carries for
//! all namespaces, and only a short-lived thread of its own ever enters one.

use anyhow::{Context, Result};
use gingham_netlink::Netns;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How the API server is reached through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As if it were beside.
    Open,
    /// Connections end, and new ones end at once.
    Cut,
    /// Connections stay, new ones are taken, and no byte gets through.
    Silent,
}

/// Listens in one namespace and carries to the API server in another.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    reach: watch::Sender<Reach>,
    carried: Arc<Carried>,
}

/// Bytes by direction, and connections that stand.
#[derive(Debug, Default)]
struct Carried {
    connections: AtomicU64,
    to_server: AtomicU64,
    from_server: AtomicU64,
}

/// Where connections lead.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) namespace: Arc<Netns>,
    pub(super) address: SocketAddr,
}

impl Relay {
    /// Listens on `address` in `namespace`; port 0 is one the kernel chooses.
    pub(super) fn start(
        runtime: &Handle,
        (namespace, address): (&Netns, SocketAddr),
        target: Target,
    ) -> Result<Self> {
        let listener = namespace.visit(|| std::net::TcpListener::bind(address))?;
        let listener = listener.with_context(|| format!("listening on {address}"))?;
        listener.set_nonblocking(true).context("a relay")?;
        let address = listener.local_addr().context("a relay")?;
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener).context("a relay")?;
        let (reach, seen) = watch::channel(Reach::Open);
        let carried = Arc::new(Carried::default());
        runtime.spawn(accept(listener, target, seen, carried.clone()));
        Ok(Relay {
            address,
            reach,
            carried,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the API server is reached so, by connections that stand too.
    pub fn set(&self, reach: Reach) {
        self.reach.send_replace(reach);
    }

    /// Bytes to the API server and from it, so far.
    pub fn carried(&self) -> (u64, u64) {
        let Carried {
            to_server,
            from_server,
            ..
        } = &*self.carried;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(to_server), read(from_server))
    }

    /// Connections that stand now.
    pub fn connections(&self) -> u64 {
        self.carried.connections.load(Ordering::Relaxed)
    }
}

impl Carried {
    /// One more connection stands while this is there.
    fn connection(&self) -> Connection<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connection(&self.connections)
    }
}

struct Connection<'a>(&'a AtomicU64);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Until the relay is dropped.
async fn accept(
    listener: TcpListener,
    target: Target,
    mut reach: watch::Receiver<Reach>,
    carried: Arc<Carried>,
) {
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => client,
                Err(_) => continue,
            },
            changed = reach.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        tokio::spawn(carry(
            client,
            target.clone(),
            reach.clone(),
            carried.clone(),
        ));
    }
}

/// Until one side is done, the relay is cut, or it is dropped.
async fn carry(
    client: TcpStream,
    target: Target,
    mut reach: watch::Receiver<Reach>,
    carried: Arc<Carried>,
) {
    if *reach.borrow() == Reach::Cut {
        return;
    }
    let Ok(server) = connect(&target) else {
        return;
    };
    let _counted = carried.connection();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = pump(
        (&mut from_client, &mut to_server),
        reach.clone(),
        &carried.to_server,
    );
    let back = pump(
        (&mut from_server, &mut to_client),
        reach.clone(),
        &carried.from_server,
    );
    tokio::select! {
        () = async { tokio::join!(there, back); } => {}
        _ = reach.wait_for(|reach| *reach == Reach::Cut) => {}
    }
}

fn connect(target: &Target) -> Result<TcpStream> {
    let Target { namespace, address } = target;
    let stream = namespace.visit(|| std::net::TcpStream::connect(address))??;
    stream.set_nonblocking(true).context("a relay")?;
    stream.set_nodelay(true).context("a relay")?;
    TcpStream::from_std(stream).context("a relay")
}

/// Until the source ends, or the destination does.
async fn pump(
    (source, sink): (
        &mut (impl AsyncRead + Unpin),
        &mut (impl AsyncWrite + Unpin),
    ),
    mut reach: watch::Receiver<Reach>,
    counter: &AtomicU64,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = source.read(&mut buffer).await {
        if reach
            .wait_for(|reach| *reach != Reach::Silent)
            .await
            .is_err()
        {
            break;
        }
        if sink.write_all(&buffer[..read]).await.is_err() {
            break;
        }
        counter.fetch_add(read as u64, Ordering::Relaxed);
    }
    let _ = sink.shutdown().await;
}
