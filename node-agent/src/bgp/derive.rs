//! From the cluster's objects to the configuration of the speaker. Pure.
//!
//! ```text
//!                   sessions                        announces
//!  node        ──► every reflector                  its own blocks
//!  reflector   ◄── the zone's node subnets          its own blocks, and the zone's aggregates
//!              ◄─► every other reflector              while another node's block is held
//!  whoever a BGPPeer selects ──► its other ends     (by default the reflectors, towards cores)
//! ```
//!
//! One session for each pair and family. Nothing names single nodes: one that is added dials.

use super::filters::{self, Home};
use super::kept::Kept;
use super::keys::Keys;
use super::part::{Part, Reflector, Role};
use super::peers::{Around, PATHS, Sessions};
use crate::cluster::Cluster;
use crate::plan::zone_pools;
use gingham_bgp::config::{
    AddPath, AddPathReceive, Announcement, Config, Connect, FamilySettings, GracefulRestart,
    Holder, Neighbour, Password, Range, Role as Reflection, Scope, Settings, Territory, When,
};
use gingham_bgp::policy::{Filter, FilterName};
use gingham_model::{Aggregate, Block, Family, NodeName, PeerName, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// After a start, the longest nothing is announced while peers have yet to say what they have.
const LONGEST_DEFERRAL: u32 = 30;
/// The names of the filters that every zone has.
const OUTSIDE: &str = "outside";
const OWN: &str = "own";
const TO_NODES: &str = "to-nodes";
const TO_REFLECTORS: &str = "to-reflectors";

/// Whether this node stands by what it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    Present,
    /// It is going away, or was told to act so; for this reason.
    Withdrawn(String),
}

/// All a configuration depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// This node.
    pub me: &'a NodeName,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// The blocks of this node that have a sink.
    pub own_blocks: &'a BTreeSet<Prefix>,
    /// The routers of the kernel's default routes.
    pub gateways: &'a BTreeSet<IpAddr>,
    /// The keys.
    pub keys: &'a Keys,
    /// What was so before.
    pub kept: &'a Kept,
    /// Whether this node is going away.
    pub presence: &'a Presence,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The part this node plays.
    pub part: Part,
    /// What the speaker is told.
    pub config: Config,
    /// The sessions of each BGPPeer.
    pub peers: BTreeMap<PeerName, Sessions>,
    /// What an operator ought to know.
    pub notices: Vec<String>,
}

/// Derives.
///
/// # Errors
/// Why there is nothing to be said, or what of it cannot be used; what was configured before stays.
pub fn derive(inputs: &Inputs<'_>) -> Result<Derived, String> {
    let Inputs {
        me, cluster, kept, ..
    } = *inputs;
    let (part, mut notices) = Part::of(cluster, me, kept)?;
    let home = home(cluster, &part);
    let zone = Zone {
        inputs,
        part: &part,
        password: zone_password(inputs)?,
        hold_seconds: cluster.config().timers.hold_seconds,
    };
    let mut config = zone.config(&home);
    let around = Around {
        me,
        cluster,
        part: &part,
        home: &home,
        gateways: inputs.gateways,
        keys: inputs.keys,
        kept,
    };
    let mut peers = BTreeMap::new();
    for peer in cluster.peers() {
        let (sessions, notice) = around.sessions(peer);
        notices.extend(notice);
        notices.extend(add(&mut config, &peer.name, &sessions));
        peers.insert(peer.name.clone(), sessions);
    }
    if let Presence::Withdrawn(why) = inputs.presence {
        notices.push(format!("nothing is announced: {why}"));
        config.announce.clear();
    }
    config.check().map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("BGP: {}", lines.join("; "))
    })?;
    Ok(Derived {
        part,
        config,
        peers,
        notices,
    })
}

/// The prefixes a reflector announces for its zone; none for other nodes. Each has a sink there.
pub fn aggregates(cluster: &Cluster, part: &Part) -> BTreeSet<Prefix> {
    match part.role {
        Role::Node => BTreeSet::new(),
        Role::Reflector => home(cluster, part).aggregates.into_iter().collect(),
    }
}

fn home(cluster: &Cluster, part: &Part) -> Home {
    let pools = cluster.pools();
    let pools = zone_pools(&pools, &part.zone);
    let cidrs = |wanted: fn(Aggregate) -> bool| {
        let pools = pools.iter().filter(|pool| wanted(pool.spec.aggregate));
        pools
            .flat_map(|pool| pool.spec.cidrs.iter().map(|cidr| cidr.cidr))
            .collect()
    };
    let config = cluster.config();
    let zone = config.zones.get(&part.zone);
    Home {
        pools: cidrs(|_| true),
        aggregates: cidrs(|aggregate| aggregate == Aggregate::Zone),
        nodes: zone.map(|zone| zone.node_cidrs.clone()).unwrap_or_default(),
    }
}

/// The key of the sessions inside the zone.
fn zone_password(inputs: &Inputs<'_>) -> Result<Option<Password>, String> {
    let secret = inputs.cluster.config().reflectors.password_secret;
    let key = secret.map(|secret| inputs.keys.get(&secret)).transpose();
    key.map_err(|why| format!("RoutingConfig default: spec.reflectors.passwordSecret: {why}"))
}

/// Adds the sessions of a BGPPeer; one to an address that has a session already is left out.
fn add(config: &mut Config, peer: &PeerName, sessions: &Sessions) -> Vec<String> {
    let mut notices = Vec::new();
    for neighbour in &sessions.neighbours {
        let mut known = config.neighbours.iter();
        match known.find(|known| known.address == neighbour.address) {
            Some(known) => notices.push(format!(
                "BGPPeer {peer}: {} has the session {:?} already",
                neighbour.address, known.name
            )),
            None => config.neighbours.push(neighbour.clone()),
        }
    }
    config.filters.extend(sessions.filters.clone());
    notices
}

/// What is said inside the zone.
struct Zone<'a> {
    inputs: &'a Inputs<'a>,
    part: &'a Part,
    password: Option<Password>,
    hold_seconds: u16,
}

impl Zone<'_> {
    fn config(&self, home: &Home) -> Config {
        let config = self.inputs.cluster.config();
        let restart = config.graceful_restart;
        Config {
            asn: self.part.asn,
            router_id: self.part.router_id,
            cluster_id: None,
            listen: self.listen(config.reflectors.listen_port),
            graceful_restart: GracefulRestart {
                restart_seconds: restart.restart_seconds,
                long_lived_stale_seconds: restart.long_lived_stale_seconds,
                deferral_seconds: (u32::from(restart.restart_seconds) / 2).min(LONGEST_DEFERRAL),
                ..GracefulRestart::default()
            },
            multipath: config.multipath,
            neighbours: self.reflectors(config.reflectors.listen_port),
            ranges: match self.part.role {
                Role::Node => Vec::new(),
                Role::Reflector => home
                    .nodes
                    .iter()
                    .filter_map(|cidr| self.range(*cidr))
                    .collect(),
            },
            filters: self.filters(home),
            announce: self.announcements(home),
            territory: Arc::new(self.territory()),
        }
    }

    /// Only reflectors are dialled.
    fn listen(&self, port: u16) -> Vec<SocketAddr> {
        let own = self.part.addresses.values();
        match self.part.role {
            Role::Node => Vec::new(),
            Role::Reflector => own.map(|address| SocketAddr::new(*address, port)).collect(),
        }
    }

    fn reflectors(&self, port: u16) -> Vec<Neighbour> {
        let others = self.part.other_reflectors(self.inputs.me);
        others
            .flat_map(|other| self.sessions_with(other, port))
            .collect()
    }

    fn sessions_with(&self, other: &Reflector, port: u16) -> Vec<Neighbour> {
        let (connect, scope, export) = match self.part.role {
            Role::Node => (Connect::Active, Scope::Outside, OWN),
            Role::Reflector => (Connect::Both, Scope::Fellow, TO_REFLECTORS),
        };
        let ends = other.by_family().into_iter();
        let ends = ends.filter_map(|(family, address)| {
            let own = self.part.addresses.get(&family)?;
            let settings = self.settings((family, 0), scope, export);
            Some(Neighbour {
                name: format!("{}-{}", other.name, family.to_string().to_lowercase()),
                address,
                port,
                connect,
                settings: Settings {
                    local_address: Some(*own),
                    import: Some(FilterName(OUTSIDE.to_owned())),
                    node: Some(other.name.clone()),
                    ..settings
                },
            })
        });
        ends.collect()
    }

    /// The nodes that dial from `cidr`.
    fn range(&self, cidr: Prefix) -> Option<Range> {
        let own = self.part.addresses.get(&cidr.family())?;
        let settings = self.settings((cidr.family(), PATHS), Scope::Node, TO_NODES);
        Some(Range {
            name: format!("nodes-{}-{}", cidr.address(), cidr.length()),
            prefix: cidr,
            limit: 10_000,
            settings: Settings {
                local_address: Some(*own),
                role: Reflection::Client,
                ..settings
            },
        })
    }

    /// What all sessions inside the zone have in common; `paths` are the most that are told.
    fn settings(&self, (family, paths): (Family, u8), scope: Scope, export: &str) -> Settings {
        let add_path = AddPath {
            receive: AddPathReceive::On,
            send: paths,
        };
        let of_family = FamilySettings {
            add_path,
            ..FamilySettings::default()
        };
        Settings {
            asn: self.part.asn,
            local_address: None,
            role: Reflection::Peer,
            families: [(family, of_family)].into(),
            hold_seconds: self.hold_seconds,
            password: self.password.clone(),
            ttl: Default::default(),
            import: None,
            export: Some(FilterName(export.to_owned())),
            next_hop: Default::default(),
            allow_own_asn: 0,
            node: None,
            asn_width: Default::default(),
            messages: Default::default(),
            scope,
        }
    }

    fn filters(&self, home: &Home) -> BTreeMap<FilterName, Filter> {
        let named = |name: &str, filter| (FilterName(name.to_owned()), filter);
        let outside = named(OUTSIDE, filters::outside(home));
        match self.part.role {
            Role::Node => [outside, named(OWN, filters::own())].into(),
            Role::Reflector => [
                outside,
                named(TO_NODES, filters::to_nodes()),
                named(TO_REFLECTORS, filters::to_reflectors(home)),
            ]
            .into(),
        }
    }

    /// What is originated here (law 10): the blocks of this node, and as a reflector the zone's
    /// aggregates, while they lead to more than this node.
    fn announcements(&self, home: &Home) -> Vec<Announcement> {
        let blocks = self.inputs.own_blocks;
        let announce = |prefix: &Prefix, when| Announcement {
            prefix: *prefix,
            next_hop: None,
            med: None,
            local_pref: None,
            communities: Vec::new(),
            large_communities: Vec::new(),
            node: Some(self.inputs.me.clone()),
            when,
        };
        let own = blocks.iter().map(|block| announce(block, When::Always));
        let aggregates = match self.part.role {
            Role::Node => &[][..],
            Role::Reflector => &home.aggregates,
        };
        // A block as wide as its pool is an aggregate already.
        let aggregates = aggregates.iter().filter(|prefix| !blocks.contains(*prefix));
        let aggregates = aggregates.map(|prefix| announce(prefix, When::Contributed));
        own.chain(aggregates).collect()
    }

    fn territory(&self) -> Territory {
        let Inputs { me, cluster, .. } = *self.inputs;
        let near = cluster
            .blocks()
            .filter(|block| block.zone == self.part.zone || block.node == *me);
        let near: BTreeMap<Prefix, &Block> = near.map(|block| (block.cidr, block)).collect();
        // Of two that overlap the wider counts for nothing, as where routes are planned. It comes right
        // before what it covers.
        let behind = near.keys().skip(1).map(Some).chain([None]);
        let fit = near
            .iter()
            .zip(behind)
            .filter(|((cidr, _), behind)| !behind.is_some_and(|behind| cidr.covers(*behind)));
        let holders = fit.map(|((cidr, block), _)| {
            let holder = Holder {
                node: block.node.clone(),
                addresses: hosts(&block.node_ips),
            };
            (*cidr, holder)
        });
        Territory {
            node: Some(me.clone()),
            blocks: holders.collect(),
        }
    }
}

/// The addresses a host can have: a Block object holds what some node wrote.
fn hosts(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let is_host = |ip: &IpAddr| Prefix::host(*ip).reserved().is_none();
    addresses.iter().copied().filter(is_host).collect()
}
