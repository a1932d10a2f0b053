//! What outlives a run: which objects are worth keeping, and how they come back.

use super::Cluster;
use crate::objects::Object;
use crate::source::State;
use gingham_model::{Block, NodeName, Zone};

impl Cluster {
    /// Puts objects of an earlier run in force. Their sources say all the same that they have said
    /// nothing yet: what a source then shows counts, and what it has not shown when it has said all
    /// goes. Only settings that cannot be read now stay as they were.
    pub fn remember(&mut self, saved: Vec<Object>) {
        for object in saved {
            let name = object.name();
            match object {
                Object::Node(node) => self.nodes.remember(name, node),
                Object::Pool(pool) => self.pools.remember(name, pool),
                Object::Block(block) => self.blocks.remember(name, block),
                Object::Config(config) => self.configs.remember(name, config),
                Object::Peer(peer) => self.peers.remember(name, peer),
                Object::Filter(filter) => self.filters.remember(name, filter),
            }
        }
    }

    /// What node `me` should remember: everything known but the blocks of other nodes in other
    /// zones. Of these none is dropped while its own zone is not known. One after the other, for they
    /// are many.
    pub fn saved(&self, me: &NodeName) -> impl Iterator<Item = Object> {
        let zone = self.identity(me).map(|(_, zone)| zone).ok();
        let me = me.clone();
        let near = move |block: &&Block| {
            block.node == me || zone.as_ref().is_none_or(|zone| block.zone == *zone)
        };
        let nodes = self.nodes().cloned().map(Object::Node);
        let pools = self.pools.objects().cloned().map(Object::Pool);
        let blocks = self.blocks().filter(near).cloned().map(Object::Block);
        let configs = self.configs.objects().cloned().map(Object::Config);
        let peers = self.peers().cloned().map(Object::Peer);
        let filters = self.filters().cloned().map(Object::Filter);
        let settings = configs.chain(peers).chain(filters);
        nodes.chain(pools).chain(blocks).chain(settings)
    }

    /// The zone by this node's label as far as it is known from an earlier run: its Node, or the
    /// settings that say which label counts.
    pub(super) fn remembered_label(&self, me: &NodeName) -> Option<Zone> {
        let node = self.node(me)?;
        let settings =
            *self.configs.state() == State::Pending && self.configs.objects().next().is_some();
        let remembered = settings || !self.nodes.has_shown(me.as_str());
        let zone = remembered.then(|| node.zone(&self.config().zone_label))?;
        zone.ok()
    }
}
