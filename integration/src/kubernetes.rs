//! A real Kubernetes API server, for tests: kube-apiserver and etcd in a box of their own.
//!
//! ```text
//!  test ──Client──► relay on 127.0.0.1 ─────────┐
//!                                               ├──► kube-apiserver ──► etcd     (one box)
//!  agent in a node's box ──► relay in there ────┘
//! ```
//!
//! Nothing of the box is reached but through relays, which can be cut one by one; so there are no
//! ports to agree upon, and everything ends with the process that started it. There are no
//! controllers, no scheduler and no kubelet: Nodes and Pods are what the harness says they are.

mod audit;
mod client;
pub(crate) mod etcd;
mod identity;
mod kinds;
mod pki;
mod put;
mod relay;
mod server;

pub use audit::Entry;
pub use client::{Answer, Client, Question};
pub use identity::NAMESPACE;
pub use pki::Signer;
pub use relay::{Reach, Relay};

use crate::lab_box::LabBox;
use anyhow::{Context, Result, bail};
use gingham_netlink::Netns;
use nix::sys::signal::Signal;
use relay::Target;
use server::{ADDRESS, ADMIN_TOKEN, Server};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// All of Gingham for a cluster: `deploy/manifest/gingham.yaml`.
pub const MANIFEST: &str = include_str!("../../deploy/manifest/gingham.yaml");

/// An API server that answers until it is stopped or dropped. It derefs to the client of its
/// administrator.
#[derive(Debug)]
pub struct Api {
    admin: Client,
    /// The way of this process.
    relay: Relay,
    server: Server,
    /// Last, because the others need it.
    runtime: Runtime,
}

/// What etcd held at one moment.
#[derive(Debug)]
pub struct Snapshot(PathBuf);

impl Deref for Api {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.admin
    }
}

impl Api {
    /// Starts an API server, with these arguments besides its own, and waits until it is ready.
    ///
    /// # Errors
    /// Not root, a missing program, or one of the two that ended; carries what it said.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        crate::preflight::check()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("a runtime")?;
        let server = Server::create(arguments)?;
        server.start()?;
        let own = i32::try_from(std::process::id()).context("a pid beyond i32")?;
        let relay = relay(
            &runtime,
            &server,
            own,
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        )?;
        let trusted = server.pki().certificates();
        let url = format!("https://{}", relay.address());
        let admin = Client::new(
            runtime.handle(),
            &url,
            trusted,
            identity::by_token(ADMIN_TOKEN),
        )?;
        let api = Api {
            admin,
            relay,
            server,
            runtime,
        };
        api.wait_ready()?;
        Ok(api)
    }

    /// Its address for this process: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.relay.address())
    }

    /// The relay through which this process reaches it.
    pub fn own_relay(&self) -> &Relay {
        &self.relay
    }

    /// A further way to it for this process, to be cut by itself.
    ///
    /// # Errors
    /// No socket.
    pub fn new_relay(&self) -> Result<Relay> {
        let own = i32::try_from(std::process::id()).context("a pid beyond i32")?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        relay(&self.runtime, &self.server, own, any)
    }

    /// A way to it from a box: 127.0.0.1:6443 there.
    ///
    /// # Errors
    /// The box is gone, or something listens there.
    pub fn relay_in(&self, host: &LabBox) -> Result<Relay> {
        relay(&self.runtime, &self.server, host.init().pid, ADDRESS)
    }

    /// The file of the authorities that clients are to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.server.pki().path("ca.crt")
    }

    /// What the API server has to sign with from now on; it is started anew with it. Clients of the
    /// harness trust both authorities.
    ///
    /// # Errors
    /// As [`Api::restart`].
    pub fn sign_with(&self, signer: Signer) -> Result<()> {
        self.server.pki().sign(signer)?;
        self.kill()?;
        self.restart()
    }

    /// Writes into [`Api::ca_file`] whom clients are to trust from now on.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trust(&self, signers: &[Signer]) -> Result<()> {
        self.server.pki().trust(signers)
    }

    /// Kills the API server. etcd stays.
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(&self) -> Result<()> {
        self.server.kill()
    }

    /// Stops the API server where it is; connections to it stay. [`Api::thaw`] lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self) -> Result<()> {
        self.server.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self) -> Result<()> {
        self.server.signal(Signal::SIGCONT)
    }

    /// Starts what was killed or stopped, on the same data, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Api::start`].
    pub fn restart(&self) -> Result<()> {
        self.server.start()?;
        self.wait_ready()
    }

    /// Ends the API server and etcd.
    ///
    /// # Errors
    /// One of them does not end.
    pub fn stop(&self) -> Result<()> {
        self.server.stop()
    }

    /// Keeps what etcd holds now. Both must be stopped; [`Api::restart`] starts them.
    ///
    /// # Errors
    /// They run, or the files cannot be copied.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot> {
        let kept = self.server.path(&format!("snapshot-{name}"));
        self.server.copy_data(&self.server.data(), &kept)?;
        Ok(Snapshot(kept))
    }

    /// Makes etcd hold what it held then. Both must be stopped; [`Api::restart`] starts them.
    ///
    /// # Errors
    /// They run, or the files cannot be copied.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<()> {
        self.server.copy_data(&snapshot.0, &self.server.data())
    }

    /// The box both run in.
    pub fn host(&self) -> &LabBox {
        self.server.host()
    }

    /// Whether the API server can be asked now.
    ///
    /// # Errors
    /// It cannot, or says why it is not ready.
    pub fn ready(&self) -> Result<()> {
        let answer = self.admin.ask(Question::get("/readyz"))?;
        match answer.code {
            200 => Ok(()),
            code => bail!("/readyz: {code}: {}", answer.body),
        }
    }

    fn wait_ready(&self) -> Result<()> {
        server::wait(&self.server, || self.ready())
    }
}

fn relay(runtime: &Runtime, server: &Server, pid: i32, address: SocketAddr) -> Result<Relay> {
    let of = |pid: i32| Netns::open(Path::new(&format!("/proc/{pid}/ns/net")));
    let target = Target {
        namespace: Arc::new(of(server.host().init().pid)?),
        address: ADDRESS,
    };
    Relay::start(runtime.handle(), (&of(pid)?, address), target)
}
