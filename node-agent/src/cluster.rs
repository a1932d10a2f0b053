//! The index: events in, the cluster as last known out. Pure.
//!
//! ```text
//!   Event::Apply, Delete, Refused ──► Source<T>.objects, .refused
//!   Event::Synced, Failed         ──► Source<T>.state ──complete()──► Complete
//! ```
//!
//! Only [`Cluster::complete`] makes a [`Complete`], and only with one may a route be removed.

use crate::config::{self, RoutingConfig};
use crate::objects::{self, Kind, Node, Object, Refusal};
use crate::source::{Source, State};
use crate::store::Event;
use gingham_model::{Block, NodeName, Pool, PoolName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Proof that every source has said all it holds, and who this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete(());

/// The cluster as last known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    nodes: Source<Node>,
    pools: Source<Pool>,
    blocks: Source<Block>,
    configs: Source<RoutingConfig>,
    believed: Option<Zone>,
}

/// How one source stands, for the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceView<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Whether it has said all.
    pub state: &'a State,
    /// How many objects are in force.
    pub objects: usize,
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
        }
    }

    fn insert(&mut self, object: Object, unknown: Vec<String>) -> bool {
        match object {
            Object::Node(node) => self.nodes.apply(node.name.to_string(), node, unknown),
            Object::Pool(pool) => self.pools.apply(pool.name.to_string(), pool, unknown),
            Object::Block(block) => {
                let name = Block::object_name(block.cidr);
                self.blocks.apply(name, block, unknown)
            }
            Object::Config(config) => self.configs.apply(config::NAME.to_owned(), config, unknown),
        }
    }

    /// The Node object of that name.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.objects().get(name.as_str())
    }

    /// Every block, in the order of names.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.objects().values()
    }

    /// The prefixes of Block objects of which no version was ever valid. Their names say that they
    /// are somebody's, and not whose: such a prefix is neither free nor without a route.
    pub fn unread_blocks(&self) -> BTreeSet<Prefix> {
        let names = self.blocks.unread().map(|refusal| refusal.name.as_str());
        names.filter_map(objects::block_prefix).collect()
    }

    /// The settings in force.
    pub fn config(&self) -> RoutingConfig {
        let config = self.configs.objects().get(config::NAME);
        config.cloned().unwrap_or_default()
    }

    /// The pools that share no address, by name. Of two that do, the later name is refused.
    pub fn pools(&self) -> BTreeMap<&PoolName, &Pool> {
        let mut accepted: BTreeMap<&PoolName, &Pool> = BTreeMap::new();
        for pool in self.pools.objects().values() {
            if shared(pool, accepted.values().copied()).is_none() {
                accepted.insert(&pool.name, pool);
            }
        }
        accepted
    }

    /// Everything that was not taken, and why.
    pub fn refusals(&self) -> Vec<Refusal> {
        let (nodes, pools) = (self.nodes.refused(), self.pools.refused());
        let (blocks, configs) = (self.blocks.refused(), self.configs.refused());
        let all = nodes.chain(pools).chain(blocks).chain(configs);
        let mut refusals: Vec<Refusal> = all.cloned().collect();
        let accepted = self.pools();
        for pool in self.pools.objects().values() {
            if accepted.contains_key(&pool.name) {
                continue;
            }
            if let Some(error) = shared(pool, accepted.values().copied()) {
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
        let pools = self.pools.unknown().map(|field| (Kind::ZonePool, field));
        let blocks = self.blocks.unknown().map(|field| (Kind::Block, field));
        let configs = self
            .configs
            .unknown()
            .map(|field| (Kind::RoutingConfig, field));
        let all = pools.chain(blocks).chain(configs);
        all.map(|(kind, (name, path))| format!("{kind} {name}: {path}"))
            .collect()
    }

    /// How each source stands.
    pub fn sources(&self) -> [SourceView<'_>; 4] {
        [
            view(Kind::Node, &self.nodes),
            view(Kind::ZonePool, &self.pools),
            view(Kind::Block, &self.blocks),
            view(Kind::RoutingConfig, &self.configs),
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
    ///
    /// # Errors
    /// Why that is not known.
    pub fn identity(&self, me: &NodeName) -> Result<(&Node, Zone), String> {
        let label = self.label(me);
        let zone = self.believed.clone().map_or(label, Ok)?;
        let node = self.node(me).ok_or_else(|| unknown(me))?;
        Ok((node, zone))
    }

    /// The zone by the label of this node's Node object.
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
        let node = self.node(me).ok_or_else(|| unknown(me))?;
        node.zone(&self.config().zone_label)
    }

    /// What the label says against the zone that is believed.
    pub fn doubt(&self, me: &NodeName) -> Option<String> {
        let believed = self.believed.as_ref()?;
        match self.label(me) {
            Ok(label) if label == *believed => None,
            Ok(label) => Some(format!(
                "Node {me} is labelled zone {label}; zone {believed} counts until that has stayed"
            )),
            Err(error) => Some(format!("{error}; zone {believed} counts on")),
        }
    }

    /// Whether every source is synced, and who this node is.
    ///
    /// # Errors
    /// Every reason why that is not so.
    pub fn synced(&self, me: &NodeName) -> Result<(&Node, Zone), Vec<String>> {
        let mut reasons: Vec<String> = self.sources().iter().filter_map(unsynced).collect();
        match self.identity(me) {
            Ok(identity) if reasons.is_empty() => Ok(identity),
            Ok(_) => Err(reasons),
            Err(reason) => {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
                Err(reasons)
            }
        }
    }

    /// Whether all is known that a removal or a claim leans on.
    ///
    /// # Errors
    /// Every reason why not.
    pub fn complete(&self, me: &NodeName) -> Result<Complete, Vec<String>> {
        let mut reasons = self.synced(me).err().unwrap_or_default();
        reasons.extend(self.configs.unread().map(|refusal| {
            format!(
                "{} {}: no valid version is known",
                refusal.kind, refusal.name
            )
        }));
        if reasons.is_empty() {
            Ok(Complete(()))
        } else {
            Err(reasons)
        }
    }
}

fn unknown(me: &NodeName) -> String {
    format!("Node {me} is not known")
}

fn view<T: PartialEq>(kind: Kind, source: &Source<T>) -> SourceView<'_> {
    SourceView {
        kind,
        state: source.state(),
        objects: source.objects().len(),
    }
}

fn unsynced(source: &SourceView<'_>) -> Option<String> {
    let plural = source.kind.plural();
    match source.state {
        State::Synced => None,
        State::Pending => Some(format!("{plural} are not listed yet")),
        State::Failed(error) => Some(format!("{plural} cannot be listed: {error}")),
    }
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
