//! The blocking half of a round: kernel, settings, firewall, pods, `node.json`. One call, on a
//! thread of its own, bounded by deadlines all through.

mod holding;
mod publish;
mod wiring;

pub use holding::{holding, in_use, is_in_use};
pub use wiring::Wired;

use crate::bgp::learned::Learned;
use crate::cluster::Cluster;
use crate::dirty::{Cause, Marks};
use crate::firewall::Firewall;
use crate::links::Links;
use crate::nft::{Nft, Outcome};
use crate::plan::{self, Plan};
use crate::pools::Pools;
use crate::retained::Retained;
use crate::routes::guard::Mass;
use crate::routes::reconcile::{self, Extent, Memory, Order, Round};
use crate::routes::standing::Standing;
use crate::run_dir::SYSCTLS;
use crate::sysctls::{self, Kept};
use gingham_ipam::BootId;
use gingham_model::{Family, NodeName, Owner, Prefix, Route, RouteKey, TABLE_MAIN};
use gingham_netlink::sysctl::Tree;
use gingham_netlink::{Error, Socket};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
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
    /// What BGP has learned.
    pub learned: Learned,
    /// Blocks of this node that the cluster does not show as its own.
    pub retained: Arc<Retained>,
    /// What this node announces as aggregates.
    pub aggregates: BTreeSet<Prefix>,
    /// This boot.
    pub boot: BootId,
    /// The directory shared with the plugin.
    pub run_dir: PathBuf,
    /// Why it is made.
    pub marks: Marks,
    /// What the last pass over everything found.
    pub before: Option<Arc<Seen>>,
}

/// What a pass found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of everything; as before, where only the pods were looked at.
    pub seen: Arc<Seen>,
    /// Of the pods' host ends.
    pub pods: Wired,
}

/// What stays from pass to pass.
pub struct Hands {
    /// What the routes' past tells.
    pub memory: Memory,
    /// Always the same, so that the monitor can tell what we write ourselves by its port.
    socket: Socket,
    nft: Nft,
    /// Where the kernel's settings are.
    settings: Tree,
    /// CIDRs of pools, and when they were last known.
    pools: BTreeMap<Prefix, Instant>,
    wiring: Wiring,
}

/// What a pass over everything found and did.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The interfaces.
    pub links: Links,
    /// The cluster it was planned by,
    pub cluster: Arc<Cluster>,
    /// and what BGP had learned,
    pub learned: Learned,
    /// and announced as aggregates,
    pub aggregates: BTreeSet<Prefix>,
    /// and retained of its own.
    pub retained: Arc<Retained>,
    /// The routers of default routes by others.
    pub gateways: BTreeSet<IpAddr>,
    /// What should be so.
    pub plan: Arc<Plan>,
    /// What is so.
    pub round: Round,
    /// Settings that could not be made, and what to know of others.
    pub sysctls: Kept,
    /// The nftables table that was wanted, once all is known that it depends on, and what came of
    /// it.
    pub firewall: Option<(Firewall, Result<Outcome, String>)>,
    /// Whether the plugin knows what the plan says, or every reason why not.
    pub published: Result<(), Vec<String>>,
}

impl Seen {
    /// Every route of ours that is wanted or there, and how it stands.
    pub fn standings(&self) -> BTreeMap<&RouteKey, (&Route, &Standing)> {
        let wanted = self.plan.routes.iter();
        let wanted = wanted.map(|(key, route)| (key, (route, self.round.standing(key))));
        let odd = self.round.odd.iter();
        let odd = odd.map(|(key, (route, standing))| (key, (route, standing)));
        wanted.chain(odd).collect()
    }

    /// Whether everything is as it should be.
    pub fn is_well(&self) -> bool {
        let firewall = self.firewall.as_ref().is_none_or(|(_, set)| set.is_ok());
        self.round.is_in_sync() && self.sysctls.failures.is_empty() && firewall
    }
}

impl Hands {
    /// Hands that have done nothing yet.
    ///
    /// # Errors
    /// When no socket is to be had.
    pub fn new(settings: Tree) -> Result<Self, Error> {
        Ok(Hands {
            settings,
            memory: Memory::default(),
            socket: Socket::open(REQUEST)?,
            nft: Nft::new(),
            pools: BTreeMap::new(),
            wiring: Wiring::default(),
        })
    }

    /// A pool that is gone is spared for as long as a mass removal would be held: pods that take
    /// their node's address inside the cluster are worse than such that do not outside.
    fn remember_pools(&mut self, cluster: &Cluster, me: &NodeName, now: Instant) {
        let pools = Pools::of(cluster, me);
        self.pools.extend(pools.cidrs().map(|cidr| (cidr, now)));
        let hold = cluster.config().mass_removal_hold;
        self.pools.retain(|_, known| now <= *known + hold);
    }

    /// The families in which this node forwards for its blocks, whatever the agent does: those whose
    /// sinks are in the kernel (the F bit of RFC 4724).
    ///
    /// # Errors
    /// When the kernel cannot be read.
    pub fn forwarding(&mut self) -> Result<BTreeSet<Family>, Error> {
        let sinks = self.socket.routes_of(TABLE_MAIN, Owner::Sink.protocol())?;
        Ok(sinks.iter().map(|sink| sink.key.prefix.family()).collect())
    }

    /// The netlink port they work by, as long as they are.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }
}

impl Pass {
    /// Reads, plans, changes, reads back, publishes. Where it is made for the pods' sake alone, it
    /// looks at nothing else: a node of thousands of routes starts and stops pods all the time.
    ///
    /// # Errors
    /// When the kernel cannot be read.
    pub fn run(&self, hands: &mut Hands) -> Result<Found, Error> {
        let world = wiring::World {
            links: hands.socket.links()?,
            addresses: hands.socket.addresses()?,
        };
        let only_pods = self.causes().all(Cause::is_of_pods);
        let found = match self.before.clone().filter(|_| only_pods) {
            Some(seen) => Found {
                seen,
                pods: self.pods(hands, &world)?,
            },
            None => self.everything(hands, &world)?,
        };
        Ok(found)
    }

    fn everything(&self, hands: &mut Hands, world: &wiring::World) -> Result<Found, Error> {
        let links = Links::new(world.links.clone(), world.addresses.clone());
        let plan = self.plan(&links);
        let sysctls = self.sysctls((&links, &plan), &hands.settings);
        let round = self.routes(hands, &plan)?;
        // Before anything is published: addresses of pods whose leases are lost are taken up first.
        let pods = self.pods(hands, world)?;
        let firewall = self.firewall(hands, round.mass);
        let published = publish::publish(&self.node_state(), &plan, &round);
        let seen = Seen {
            links,
            cluster: Arc::clone(&self.cluster),
            learned: self.learned.clone(),
            retained: Arc::clone(&self.retained),
            aggregates: self.aggregates.clone(),
            gateways: hands.memory.gateways.clone(),
            plan,
            round,
            sysctls,
            firewall,
            published,
        };
        Ok(Found {
            seen: Arc::new(seen),
            pods,
        })
    }

    /// Most rounds plan what the one before planned: then it is the same.
    fn plan(&self, links: &Links) -> Arc<Plan> {
        let before = self.before.as_ref();
        let same = |seen: &&Arc<Seen>| {
            Arc::ptr_eq(&seen.cluster, &self.cluster)
                && seen.links == *links
                && seen.learned.is_the_same(&self.learned)
                && seen.retained == self.retained
                && seen.aggregates == self.aggregates
        };
        if let Some(seen) = before.filter(same) {
            return Arc::clone(&seen.plan);
        }
        Arc::new(plan::plan(&plan::Inputs {
            me: &self.me,
            cluster: &self.cluster,
            retained: &self.retained,
            links,
            boot: &self.boot,
            learned: &self.learned,
            aggregates: &self.aggregates,
        }))
    }

    fn pods(&self, hands: &mut Hands, world: &wiring::World) -> Result<Wired, Error> {
        let fights = &mut hands.memory.fights;
        hands.wiring.look(&mut hands.socket, world, (self, fights))
    }

    fn sysctls(&self, (links, plan): (&Links, &Plan), settings: &Tree) -> Kept {
        let Some(node) = self.cluster.node(&self.me) else {
            return Kept::default();
        };
        let hops = sysctls::next_hops(&plan.routes);
        let wanted = sysctls::wanted(node, links, &hops);
        sysctls::keep(&wanted, (settings, &self.run_dir.join(SYSCTLS)))
    }

    fn routes(&self, hands: &mut Hands, plan: &Plan) -> Result<Round, Error> {
        let now = Instant::now();
        let order = Order {
            plan,
            extent: self.extent(),
            before: self.before.as_ref().map(|seen| (&*seen.plan, &seen.round)),
            culprits: &self.marks.culprits,
            now,
            deadline: now + ROUTES,
        };
        reconcile::reconcile(&mut hands.socket, &order, &mut hands.memory)
    }

    /// While not all is known that the table depends on, or what is known is doubted, the one that
    /// stands is better.
    fn firewall(
        &self,
        hands: &mut Hands,
        mass: Option<Mass>,
    ) -> Option<(Firewall, Result<Outcome, String>)> {
        let before = self.before.as_ref().and_then(|seen| seen.firewall.clone());
        let before = before.map(|(wanted, set)| (wanted, set.map(|_| Outcome::Unchanged)));
        if self.cluster.synced(&self.me).is_err() || (mass.is_some() && before.is_some()) {
            return before;
        }
        hands.remember_pools(&self.cluster, &self.me, Instant::now());
        let wanted = Firewall::of(&self.cluster, &self.me).sparing(hands.pools.keys().copied());
        let known = before.filter(|(standing, set)| *standing == wanted && set.is_ok());
        if known.is_some() && !self.causes().any(Cause::wants_firewall) {
            return known;
        }
        let set = hands.nft.set(&wanted);
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
        if self.causes().any(Cause::wants_whole_table) {
            Extent::Whole
        } else if self.causes().all(Cause::spares_routes) {
            Extent::Changes
        } else {
            Extent::Own
        }
    }

    fn causes(&self) -> impl Iterator<Item = Cause> {
        self.marks.causes.keys().copied()
    }

    fn node_state(&self) -> PathBuf {
        self.run_dir.join("node.json")
    }
}
