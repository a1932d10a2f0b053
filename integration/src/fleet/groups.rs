//! The control groups of a fleet's nodes, as the machine sees them.
//!
//! Every node has a group of its own in each hierarchy, which is the root of what it sees. What runs in it
//! ends with the node's box; the groups themselves do not, and a kubelet that finds those of an earlier
//! run spends seconds on each.

use crate::eventually;
use crate::procs::ProcessId;
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the machine has its hierarchies.
const ROOT: &str = "/sys/fs/cgroup";
/// What the names of all fleets' groups begin with; the pid of the owner follows.
const PREFIX: &str = "gingham-fleet-";
/// How long the kernel may take to empty a group whose processes were killed.
const DEADLINE: Duration = Duration::from_secs(20);

/// The name of the group of this process's nodes; each node has one inside.
pub(super) fn own() -> String {
    of(std::process::id())
}

fn of(owner: u32) -> String {
    format!("{PREFIX}{owner}")
}

/// Removes the groups of owners that are gone.
pub(super) fn sweep() -> Result<()> {
    for hierarchy in hierarchies()? {
        for entry in entries(&hierarchy)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            let owner = name.strip_prefix(PREFIX).and_then(|pid| pid.parse().ok());
            if owner.is_some_and(|pid| ProcessId::of(pid).is_none()) {
                // What still runs in it, somebody else has to end.
                let _ = remove_tree(&entry);
            }
        }
    }
    Ok(())
}

/// Removes a group below [`own`], or with an empty name that itself, in every hierarchy.
///
/// # Errors
/// A process is still in it.
pub(super) fn remove(node: &str) -> Result<()> {
    remove_everywhere(&Path::new(&own()).join(node))
}

/// Removes the group of a process that is gone, in every hierarchy.
///
/// # Errors
/// A process is still in it.
pub(super) fn remove_of(owner: u32) -> Result<()> {
    remove_everywhere(Path::new(&of(owner)))
}

fn remove_everywhere(group: &Path) -> Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(group);
        eventually(&format!("the end of {}", group.display()), DEADLINE, || {
            remove_tree(&group)
        })?;
    }
    Ok(())
}

fn hierarchies() -> Result<Vec<PathBuf>> {
    entries(Path::new(ROOT))
}

/// The folders in a folder; none if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = || format!("reading {}", folder.display());
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(what),
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.with_context(what)?;
        if entry.file_type().with_context(what)?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Groups go from the leaves; the files in them are the kernel's.
fn remove_tree(group: &Path) -> Result<()> {
    for inner in entries(group)? {
        remove_tree(&inner)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", group.display()))
        }
        _ => Ok(()),
    }
}
