//! The index: events in, the cluster as last known out. Pure.
//!
//! ```text
//!   Event::Apply, Delete, Refused ──► Source<T>.objects, .refused
//!   Event::Synced, Failed         ──► Source<T>.state ──proof──► Complete
//! ```
//!
//! [`Cluster::remember`] puts objects of an earlier run in force, which completes nothing.

mod judged;
mod proof;
mod recall;

pub use crate::source::SourceView;
pub use proof::Complete;

use crate::config::{self, PodCidrs, RoutingConfig};
use crate::objects::{self, BgpPeer, Kind, Node, Object, Refusal, RouteFilter};
use crate::source::{Source, State};
use crate::store::Event;
use gingham_model::{Block, NodeName, Pool, PoolName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// The cluster as last known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    nodes: Source<Node>,
    pools: Source<Pool>,
    blocks: Source<Block>,
    configs: Source<RoutingConfig>,
    peers: Source<BgpPeer>,
    filters: Source<RouteFilter>,
    believed: Option<Zone>,
}

impl Cluster {
    /// Takes in one event and says whether that changed anything.
    pub fn apply(&mut self, event: Event) -> bool {
        let kind = match event {
            Event::Apply(parsed) => return self.insert(parsed.object, parsed.unknown),
            Event::Refused(ref refusal) => refusal.kind,
            Event::Delete(kind, _) | Event::Synced(kind) | Event::Failed(kind, _) => kind,
        };
        match kind {
            Kind::Node => self.nodes.note(event),
            Kind::ZonePool => self.pools.note(event),
            Kind::Block => self.blocks.note(event),
            Kind::RoutingConfig => self.configs.note(event),
            Kind::BgpPeer => self.peers.note(event),
            Kind::RouteFilter => self.filters.note(event),
        }
    }

    fn insert(&mut self, object: Object, unknown: Vec<String>) -> bool {
        let name = object.name();
        match object {
            Object::Node(node) => self.nodes.apply(name, node, unknown),
            Object::Pool(pool) => self.pools.apply(name, pool, unknown),
            Object::Block(block) => {
                let block = self.sharing(block);
                self.blocks.apply(name, block, unknown)
            }
            Object::Config(config) => self.configs.apply(name, config, unknown),
            Object::Peer(peer) => self.peers.apply(name, peer, unknown),
            Object::Filter(filter) => self.filters.apply(name, filter, unknown),
        }
    }

    /// The same, with the names that most blocks have in common shared.
    fn sharing(&self, mut block: Block) -> Block {
        if let Some(first) = self.blocks.objects().next() {
            let Block { zone, pool, .. } = first;
            if block.zone == *zone {
                block.zone.clone_from(zone);
            }
            if block.pool == *pool {
                block.pool.clone_from(pool);
            }
        }
        block
    }

    /// This is the cluster as node `me` sees it: its own Node is in force though it be gone, since
    /// its pods run on. Until it is back nothing is complete.
    pub fn stand_for(&mut self, me: &NodeName) {
        self.nodes.keep(me.to_string());
    }

    /// The Node object of that name.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(name.as_str())
    }

    /// Whether the store shows a Node object of that name: one that is gone may be in force still.
    pub fn is_registered(&self, name: &NodeName) -> bool {
        self.nodes.has_shown(name.as_str())
    }

    /// The own Node and those of reflectors and ingress nodes, of every zone, in the order of names.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.objects()
    }

    /// Every BGPPeer, in the order of names.
    pub fn peers(&self) -> impl Iterator<Item = &BgpPeer> {
        self.peers.objects()
    }

    /// Every RouteFilter, in the order of names.
    pub fn filters(&self) -> impl Iterator<Item = &RouteFilter> {
        self.filters.objects()
    }

    /// Every block, in the order of names.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.objects()
    }

    /// The prefixes of Block objects of which no version was ever valid. Their names say that they
    /// are somebody's, and not whose: such a prefix is neither free nor without a route.
    pub fn unread_blocks(&self) -> BTreeSet<Prefix> {
        let names = self.blocks.unread().map(|refusal| refusal.name.as_str());
        names.filter_map(objects::block_prefix).collect()
    }

    /// The settings in force.
    pub fn config(&self) -> RoutingConfig {
        let config = self.configs.get(config::NAME);
        config.cloned().unwrap_or_default()
    }

    /// The settings of podCIDR mode, while it is on.
    pub fn pod_cidrs(&self) -> Option<&PodCidrs> {
        self.configs.get(config::NAME)?.pod_cidrs.as_ref()
    }

    /// The pools that share no address, by name. Of two that do, the later name is refused, and any
    /// that meets what podCIDR mode has.
    pub fn pools(&self) -> BTreeMap<&PoolName, &Pool> {
        let mut accepted: BTreeMap<&PoolName, &Pool> = BTreeMap::new();
        for pool in self.pools.objects() {
            if self.refused(pool, &accepted).is_none() {
                accepted.insert(&pool.name, pool);
            }
        }
        accepted
    }

    /// Why `pool` is not taken beside the others.
    fn refused(&self, pool: &Pool, accepted: &BTreeMap<&PoolName, &Pool>) -> Option<String> {
        let mirrored = self.pod_cidrs();
        let mirrored = mirrored.and_then(|mirrored| shared_with_nodes(pool, mirrored));
        mirrored.or_else(|| shared(pool, accepted.values().copied()))
    }

    /// Everything that was not taken, and why.
    pub fn refusals(&self) -> Vec<Refusal> {
        let sources = self.sources();
        let all = sources.iter().flat_map(|source| source.refused.values());
        let mut refusals: Vec<Refusal> = all.cloned().collect();
        let accepted = self.pools();
        for pool in self.pools.objects() {
            if accepted.contains_key(&pool.name) {
                continue;
            }
            if let Some(error) = self.refused(pool, &accepted) {
                refusals.push(Refusal {
                    kind: Kind::ZonePool,
                    name: pool.name.to_string(),
                    origin: format!("{}/{}", Kind::ZonePool.plural(), pool.name),
                    error,
                });
            }
        }
        refusals
    }

    /// Fields this version does not know, as `Kind name: path`.
    pub fn unknown_fields(&self) -> Vec<String> {
        let sources = self.sources();
        let fields = sources.iter().flat_map(|source| {
            let objects = source.unknown.iter();
            let kind = source.kind;
            objects.flat_map(move |(name, paths)| {
                let paths = paths.iter();
                paths.map(move |path| format!("{kind} {name}: {path}"))
            })
        });
        fields.collect()
    }

    /// How each source stands, in the order of [`Kind::ALL`].
    pub fn sources(&self) -> [SourceView<'_>; 6] {
        [
            self.nodes.view(Kind::Node),
            self.pools.view(Kind::ZonePool),
            self.blocks.view(Kind::Block),
            self.configs.view(Kind::RoutingConfig),
            self.peers.view(Kind::BgpPeer),
            self.filters.view(Kind::RouteFilter),
        ]
    }

    /// From now on this node stands in `zone`, whatever its label says for the moment; `None`
    /// leaves it to the label.
    pub fn believe(&mut self, zone: Option<Zone>) {
        self.believed = zone;
    }

    /// The zone this node stands in by [`Cluster::believe`].
    pub fn believed(&self) -> Option<&Zone> {
        self.believed.as_ref()
    }

    /// Who this node is, as last known: its Node object, and the zone it is believed to stand in.
    /// Until the store has shown its Node, the zone may be the one of an earlier run.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn identity(&self, me: &NodeName) -> Result<(&Node, Zone), String> {
        let told = self
            .label(me)
            .or_else(|why| self.remembered_label(me).ok_or(why));
        let zone = self.believed.clone().map_or(told, Ok)?;
        let node = self.node(me).ok_or_else(|| unknown(me))?;
        Ok((node, zone))
    }

    /// The zone by the label of this node's Node object, as the store shows it.
    ///
    /// # Errors
    /// Why that is not known. Before the settings are, nobody can say which label counts.
    pub fn label(&self, me: &NodeName) -> Result<Zone, String> {
        if *self.configs.state() == State::Pending {
            return Err(format!(
                "{} are not listed yet",
                Kind::RoutingConfig.plural()
            ));
        }
        let shown = self.node(me).filter(|_| self.nodes.has_shown(me.as_str()));
        shown
            .ok_or_else(|| unknown(me))?
            .zone(&self.config().zone_label)
    }

    /// What the label says against the zone that is believed.
    pub fn doubt(&self, me: &NodeName) -> Option<String> {
        if self.nodes.is_gone(me.as_str()) {
            return Some(format!(
                "there is no Node {me} any more; what it said last counts on"
            ));
        }
        let believed = self.believed.as_ref()?;
        match self.label(me) {
            Ok(label) if label == *believed => None,
            Ok(label) => Some(format!(
                "Node {me} is labelled zone {label}; zone {believed} counts until that has stayed"
            )),
            Err(error) => Some(format!("{error}; zone {believed} counts on")),
        }
    }
}

fn unknown(me: &NodeName) -> String {
    format!("Node {me} is not known")
}

/// How `pool` shares addresses with podCIDRs.
fn shared_with_nodes(pool: &Pool, mirrored: &PodCidrs) -> Option<String> {
    let cidrs = pool.spec.cidrs.iter().enumerate();
    let mut pairs = cidrs.flat_map(|(at, own)| {
        let all = mirrored.cluster_cidrs.iter();
        all.map(move |all| (at, own.cidr, *all))
    });
    let (at, cidr, all) = pairs.find(|(_, cidr, all)| cidr.overlaps(*all))?;
    Some(format!(
        "spec.cidrs[{at}].cidr {cidr}: overlaps {all} of spec.podCIDRs.clusterCIDRs of \
         RoutingConfig default"
    ))
}

/// How `pool` shares addresses with one of the others.
fn shared<'a>(pool: &Pool, others: impl Iterator<Item = &'a Pool>) -> Option<String> {
    let mut pairs = others.flat_map(|other| {
        let cidrs = pool.spec.cidrs.iter().enumerate();
        cidrs.flat_map(move |(at, a)| {
            other
                .spec
                .cidrs
                .iter()
                .map(move |b| (at, a.cidr, b.cidr, other))
        })
    });
    let (at, cidr, met, other) = pairs.find(|(_, a, b, _)| a.overlaps(*b))?;
    Some(format!(
        "spec.cidrs[{at}].cidr {cidr}: overlaps {met} of ZonePool {}",
        other.name
    ))
}
