//! `installed.json` in the state directory: which files of the runtime's are ours.

use super::Done;
use super::program::{Program, digest};
use gingham_ipam::{Unknown, Version1};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The name of the file.
pub(super) const FILE: &str = "installed.json";
/// What it is written as, before it has its name.
pub(super) const DRAFT: &str = "installed.json.tmp";

/// What was installed, by the names of the files: the folders may be mounted elsewhere next time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: Version1,
    /// The programs.
    #[serde(default)]
    pub programs: BTreeMap<String, Entry>,
    /// The network configurations.
    #[serde(default)]
    pub confs: BTreeMap<String, Entry>,
    /// Fields this version does not know.
    #[serde(flatten)]
    unknown: Unknown,
}

/// A file that was installed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// That of the one of ours it takes the place of. It is there still if the run was killed in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<String>,
    /// Whether one that was not ours was there, and is kept in `replaced`.
    #[serde(default)]
    pub replaced: bool,
    /// Fields this version does not know.
    #[serde(flatten)]
    unknown: Unknown,
}

impl Entry {
    /// Whether a file of this digest is what was installed, the one before it included.
    pub fn is_ours(&self, sha256: &str) -> bool {
        self.sha256 == sha256 || self.earlier.as_deref() == Some(sha256)
    }
}

/// Why the record cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct RecordError {
    path: PathBuf,
    reason: String,
}

impl Record {
    /// Reads it; where there is none, nothing was installed.
    ///
    /// # Errors
    /// It cannot be read or is damaged. Without it nobody knows what is whose, so nothing is replaced.
    pub fn read(state_dir: &Path) -> Result<Self, RecordError> {
        let path = state_dir.join(FILE);
        let fail = |reason: String| RecordError {
            path: path.clone(),
            reason,
        };
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                fail(format!(
                    "{error}; remove it to begin anew, and what was installed before stays"
                ))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(fail(error.to_string())),
        }
    }

    /// Whether the program of a name is what was installed.
    pub fn is_ours(&self, name: &str, sha256: &str) -> bool {
        let entry = self.programs.get(name);
        entry.is_some_and(|entry| entry.is_ours(sha256))
    }

    /// Notes that a program is about to be there, in the place of one of digest `before`. One that was
    /// replaced once stays known.
    pub(super) fn note(&mut self, program: &Program, before: Option<String>, done: Done) {
        let entry = self.programs.entry(program.name.clone()).or_default();
        entry.sha256.clone_from(&program.digest);
        entry.earlier = before.filter(|_| done == Done::Updated);
        entry.replaced |= done == Done::Replaced;
    }

    /// Notes that a network configuration of this text is about to be there.
    pub(crate) fn note_conf(&mut self, name: &str, text: &str) {
        let sha256 = digest(text.as_bytes());
        let entry = self.confs.entry(name.to_owned()).or_default();
        if entry.sha256 != sha256 {
            let before = std::mem::replace(&mut entry.sha256, sha256);
            entry.earlier = Some(before).filter(|before| !before.is_empty());
        }
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, state_dir: &Path) -> Result<(), RecordError> {
        let (path, draft) = (state_dir.join(FILE), state_dir.join(DRAFT));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(state_dir)?;
            let mut file = File::create(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(state_dir)?.sync_all()
        };
        write().map_err(|error| RecordError {
            path: path.clone(),
            reason: error.to_string(),
        })
    }
}
