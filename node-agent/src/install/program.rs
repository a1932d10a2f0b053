//! One program: what it is by its bytes, and how it is put in its place.

use super::DRAFT;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Whoever may, may run it.
const MODE: u32 = 0o755;

/// A program to be installed.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) digest: String,
    bytes: Vec<u8>,
}

impl Program {
    /// Reads it.
    ///
    /// # Errors
    /// It is no file that can be run, in words.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or("its name is no text")?.to_owned();
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("is no file".to_owned());
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o111 == 0 {
            return Err(format!("has mode {mode:o} and cannot be run"));
        }
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        Ok(Program {
            name,
            digest: digest(&bytes),
            bytes,
        })
    }

    /// Puts it at `path`, whole or not at all.
    pub(super) fn put(&self, path: &Path) -> io::Result<()> {
        put(&self.bytes, path)
    }
}

/// The digest of the file at a path, `None` if there is none.
pub(super) fn digest_of(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(digest(&bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A program also at another path.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    put(&fs::read(from)?, to)
}

/// Removes what runs that were killed have left.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn put(bytes: &[u8], path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let draft = folder.join(format!("{DRAFT}{}", name.to_string_lossy()));
    let drawn = draw_up(bytes, &draft).and_then(|()| fs::rename(&draft, path));
    if drawn.is_err() {
        // The next run sweeps.
        let _ = fs::remove_file(&draft);
    }
    drawn?;
    File::open(folder)?.sync_all()
}

fn draw_up(bytes: &[u8], draft: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(MODE);
    let mut file = options.open(draft)?;
    file.write_all(bytes)?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(MODE))?;
    file.sync_all()
}

/// What tells two files apart: SHA-256, in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
