//! `gingham-agent install-cni`: brings the plugins to where the container runtime looks for them, and takes
//! them away again (`cleanup --installed`).
//!
//! ```text
//!   --from ──► each program: same already? ── no ──► what is there, if not ours, is kept aside
//!                                                    beside its place, synced, renamed over it
//!                                               └──► installed.json: what is ours, by its digest
//! ```
//!
//! A program that runs is never written into: a rename replaces it under the runtime's feet (ETXTBSY), and
//! whoever started the old one goes on with it. May be killed anywhere and run again.

mod program;
mod record;
mod remove;

pub use record::{Record, RecordError};
pub use remove::{Due, due, undo};

use program::Program;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the names of programs on their way begin with.
const DRAFT: &str = ".gingham-new-";
/// Where those that were replaced are, below the state directory.
const REPLACED: &str = "replaced";
/// What is written into the state directory.
pub const FILES: [&str; 3] = [record::DRAFT, REPLACED, record::FILE];

/// From where to where.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of the programs to install.
    pub from: PathBuf,
    /// Where the runtime looks for plugins.
    pub to: PathBuf,
    /// Where the record is kept.
    pub state_dir: PathBuf,
}

/// Why not all of it was installed. What was, is.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The folder to install from.
    #[error("--from {}: {reason}", path.display())]
    Source {
        /// The folder, or the program in it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder to install to.
    #[error("--cni-bin-dir {}: {source}", path.display())]
    Target {
        /// The folder, or the program in it.
        path: PathBuf,
        /// Why it takes nothing.
        source: io::Error,
    },
    /// What was replaced cannot be kept, so nothing is replaced.
    #[error("--state-dir: keeping {}: {source}", path.display())]
    Aside {
        /// The program that was there.
        path: PathBuf,
        /// Why it cannot be kept.
        source: io::Error,
    },
    /// The record.
    #[error("--state-dir: {0}")]
    Record(#[from] RecordError),
}

/// The document: what became of each program, in the order of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// 1.
    pub version: u32,
    /// The programs.
    pub programs: Vec<Outcome>,
}

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Where it is.
    pub path: PathBuf,
    /// What was done.
    pub done: Done,
}

/// What was done about a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// It was there, to the byte.
    Unchanged,
    /// There was none of its name.
    Installed,
    /// One of ours was there.
    Updated,
    /// Somebody else's was there, and is kept aside.
    Replaced,
}

impl Done {
    /// What it is called in a list.
    pub fn word(self) -> &'static str {
        match self {
            Done::Unchanged => "unchanged",
            Done::Installed => "installed",
            Done::Updated => "updated",
            Done::Replaced => "replaced",
        }
    }
}

/// Installs every program of a folder.
///
/// # Errors
/// What kept one from being installed; those before it in the order of names are.
pub fn install(places: &Places) -> Result<Report, InstallError> {
    let programs = programs(&places.from)?;
    let target = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::Target { path, source }
    };
    fs::create_dir_all(&places.to).map_err(target(&places.to))?;
    program::sweep(&places.to).map_err(target(&places.to))?;
    let mut record = Record::read(&places.state_dir)?;
    let mut outcomes = Vec::new();
    for program in programs {
        let path = places.to.join(&program.name);
        let before = program::digest_of(&path).map_err(target(&path))?;
        let done = match &before {
            Some(digest) if *digest == program.digest => Done::Unchanged,
            Some(digest) if record.is_ours(&program.name, digest) => Done::Updated,
            Some(_) => Done::Replaced,
            None => Done::Installed,
        };
        if done == Done::Replaced {
            let aside = aside(&places.state_dir, &program.name);
            let kept = program::copy(&path, &aside);
            kept.map_err(|source| InstallError::Aside {
                path: path.clone(),
                source,
            })?;
        }
        // One that is there already and was never ours is not ours to remove.
        if done != Done::Unchanged {
            // Before the program: one that is recorded and not there is nothing to remove.
            record.note(&program, before, done);
            record.write(&places.state_dir)?;
            program.put(&path).map_err(target(&path))?;
        }
        outcomes.push(Outcome { path, done });
    }
    Ok(Report {
        version: 1,
        programs: outcomes,
    })
}

/// Where a program that was replaced is kept.
fn aside(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join(REPLACED).join(name)
}

fn programs(from: &Path) -> Result<Vec<Program>, InstallError> {
    let unfit = |path: &Path, reason: String| InstallError::Source {
        path: path.to_owned(),
        reason,
    };
    let entries = fs::read_dir(from).map_err(|error| unfit(from, error.to_string()))?;
    let mut programs = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| unfit(from, error.to_string()))?
            .path();
        programs.push(Program::read(&path).map_err(|reason| unfit(&path, reason))?);
    }
    if programs.is_empty() {
        return Err(unfit(from, "there is no program in it".to_owned()));
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(programs)
}
