//! Listens to the kernel, and marks the agent dirty where that concerns us. The rim around
//! [`crate::interest`].

use crate::agent::AgentError;
use crate::dirty::{Cause, Culprit, Dirty};
use crate::interest::Interest;
use gingham_model::{Owner, RouteKey, TABLE_MAIN};
use gingham_netlink::monitor::{Heard, Monitor, Notice, Object, Op};
use gingham_netlink::nft::{NftHeard, NftMonitor};
use prometheus_client::metrics::counter::Counter;
use std::io;
use std::os::fd::AsRawFd;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// What the listeners share with the loop.
#[derive(Clone, Debug)]
pub(crate) struct Ear {
    /// Where they mark.
    pub(crate) dirty: Dirty,
    /// What they listen for.
    pub(crate) interest: watch::Receiver<Interest>,
    /// How often the kernel had more to say than its buffer held.
    pub(crate) overruns: Counter,
}

impl Ear {
    /// Listens to the kernel's routing news, for ever.
    ///
    /// # Errors
    /// The socket fails.
    pub(crate) async fn listen(self, monitor: Monitor) -> Result<(), AgentError> {
        let mut monitor = watched(monitor)?;
        let mut programs = Programs::default();
        loop {
            let mut ready = monitor.readable_mut().await.map_err(failed)?;
            let heard = ready.get_inner_mut().hear();
            match heard.map_err(|error| failed(io::Error::other(error)))? {
                Heard::Nothing => ready.clear_ready(),
                Heard::Overrun => self.overrun(),
                // Something happened; what, only a look can tell.
                Heard::Unreadable(why) => {
                    tracing::debug!(%why, "unreadable news of the kernel");
                    self.dirty.mark(Cause::Overrun);
                }
                Heard::Notices(notices) => {
                    let interest = self.interest.borrow().clone();
                    for notice in notices {
                        self.take_in(&interest, &notice, &mut programs);
                    }
                }
            }
            // A storm must not keep the loop from its other work.
            tokio::task::consume_budget().await;
        }
    }

    /// Listens for changes of the nftables table `table`, for ever.
    ///
    /// # Errors
    /// The socket fails.
    pub(crate) async fn listen_to_nftables(
        self,
        monitor: NftMonitor,
        table: &'static str,
    ) -> Result<(), AgentError> {
        let mut monitor = watched(monitor)?;
        loop {
            let mut ready = monitor.readable_mut().await.map_err(failed)?;
            let heard = ready.get_inner_mut().hear();
            match heard.map_err(|error| failed(io::Error::other(error)))? {
                NftHeard::Nothing => ready.clear_ready(),
                NftHeard::Overrun | NftHeard::Unreadable(_) => self.dirty.mark(Cause::Firewall),
                NftHeard::Tables(tables) if tables.contains(table) => {
                    self.dirty.mark(Cause::Firewall);
                }
                NftHeard::Tables(_) => {}
            }
            tokio::task::consume_budget().await;
        }
    }

    fn overrun(&self) {
        self.overruns.inc();
        self.dirty.mark(Cause::Overrun);
    }

    fn take_in(&self, interest: &Interest, notice: &Notice, programs: &mut Programs) {
        let Some(cause) = interest.concern(notice) else {
            return;
        };
        match hand(notice, programs) {
            Some((key, culprit)) => self.dirty.blame(cause, key, culprit),
            None => self.dirty.mark(cause),
        }
    }
}

/// Who did what to which route of ours, as far as the notice tells.
fn hand(notice: &Notice, programs: &mut Programs) -> Option<(RouteKey, Culprit)> {
    let Object::Route(route) = &notice.object else {
        return None;
    };
    let owner = Owner::ALL
        .into_iter()
        .find(|owner| owner.metric() == route.key.metric);
    owner.filter(|_| route.key.table == TABLE_MAIN)?;
    let culprit = Culprit {
        protocol: (notice.op == Op::New).then_some(route.protocol),
        port: notice.port,
        program: programs.behind(notice.port),
    };
    Some((route.key, culprit))
}

/// Programs by netlink port: the kernel names a program's first socket by its process ID. Nobody
/// is bound to that, so it is a hint for people. The last one is remembered: who breaks a route
/// often breaks thousands.
#[derive(Default)]
struct Programs(Option<(u32, Option<String>)>);

impl Programs {
    fn behind(&mut self, port: u32) -> Option<String> {
        match &self.0 {
            Some((last, program)) if *last == port => program.clone(),
            _ => {
                let name = std::fs::read_to_string(format!("/proc/{port}/comm")).ok();
                let name = name.map(|name| name.trim_end().to_owned());
                self.0 = Some((port, name.clone()));
                name
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "the other constructor is unsafe, for types that give out a descriptor they do not \
              own; ours own it"
)]
fn watched<T: AsRawFd>(monitor: T) -> Result<AsyncFd<T>, AgentError> {
    AsyncFd::new(monitor).map_err(failed)
}

fn failed(source: io::Error) -> AgentError {
    AgentError::Io {
        what: "listen to the kernel".to_owned(),
        source,
    }
}
