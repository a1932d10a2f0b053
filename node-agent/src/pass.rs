//! The blocking half of a round: kernel, settings, firewall, pods, `node.json`. One call, on a
//! thread of its own, bounded by deadlines all through.

mod holding;
mod publish;
mod wiring;

pub use holding::{holding, is_in_use};
pub use wiring::Wired;

use crate::cluster::Cluster;
use crate::dirty::{Cause, Marks};
use crate::firewall::Firewall;
use crate::interest::Interest;
use crate::links::Links;
use crate::nft::{Nft, Outcome};
use crate::plan::{self, Plan};
use crate::routes::reconcile::{self, Extent, Memory, Order, Round};
use crate::sysctls::{self, Kept};
use gingham_ipam::BootId;
use gingham_model::NodeName;
use gingham_netlink::{Error, Socket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use wiring::Wiring;

/// The longest one request to the kernel may take.
pub(crate) const REQUEST: Duration = Duration::from_secs(2);
/// The longest a round writes routes.
pub(crate) const ROUTES: Duration = Duration::from_secs(20);

/// What a pass works on.
#[derive(Clone, Debug)]
pub struct Pass {
    /// This node.
    pub me: NodeName,
    /// The cluster as last known.
    pub cluster: Arc<Cluster>,
    /// This boot.
    pub boot: BootId,
    /// The directory shared with the plugin.
    pub run_dir: PathBuf,
    /// Why it is made.
    pub marks: Marks,
    /// What the pass before found.
    pub before: Option<Arc<Seen>>,
}

/// What stays from pass to pass.
pub struct Hands {
    /// What the routes' past tells.
    pub memory: Memory,
    /// Always the same socket, so that what we write ourselves can be told by its port.
    socket: Option<Socket>,
    own_port: Arc<AtomicU32>,
    nft: Nft,
    wiring: Wiring,
}

/// What a pass found and did.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The interfaces.
    pub links: Links,
    /// What should be so.
    pub plan: Plan,
    /// What is so.
    pub round: Round,
    /// Settings that could not be made, and what to know of others.
    pub sysctls: Kept,
    /// The nftables table that was wanted, once all is known that it depends on, and what came of
    /// it.
    pub firewall: Option<(Firewall, Result<Outcome, String>)>,
    /// The pods' host ends.
    pub pods: Wired,
    /// Whether the plugin knows what the plan says, or every reason why not.
    pub published: Result<(), Vec<String>>,
}

impl Seen {
    /// Whether everything is as it should be.
    pub fn is_well(&self) -> bool {
        let firewall = self.firewall.as_ref().is_none_or(|(_, set)| set.is_ok());
        self.round.is_in_sync()
            && self.sysctls.failures.is_empty()
            && self.pods.troubles.is_empty()
            && firewall
    }

    /// When something that was put off is due.
    pub fn again(&self) -> Option<Instant> {
        self.round.again.into_iter().chain(self.pods.again).min()
    }

    /// What the kernel's news are to be measured by.
    pub fn interest(&self) -> Interest {
        let pods = self.pods.ends.clone();
        Interest::new(self.links.clone(), pods, self.plan.routes.keys())
    }
}

impl Hands {
    /// Hands that have done nothing yet. `own_port` is told the port they work by.
    pub fn new(own_port: Arc<AtomicU32>) -> Self {
        Hands {
            memory: Memory::default(),
            socket: None,
            own_port,
            nft: Nft::new(),
            wiring: Wiring::default(),
        }
    }

    /// The socket, taken out of the hands: after a failure nobody gives it back.
    fn socket(&mut self) -> Result<Socket, Error> {
        match self.socket.take() {
            Some(socket) => Ok(socket),
            None => {
                let socket = Socket::open(REQUEST)?;
                self.own_port.store(socket.port(), Ordering::Relaxed);
                Ok(socket)
            }
        }
    }
}

impl Pass {
    /// Reads, plans, changes, reads back, publishes.
    ///
    /// # Errors
    /// When the kernel cannot be read.
    pub fn run(&self, hands: &mut Hands) -> Result<Seen, Error> {
        let mut socket = hands.socket()?;
        let (all, addresses) = (socket.links()?, socket.addresses()?);
        let links = Links::new(all.clone(), addresses.clone());
        let plan = plan::plan(&plan::Inputs {
            me: &self.me,
            cluster: &self.cluster,
            links: &links,
            boot: &self.boot,
        });
        let sysctls = self.sysctls(&links, &plan);
        let round = self.routes(&mut socket, &plan, &mut hands.memory)?;
        let world = wiring::World {
            links: &all,
            addresses: &addresses,
        };
        let fights = &mut hands.memory.fights;
        let pods = hands.wiring.look(&mut socket, &world, (self, fights))?;
        let firewall = self.firewall(&mut hands.nft);
        let published = publish::publish(&self.node_state(), &plan, &round);
        hands.socket = Some(socket);
        Ok(Seen {
            links,
            plan,
            round,
            sysctls,
            firewall,
            pods,
            published,
        })
    }

    fn sysctls(&self, links: &Links, plan: &Plan) -> Kept {
        let Some(node) = self.cluster.node(&self.me) else {
            return Kept::default();
        };
        let hops = sysctls::next_hops(&plan.routes);
        let wanted = sysctls::wanted(node, links, &hops);
        sysctls::keep(&wanted, &self.run_dir.join("sysctls.json"))
    }

    fn routes(
        &self,
        socket: &mut Socket,
        plan: &Plan,
        memory: &mut Memory,
    ) -> Result<Round, Error> {
        let now = Instant::now();
        let order = Order {
            plan,
            extent: self.extent(),
            before: self.before.as_ref().map(|seen| &seen.round),
            culprits: &self.marks.culprits,
            now,
            deadline: now + ROUTES,
        };
        reconcile::reconcile(socket, &order, memory)
    }

    /// While not all is known that the table depends on, the one that stands is better.
    fn firewall(&self, nft: &mut Nft) -> Option<(Firewall, Result<Outcome, String>)> {
        let before = self.before.as_ref().and_then(|seen| seen.firewall.clone());
        let before = before.map(|(wanted, set)| (wanted, set.map(|_| Outcome::Unchanged)));
        if self.cluster.synced(&self.me).is_err() {
            return before;
        }
        let wanted = Firewall::of(&self.cluster, &self.me);
        let known = before.filter(|(standing, set)| *standing == wanted && set.is_ok());
        if known.is_some() && !self.causes().any(Cause::wants_firewall) {
            return known;
        }
        let set = nft.set(&wanted);
        if let Ok(outcome @ (Outcome::Installed | Outcome::Replaced | Outcome::Repaired)) = set {
            let sources = wanted.masqueraded.len();
            tracing::info!(
                ?outcome,
                table = "inet gingham",
                sources,
                "firewall written"
            );
        }
        let set = set.map_err(|error| format!("nftables table inet gingham: {error}"));
        Some((wanted, set))
    }

    fn extent(&self) -> Extent {
        match self.causes().any(Cause::wants_whole_table) {
            true => Extent::Whole,
            false => Extent::Own,
        }
    }

    fn causes(&self) -> impl Iterator<Item = Cause> {
        self.marks.causes.keys().copied()
    }

    fn node_state(&self) -> PathBuf {
        self.run_dir.join("node.json")
    }
}
