//! Blocks of other nodes in a directory store, by a reflector. A version is the text of a file.
//!
//! An orphaned block keeps its name all the while, for its route may still be in use: the new text
//! and the old one change places (`RENAME_EXCHANGE`), and only then is the old one looked at. What
//! somebody else wrote in between is put back the same way.

use super::Directory;
use super::files::{discard, io_error, settle_name};
use crate::manifest;
use crate::objects::Kind;
use crate::store::custody::{inspected, member, set_orphaned, set_orphaned_since};
use crate::store::scan::Scan;
use crate::store::{Inspected, Member, Release, StoreError};
use gingham_model::{Block, NodeName, Prefix};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// How often others may write at the same time before it is left to another look.
const ATTEMPTS: usize = 8;

impl Directory {
    /// A file that is gone with its folder says nothing of its Node.
    pub(super) fn member_now(&self, name: &NodeName) -> Result<Option<Member>, StoreError> {
        let folder = Scan::folder(&self.root, Kind::Node);
        let path = folder.join(format!("{name}.yaml"));
        let Some(text) = text(&path)? else {
            return match fs::read_dir(&folder) {
                Ok(_) => Ok(None),
                Err(error) => Err(io_error("list", &folder, error)),
            };
        };
        let invalid = |why: String| StoreError::Invalid(format!("{}: {why}", path.display()));
        let value = manifest::value(&text).map_err(|why| invalid(why.to_string()))?;
        let member = member(&value).map_err(invalid)?;
        if member.name != *name {
            let why = format!("metadata.name: must be {name}, is {}", member.name);
            return Err(invalid(why));
        }
        Ok(Some(member))
    }

    pub(super) fn inspect_now(&self, cidr: Prefix) -> Result<Option<Inspected>, StoreError> {
        let path = self.block_path(&Block::object_name(cidr));
        let text = text(&path)?;
        text.map(|text| parsed(&path, text)).transpose()
    }

    pub(super) fn orphan_now(
        &self,
        seen: &Inspected,
        since: SystemTime,
    ) -> Result<Release, StoreError> {
        let _turn = self.turn()?;
        let path = self.block_path(&Block::object_name(seen.block.cidr));
        match text(&path)? {
            None => return Ok(Release::Gone),
            Some(text) if text != seen.version => return Ok(Release::rewritten()),
            Some(_) => {}
        }
        let new = orphaned(&seen.version, since)
            .map_err(|why| StoreError::Invalid(format!("{}: {why}", path.display())))?;
        let draft = self.draft(&path, &new)?;
        let exchanged = exchange(&draft, &path, (&seen.version, &new));
        discard(&draft);
        let ended = exchanged.map_err(|source| io_error("rename to", &path, source))?;
        settle_name(&path)?;
        Ok(ended)
    }

    pub(super) fn free_now(&self, seen: &Inspected) -> Result<Release, StoreError> {
        let _turn = self.turn()?;
        let path = self.block_path(&Block::object_name(seen.block.cidr));
        match text(&path)? {
            None => Ok(Release::Gone),
            Some(text) if text != seen.version => Ok(Release::rewritten()),
            Some(text) => self.take_away(&path, &text),
        }
    }
}

/// Gives `path` the text of `draft`. Whatever was there is in `draft` afterwards; where that is not
/// `seen`, it goes back, and `draft` is to hold what is `ours` again: if not, somebody wrote once
/// more.
fn exchange(draft: &Path, path: &Path, (seen, ours): (&str, &str)) -> io::Result<Release> {
    let flags = RenameFlags::RENAME_EXCHANGE;
    let swap = || renameat2(AT_FDCWD, draft, AT_FDCWD, path, flags);
    match swap() {
        Ok(()) => {}
        Err(Errno::ENOENT) => return Ok(Release::Gone),
        // A network file system may not know how. What was looked at a moment ago is taken as seen.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            fs::copy(draft, draft.with_extension("copy"))?;
            fs::rename(draft.with_extension("copy"), path)?;
            return Ok(Release::Done);
        }
        Err(error) => return Err(error.into()),
    }
    if fs::read_to_string(draft)? == seen {
        return Ok(Release::Done);
    }
    for _ in 0..ATTEMPTS {
        match swap() {
            Ok(()) if fs::read_to_string(draft)? == ours => break,
            Ok(()) => {}
            // Somebody took ours away; what they wrote before is not to come back.
            Err(Errno::ENOENT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Release::rewritten())
}

/// The text of a Block whose owner is gone since then. Everything else in it stays.
fn orphaned(text: &str, since: SystemTime) -> Result<String, String> {
    let mut value = manifest::value(text).map_err(|why| why.to_string())?;
    set_orphaned(&mut value);
    set_orphaned_since(&mut value, since)?;
    serde_saphyr::to_string(&value).map_err(|error| error.to_string())
}

fn parsed(path: &Path, text: String) -> Result<Inspected, StoreError> {
    let invalid = |why: String| StoreError::Invalid(format!("{}: {why}", path.display()));
    let value = manifest::value(&text).map_err(|why| invalid(why.to_string()))?;
    inspected(&value, text).map_err(invalid)
}

fn text(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", path, error)),
    }
}
