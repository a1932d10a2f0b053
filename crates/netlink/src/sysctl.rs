//! Kernel settings under `/proc/sys`, of the namespace of the calling thread.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Where the kernel shows its settings.
const ROOT: &str = "/proc/sys";

/// A setting that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{what} sysctl {name}: {source}")]
pub struct Error {
    what: &'static str,
    name: String,
    source: io::Error,
}

impl Error {
    /// Whether there is no such setting, as for an interface that is gone or a family that is
    /// switched off.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// What [`set`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It had that value.
    Unchanged,
    /// It has it now.
    Changed {
        /// The value before.
        from: String,
    },
}

/// The value of a setting. Parts of `name` are parted by slashes, as interface names may hold dots:
/// `net/ipv4/conf/eth0.5/rp_filter`.
///
/// # Errors
/// No such setting, or procfs is not mounted.
pub fn read(name: &str) -> Result<String, Error> {
    fs::read_to_string(path(name))
        .map(|value| value.trim_end().to_owned())
        .map_err(|source| Error {
            what: "read",
            name: name.to_owned(),
            source,
        })
}

/// Sets a setting unless it already has that value, so that a read-only `/proc/sys` which is as
/// wanted is no error.
///
/// # Errors
/// No such setting, or it may not be written.
pub fn set(name: &str, value: &str) -> Result<Outcome, Error> {
    let from = read(name)?;
    if from == value {
        return Ok(Outcome::Unchanged);
    }
    fs::write(path(name), value)
        .map(|()| Outcome::Changed { from })
        .map_err(|source| Error {
            what: "write",
            name: name.to_owned(),
            source,
        })
}

/// Whether a setting could be written, without writing it: procfs may be mounted read-only, as in
/// most containers.
///
/// # Errors
/// No such setting, or it may not be written.
pub fn may_set(name: &str) -> Result<(), Error> {
    // Opening changes nothing: the kernel takes the value at write(2).
    let opened = fs::OpenOptions::new().write(true).open(path(name));
    opened.map(drop).map_err(|source| Error {
        what: "write",
        name: name.to_owned(),
        source,
    })
}

/// What stands below `name`, in order: the interfaces below `net/ipv4/conf`, with `all` and
/// `default`.
///
/// # Errors
/// No such folder, or procfs is not mounted.
pub fn names(name: &str) -> Result<Vec<String>, Error> {
    let read = |source| Error {
        what: "list",
        name: name.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(path(name)).map_err(read)? {
        names.push(
            entry
                .map_err(read)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{ROOT}/{name}"))
}
