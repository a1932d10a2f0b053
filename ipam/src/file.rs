//! Reading a whole file, and replacing one so that no reader ever sees half of it.

use crate::Fault;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, such as `read`.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It was read, but its content cannot be.
    #[error("{}: {fault}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl FileError {
    /// Whether the file is simply not there (`ENOENT`).
    pub fn is_missing(&self) -> bool {
        matches!(self, FileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> FileError {
        move |source| FileError::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    pub(crate) fn malformed(path: &Path, fault: Fault) -> FileError {
        FileError::Malformed {
            path: path.to_owned(),
            fault,
        }
    }
}

/// The whole content of the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::io(path, "read"))
}

/// Puts `content` in place of the file at `path`, with exactly this mode.
///
/// The content goes to `<path>.tmp` first and is then renamed. What a killed writer left there is
/// overwritten; so the caller must be the only writer, by a lock or by being the only one. There is
/// no fsync: these files lie on tmpfs, and a reboot is meant to lose them.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    write(temporary, content, mode).map_err(|error| {
        // Half a file is no use to anybody, least of all on a full disk.
        let _ = fs::remove_file(temporary);
        FileError::io(temporary, "write")(error)
    })?;
    fs::rename(temporary, path).map_err(FileError::io(path, "rename the new file to it"))
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file: File = options.open(path)?;
    // The umask is the runtime's, and a left-over file has the mode of its maker.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)
}
