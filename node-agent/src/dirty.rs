//! The only thing an event can do: mark the agent dirty, with a cause for the log and a time for
//! the clock that measures how long the kernel was wrong.

use gingham_model::{RouteKey, RouteProtocol};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Why the agent looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It has just started.
    Start,
    /// The cluster's objects changed.
    Cluster,
    /// BGP has learned something, or has been heard out.
    Learned,
    /// Addresses were given out or given back.
    Leases,
    /// Something else changed in the run directory.
    RunDir,
    /// The network configurations of the runtime changed.
    Conf,
    /// An interface that other nodes are reached by came, went or changed.
    Links,
    /// An address of such an interface came, went or changed.
    Addresses,
    /// Something of a pod's host end was changed by a foreign hand.
    Pods,
    /// A route of ours was changed or removed by a foreign hand.
    Routes,
    /// A foreign route to one of our prefixes came or went.
    ForeignRoutes,
    /// Our nftables table was changed.
    Firewall,
    /// The kernel had more to say than its buffer held: anything may have happened.
    Overrun,
    /// An operator asked for it.
    Operator,
    /// Something that was put off is due.
    Due,
    /// Time for a look at everything.
    Timer,
    /// Something failed before.
    Retry,
}

impl Cause {
    /// Whether something happened, rather than that it is time to look.
    pub fn is_an_event(self) -> bool {
        self.is_of_kernel() || matches!(self, Cause::Cluster | Cause::Learned)
    }

    /// Whether it is news of the kernel, where seconds count.
    pub fn is_of_kernel(self) -> bool {
        use Cause::{Addresses, Firewall, ForeignRoutes, Links, Overrun, Pods, Routes};
        matches!(
            self,
            Links | Addresses | Pods | Routes | ForeignRoutes | Firewall | Overrun
        )
    }

    /// Whether the nftables table is to be read again.
    pub fn wants_firewall(self) -> bool {
        use Cause::{Firewall, Operator, Overrun, Retry, Start, Timer};
        matches!(self, Start | Firewall | Overrun | Operator | Timer | Retry)
    }

    /// Whether it concerns nothing but the pods of this node.
    pub fn is_of_pods(self) -> bool {
        matches!(self, Cause::Leases | Cause::Pods)
    }

    /// Whether nothing has happened to our routes in the kernel, by all that it says.
    pub fn spares_routes(self) -> bool {
        self.is_of_pods() || matches!(self, Cause::Learned)
    }

    /// Whether only a dump of the whole table answers it: routes of others are looked at, too.
    pub fn wants_whole_table(self) -> bool {
        use Cause::{Cluster, ForeignRoutes, Operator, Overrun, Retry, Start, Timer};
        matches!(
            self,
            Start | Cluster | ForeignRoutes | Overrun | Operator | Timer | Retry
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Cause::Start => "start",
            Cause::Cluster => "cluster",
            Cause::Learned => "learned",
            Cause::Leases => "leases",
            Cause::RunDir => "run-dir",
            Cause::Conf => "cni-conf",
            Cause::Links => "links",
            Cause::Addresses => "addresses",
            Cause::Pods => "pods",
            Cause::Routes => "routes",
            Cause::ForeignRoutes => "foreign-routes",
            Cause::Firewall => "firewall",
            Cause::Overrun => "overrun",
            Cause::Operator => "operator",
            Cause::Due => "due",
            Cause::Timer => "timer",
            Cause::Retry => "retry",
        })
    }
}

/// Who laid hands on a route of ours, as far as the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The protocol of the route it left there; `None` when it removed ours.
    pub protocol: Option<RouteProtocol>,
    /// Its netlink port; 0 is the kernel itself.
    pub port: u32,
    /// The program behind the port, where it still ran and could be seen.
    pub program: Option<String>,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = self.protocol {
            write!(f, "protocol {}, ", protocol.0)?;
        }
        match (&self.program, self.port) {
            (_, 0) => f.write_str("the kernel"),
            (Some(program), port) => write!(f, "netlink port {port} ({program})"),
            (None, port) => write!(f, "netlink port {port}"),
        }
    }
}

/// What was marked since the marks were last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The causes, each with the time of its first mark.
    pub causes: BTreeMap<Cause, Instant>,
    /// The last hand seen on each route.
    pub culprits: BTreeMap<RouteKey, Culprit>,
}

/// A mark that any number of event sources can set and the loop takes away.
#[derive(Clone, Debug, Default)]
pub struct Dirty {
    shared: Arc<(Mutex<Marks>, Notify)>,
}

impl Dirty {
    /// Sets the mark.
    pub fn mark(&self, cause: Cause) {
        self.marks()
            .causes
            .entry(cause)
            .or_insert_with(Instant::now);
        self.shared.1.notify_one();
    }

    /// Sets the mark for a route that somebody changed.
    pub fn blame(&self, cause: Cause, key: RouteKey, culprit: Culprit) {
        self.marks().culprits.insert(key, culprit);
        self.mark(cause);
    }

    /// Waits for a mark that is newer than the last wait.
    pub async fn marked(&self) {
        self.shared.1.notified().await;
    }

    /// Whether a mark of a kernel's cause is set.
    pub fn is_of_kernel(&self) -> bool {
        self.marks().causes.keys().any(|cause| cause.is_of_kernel())
    }

    /// Whether BGP has learned something.
    pub fn is_of_bgp(&self) -> bool {
        self.marks().causes.contains_key(&Cause::Learned)
    }

    /// Whether a mark of any other cause is set.
    pub fn is_of_others(&self) -> bool {
        let marks = self.marks();
        let mut causes = marks.causes.keys();
        causes.any(|cause| !cause.is_of_kernel() && *cause != Cause::Learned)
    }

    /// Takes the marks away.
    pub fn take(&self) -> Marks {
        std::mem::take(&mut *self.marks())
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        // Two maps have no broken state a panic could leave behind.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
