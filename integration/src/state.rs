//! The record of a detached lab.

use crate::binaries::Binaries;
use crate::procs::ProcessId;
use crate::topology::Topology;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where `lab up` keeps its record, the cluster objects and the logs, unless told otherwise.
pub const STATE_DIR: &str = "/run/gingham-lab";
/// The version of the record this code writes and reads.
const VERSION: u32 = 2;

/// What is recorded of a detached lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What stands where.
    pub topology: Topology,
    /// The executables it was brought up with.
    pub binaries: Binaries,
    /// Process 1 of every box.
    pub boxes: BTreeMap<String, ProcessId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: u32,
    /// Pids and start times mean nothing after a reboot of the machine.
    boot_id: String,
    #[serde(flatten)]
    state: State,
}

/// The state directory, locked: of several `lab up` and `lab down` only one works at a time.
///
/// The lock is held until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: Arc<File>,
}

impl StateDir {
    /// Opens the directory, by default [`STATE_DIR`], creating it; waits while another process holds
    /// it.
    ///
    /// # Errors
    /// No permission.
    pub fn lock(path: &Path) -> Result<Self> {
        let what = || format!("locking {}", path.display());
        loop {
            fs::create_dir_all(path).with_context(what)?;
            let lock = File::open(path).with_context(what)?;
            lock.lock().with_context(what)?;
            // Whoever held it may have removed the directory: then this lock is on nothing.
            let inode = lock.metadata().with_context(what)?.ino();
            match fs::metadata(path) {
                Ok(now) if now.ino() == inode => {
                    return Ok(StateDir {
                        path: path.to_owned(),
                        _lock: Arc::new(lock),
                    });
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(what),
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes everything in the directory.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let what = || format!("clearing {}", self.path.display());
        for entry in fs::read_dir(&self.path).with_context(what)? {
            let path = entry.with_context(what)?.path();
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.with_context(|| format!("removing {}", path.display()))?;
        }
        Ok(())
    }

    /// Removes the directory with everything in it. Who waits for the lock then makes a new one.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path).with_context(|| format!("removing {}", self.path.display()))
    }

    /// The record; `None` when there is none, or only one of before the machine's last boot.
    ///
    /// # Errors
    /// It cannot be read, or is of another version.
    pub fn load(&self) -> Result<Option<State>> {
        let path = self.file();
        let what = || format!("reading {}", path.display());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(what),
        };
        let record: Record = serde_json::from_str(&text).with_context(what)?;
        if record.version != VERSION {
            bail!(
                "{}: version {}: only {VERSION} is known",
                path.display(),
                record.version
            );
        }
        Ok((record.boot_id == boot_id()?).then_some(record.state))
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// The disk.
    pub fn store(&self, state: &State) -> Result<()> {
        let path = self.file();
        let what = || format!("writing {}", path.display());
        let record = Record {
            version: VERSION,
            boot_id: boot_id()?,
            state: state.clone(),
        };
        let text = serde_json::to_string_pretty(&record).with_context(what)?;
        let temporary = path.with_extension("new");
        fs::write(&temporary, text).with_context(what)?;
        fs::rename(&temporary, &path).with_context(what)
    }

    fn file(&self) -> PathBuf {
        self.path.join("state.json")
    }
}

/// The boot id of the machine.
fn boot_id() -> Result<String> {
    let path = crate::init::BOOT_ID;
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_earlier_boot_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(&folder.path().join("state")).unwrap();
        assert_eq!(dir.load().unwrap(), None);
        let state = State {
            topology: crate::topology::static_routes().unwrap(),
            binaries: Binaries {
                lab: "/lab".into(),
                gingham: None,
            },
            boxes: BTreeMap::from([(
                "c1".to_owned(),
                ProcessId {
                    pid: 7,
                    start_time: 8,
                },
            )]),
        };
        dir.store(&state).unwrap();
        assert_eq!(dir.load().unwrap(), Some(state));

        let text = fs::read_to_string(dir.file()).unwrap();
        fs::write(dir.file(), text.replace(&boot_id().unwrap(), "another")).unwrap();
        assert_eq!(dir.load().unwrap(), None);
        fs::write(dir.file(), text.replace("\"version\": 2", "\"version\": 9")).unwrap();
        assert!(
            dir.load()
                .unwrap_err()
                .to_string()
                .ends_with("version 9: only 2 is known")
        );
    }
}
