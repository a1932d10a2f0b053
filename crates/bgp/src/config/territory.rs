//! Which prefixes of the zone are whose, and how much of that peers may say.

use gingham_model::{NodeName, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The blocks of the zone and whose they are. No two of them share an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Territory {
    /// The node this speaker runs on.
    pub node: Option<NodeName>,
    /// Who holds each block.
    pub blocks: BTreeMap<Prefix, Holder>,
}

/// A territory that is shared is written and read as what it is.
pub(super) mod shared {
    use super::Territory;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(crate) fn serialize<S: Serializer>(
        territory: &Arc<Territory>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        territory.as_ref().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Territory>, D::Error> {
        Territory::deserialize(deserializer).map(Arc::new)
    }
}

/// The node that holds a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holder {
    /// Its name.
    pub node: NodeName,
    /// Its addresses, of both families: where its sessions come from and what its next hops are.
    pub addresses: Vec<IpAddr>,
}

/// What a peer may say, before any filter is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything.
    #[default]
    Anywhere,
    /// A node of the zone: only prefixes inside its own blocks, with itself as the next hop.
    Node,
    /// Somebody outside the zone: nothing inside a block of the zone, for the longest match would win over
    /// the zone's own route. What is wider than a block passes, and so do blocks of nodes that moved away:
    /// they are none of the zone any more.
    Outside,
    /// Another reflector of the zone: inside a block of the zone what a node may say, elsewhere
    /// everything.
    Fellow,
}

impl Territory {
    /// The block around a prefix and who holds it; of blocks that share no address it is the last that
    /// does not come behind the prefix, or none.
    pub fn around(&self, prefix: Prefix) -> Option<(Prefix, &Holder)> {
        let (block, holder) = self.blocks.range(..=prefix).next_back()?;
        block.covers(prefix).then_some((*block, holder))
    }

    /// The node at each address. Of two that claim one address it is that of the first block.
    pub fn nodes(&self) -> BTreeMap<IpAddr, NodeName> {
        let mut nodes = BTreeMap::new();
        for holder in self.blocks.values() {
            for address in &holder.addresses {
                nodes.entry(*address).or_insert_with(|| holder.node.clone());
            }
        }
        nodes
    }

    /// The blocks of which another territory says something else: who holds them, where that node is,
    /// or whether they are ours.
    pub fn differences(&self, other: &Territory) -> Vec<Prefix> {
        let differs = |block: &Prefix| {
            let [one, two] = [self, other].map(|of| of.blocks.get(block));
            one != two || self.holds(one) != other.holds(two)
        };
        let of_either = self.blocks.keys().chain(
            other
                .blocks
                .keys()
                .filter(|block| !self.blocks.contains_key(block)),
        );
        of_either.copied().filter(differs).collect()
    }

    /// Whether the holder is the node this speaker runs on.
    pub(crate) fn holds(&self, holder: Option<&Holder>) -> bool {
        self.node.is_some() && self.node.as_ref() == holder.map(|holder| &holder.node)
    }
}
