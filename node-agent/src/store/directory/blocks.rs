//! Blocks of this node in a directory store: claimed, rewritten, given back.
//!
//! A claim is a hidden file, complete and on disk, that gets its name by link(2): the name exists
//! with all of its contents or not at all, and of two that link one is told `EEXIST`.

use super::Directory;
use super::files::{discard, io_error, read, render, settle_name};
use crate::store::{Claim, Release, StoreError};
use gingham_model::{Block, BlockState};
use std::fs;
use std::io;

impl Directory {
    pub(super) fn claim_now(&self, block: &Block) -> Result<Claim, StoreError> {
        let _turn = self.turn()?;
        let name = Block::object_name(block.cidr);
        let path = self.block_path(&name);
        let text = render(block, None)?;
        let draft = self.draft(&path, &text)?;
        let linked = fs::hard_link(&draft, &path);
        discard(&draft);
        match linked {
            Ok(()) => settle_name(&path).map(|()| Claim::Ours),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (there, _) = read(&path, &name)?;
                let ours = there.node == block.node && there.node_uid == block.node_uid;
                Ok(if ours {
                    Claim::Ours
                } else {
                    Claim::Taken(there)
                })
            }
            Err(source) => Err(io_error("link", &path, source)),
        }
    }

    pub(super) fn update_now(&self, block: &Block) -> Result<(), StoreError> {
        let _turn = self.turn()?;
        let name = Block::object_name(block.cidr);
        let path = self.block_path(&name);
        let (there, text) = read(&path, &name)?;
        if there.node != block.node {
            let node = there.node.to_string();
            return Err(StoreError::Lost { name, node });
        }
        let draft = self.draft(&path, &render(block, Some(&text))?)?;
        let renamed = fs::rename(&draft, &path).map_err(|source| {
            discard(&draft);
            io_error("rename to", &path, source)
        });
        renamed.and_then(|()| settle_name(&path))
    }

    pub(super) fn release_now(&self, block: &Block) -> Result<Release, StoreError> {
        let _turn = self.turn()?;
        let name = Block::object_name(block.cidr);
        let path = self.block_path(&name);
        let (there, text) = match read(&path, &name) {
            Err(error) if error.is_missing() => return Ok(Release::Gone),
            read => read?,
        };
        if let Some(why) = kept(&there, block) {
            return Ok(Release::Kept(why));
        }
        self.take_away(&path, &text)
    }
}

/// Why `there` is not the block to be released; `None` if it is.
pub(in crate::store) fn kept(there: &Block, block: &Block) -> Option<String> {
    if there.node != block.node || there.node_uid != block.node_uid {
        let (node, uid) = (&there.node, &there.node_uid);
        return Some(format!("is in the hands of node {node} ({uid}) now"));
    }
    (there.state != BlockState::Draining).then(|| format!("is {:?}", there.state))
}
