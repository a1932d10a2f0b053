//! Which boot of the kernel this is.

use crate::FileError;
use crate::fault::Fault;
use crate::file;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The kernel's boot id: a random UUID, new at every boot (`random(4)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootId(String);

/// A text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("boot id {0:?}: must be a UUID, as in {path}", path = BootId::PATH)]
pub struct BootIdError(String);

impl BootId {
    /// Where the kernel shows it.
    pub const PATH: &str = "/proc/sys/kernel/random/boot_id";

    /// The running kernel's boot id.
    ///
    /// # Errors
    /// As [`BootId::read`].
    pub fn of_this_boot() -> Result<Self, FileError> {
        BootId::read(Path::new(BootId::PATH))
    }

    /// The boot id in the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no UUID; names the file.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = String::from_utf8_lossy(&file::read(path)?).into_owned();
        let parsed: Result<BootId, BootIdError> = text.trim_end().parse();
        parsed.map_err(|error| FileError::malformed(path, Fault::Content(error.to_string())))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BootId {
    type Error = BootIdError;

    fn try_from(text: String) -> Result<Self, BootIdError> {
        let fits = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        if text.len() == 36 && text.bytes().enumerate().all(fits) {
            Ok(BootId(text))
        } else {
            Err(BootIdError(text))
        }
    }
}

impl FromStr for BootId {
    type Err = BootIdError;

    fn from_str(text: &str) -> Result<Self, BootIdError> {
        BootId::try_from(text.to_owned())
    }
}

impl From<BootId> for String {
    fn from(id: BootId) -> String {
        id.0
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
