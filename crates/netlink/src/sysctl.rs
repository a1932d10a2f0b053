//! Kernel settings under `/proc/sys`, of the namespace of the calling thread.
//!
//! A container without privileges has `/proc/sys` read-only; where its runtime mounted `net` of it once
//! more, writable, a [`Tree`] is rooted there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the kernel shows its settings.
const ROOT: &str = "/proc/sys";

/// The settings below a folder: `/proc/sys`, or where that is mounted besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::at(Path::new(ROOT))
    }
}

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

impl Tree {
    /// The settings below `root`, which has `net` in it.
    pub fn at(root: &Path) -> Self {
        Tree {
            root: root.to_owned(),
        }
    }

    /// The value of a setting. Parts of `name` are parted by slashes, as interface names may hold dots:
    /// `net/ipv4/conf/eth0.5/rp_filter`.
    ///
    /// # Errors
    /// No such setting, or procfs is not mounted.
    pub fn read(&self, name: &str) -> Result<String, Error> {
        fs::read_to_string(self.path(name))
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
    pub fn set(&self, name: &str, value: &str) -> Result<Outcome, Error> {
        let from = self.read(name)?;
        if from == value {
            return Ok(Outcome::Unchanged);
        }
        fs::write(self.path(name), value)
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
    pub fn may_set(&self, name: &str) -> Result<(), Error> {
        // Opening changes nothing: the kernel takes the value at write(2).
        let opened = fs::OpenOptions::new().write(true).open(self.path(name));
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
    pub fn names(&self, name: &str) -> Result<Vec<String>, Error> {
        let read = |source| Error {
            what: "list",
            name: name.to_owned(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(name)).map_err(read)? {
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

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// [`Tree::read`] of `/proc/sys` itself.
///
/// # Errors
/// As there.
pub fn read(name: &str) -> Result<String, Error> {
    Tree::default().read(name)
}

/// [`Tree::set`] of `/proc/sys` itself.
///
/// # Errors
/// As there.
pub fn set(name: &str, value: &str) -> Result<Outcome, Error> {
    Tree::default().set(name, value)
}
