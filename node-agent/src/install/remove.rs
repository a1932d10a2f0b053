//! Takes away what was installed, and puts back what it replaced.

use super::program;
use super::record::{DRAFT, Entry, FILE, Record, RecordError};
use super::{REPLACED, aside};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What is to be done about the programs, and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Removed.
    pub remove: Vec<PathBuf>,
    /// Put back: the program, and where it is kept.
    pub put_back: Vec<(PathBuf, PathBuf)>,
    /// Stays, and why.
    pub stays: Vec<String>,
}

/// What is due by the record, of what is in the runtime's folders of configurations and of programs.
/// The configuration comes first: without it no pod is started any more.
///
/// # Errors
/// The record cannot be read.
pub fn due(state_dir: &Path, [confs, programs]: [&Path; 2]) -> Result<Due, RecordError> {
    let record = Record::read(state_dir)?;
    let mut due = Due::default();
    let confs = record.confs.iter().map(|entry| (confs, entry));
    let programs = record.programs.iter().map(|entry| (programs, entry));
    for (folder, (name, entry)) in confs.chain(programs) {
        let (path, kept) = (folder.join(name), aside(state_dir, name));
        match fate(entry, &path, &kept) {
            Ok(Fate::Done) => {}
            Ok(Fate::Removed) => due.remove.push(path),
            Ok(Fate::PutBack) => due.put_back.push((path, kept)),
            Ok(Fate::Changed) => due.stays.push(format!(
                "{}: is not what was installed any more",
                path.display()
            )),
            Err(error) => due.stays.push(format!("{}: {error}", path.display())),
        }
    }
    Ok(due)
}

/// What becomes of a file that was installed.
enum Fate {
    /// Nothing: it is gone, or what was there before is back.
    Done,
    Removed,
    /// What was there before takes its place.
    PutBack,
    /// Somebody has put another one there, who may want it.
    Changed,
}

/// By what is at its place now, and what is kept of before.
fn fate(entry: &Entry, path: &Path, kept: &Path) -> io::Result<Fate> {
    let now = program::digest_of(path)?;
    let before = match entry.replaced {
        true => program::digest_of(kept)?,
        false => None,
    };
    let is_ours = now.as_deref().is_none_or(|now| entry.is_ours(now));
    Ok(match (now, before) {
        (Some(now), Some(before)) if now == before => Fate::Done,
        (_, Some(_)) if is_ours => Fate::PutBack,
        (Some(_), None) if is_ours => Fate::Removed,
        (Some(_), _) => Fate::Changed,
        (None, _) => Fate::Done,
    })
}

/// Does it, and forgets the record. Says what went wrong; the record then stays.
pub fn undo(due: &Due, state_dir: &Path) -> Vec<String> {
    let put_back = due.put_back.iter();
    let put_back = put_back.map(|(path, kept)| (path, program::copy(kept, path)));
    let removed = due.remove.iter().map(|path| (path, fs::remove_file(path)));
    let errors: Vec<String> = removed.chain(put_back).filter_map(failed).collect();
    if !errors.is_empty() {
        return errors;
    }
    let replaced = state_dir.join(REPLACED);
    let files = [DRAFT, FILE].map(|name| state_dir.join(name));
    // Before the record, without which nobody would look for it.
    let forgotten = [(&replaced, fs::remove_dir_all(&replaced))].into_iter();
    let forgotten = forgotten.chain(files.iter().map(|path| (path, fs::remove_file(path))));
    forgotten.filter_map(failed).collect()
}

/// What is gone already is as good as removed.
fn failed((path, outcome): (&PathBuf, io::Result<()>)) -> Option<String> {
    let error = outcome.err()?;
    (error.kind() != ErrorKind::NotFound).then(|| format!("{}: {error}", path.display()))
}
