//! `node.json`: what the agent tells the plugin about this node.

use crate::fault::{self, Field, field, list};
use crate::{BootId, Fault, FileError, Supply, Unknown, Version1, file};
use gingham_model::{Family, NodeName, PoolName, Prefix, Zone};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// The content of `node.json`. Written by the agent, read by the plugin at each ADD and STATUS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// The version of this format.
    pub version: Version1,
    /// The boot it was written in; in another one its blocks may be somebody else's.
    pub boot_id: BootId,
    /// The node's name.
    pub node: NodeName,
    /// The zone it stands in.
    pub zone: Zone,
    /// MTU of pod interfaces, in bytes.
    pub mtu: u32,
    /// The families every pod gets an address of; at least one, none twice.
    pub families: Vec<Family>,
    /// The node's blocks, in the order they are used up; disjoint. May be empty.
    pub blocks: Vec<NodeBlock>,
    /// Seconds an address rests before it is given out again.
    pub cooldown_seconds: u32,
    /// Fields this release does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A block of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeBlock {
    /// The addresses.
    pub cidr: Prefix,
    /// The pool they come from.
    pub pool: PoolName,
    /// Whether new addresses are given out of it.
    pub state: NodeBlockState,
    /// Fields this release does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Whether a block still gives out addresses. An orphaned block is nobody's and never stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeBlockState {
    /// It does.
    Active,
    /// No new ones; the present ones stay.
    Draining,
}

const FIELDS: &[Field] = &[
    field::<Version1>("version"),
    field::<BootId>("bootId"),
    field::<NodeName>("node"),
    field::<Zone>("zone"),
    field::<u32>("mtu"),
    field::<Vec<Family>>("families"),
    list(
        "blocks",
        &[
            field::<Prefix>("cidr"),
            field::<PoolName>("pool"),
            field::<NodeBlockState>("state"),
        ],
    ),
    field::<u32>("cooldownSeconds"),
];

/// Why a well-formed `node.json` is no use to an ADD now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Left over from an earlier boot; the agent has not written it yet in this one.
    #[error("bootId {theirs}: of another boot, this one is {ours}")]
    OtherBoot {
        /// What the file says.
        theirs: BootId,
        /// The kernel's.
        ours: BootId,
    },
    /// Every pod gets an address of this family, and there is nothing to give it from.
    #[error("blocks: none is Active for {0}, which is listed in families")]
    NoActiveBlock(Family),
}

impl NodeState {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// It is not there ([`FileError::is_missing`]), or its content is refused by field and value.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = file::read(path)?;
        NodeState::parse(&bytes).map_err(|fault| FileError::malformed(path, fault))
    }

    /// Checks, then replaces the file by way of a rename, mode 0644. Only one process may write it.
    ///
    /// # Errors
    /// A field that [`NodeState::read`] would refuse, or the system's refusal.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.check()
            .map_err(|fault| FileError::malformed(path, fault))?;
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| FileError::io(path, "encode")(error.into()))?;
        json.push(b'\n');
        file::replace(path, &json, 0o644)
    }

    /// Parses and checks the content of the file.
    ///
    /// # Errors
    /// The first field at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let state: NodeState = fault::parse(bytes, FIELDS)?;
        state.check()?;
        Ok(state)
    }

    /// Whether an ADD of the boot `boot` can work with it.
    ///
    /// # Errors
    /// Why not.
    pub fn usable(&self, boot: &BootId) -> Result<(), Unusable> {
        if self.boot_id != *boot {
            return Err(Unusable::OtherBoot {
                theirs: self.boot_id.clone(),
                ours: boot.clone(),
            });
        }
        let supply = self.supply();
        let mut families = self.families.iter().copied();
        match families.find(|family| supply.active(*family).next().is_none()) {
            Some(family) => Err(Unusable::NoActiveBlock(family)),
            None => Ok(()),
        }
    }

    /// What addresses are given out of.
    pub fn supply(&self) -> Supply<'_> {
        Supply {
            blocks: &self.blocks,
            families: &self.families,
            cooldown: self.cooldown_seconds,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let families: BTreeSet<Family> = self.families.iter().copied().collect();
        if families.is_empty() || families.len() != self.families.len() {
            let reason = "must name one family or both, none twice";
            return Err(Fault::field("families", &json!(self.families), reason));
        }
        // Below it the kernel takes the family off the interface.
        let (least, source) = if families.contains(&Family::V6) {
            (1280, "RFC 8200, section 5")
        } else {
            (68, "RFC 791")
        };
        if !(least..=65_535).contains(&self.mtu) {
            let reason = format!("must be {least} ({source}) to 65535");
            return Err(Fault::field("mtu", &json!(self.mtu), reason));
        }
        for (index, block) in self.blocks.iter().enumerate() {
            let earlier = &self.blocks[..index];
            if let Some(other) = earlier.iter().find(|b| b.cidr.overlaps(block.cidr)) {
                let path = format!("blocks[{index}].cidr");
                let reason = format!("overlaps {} of the same node", other.cidr);
                return Err(Fault::field(path, &json!(block.cidr), reason));
            }
        }
        Ok(())
    }
}
