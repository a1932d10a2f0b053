//! The `version` field of our files.

use serde::{Deserialize, Serialize};

/// Version 1, the only one so far: another one is refused, never guessed at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Version1;

/// A version this release does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this release reads version 1 only")]
pub struct VersionError;

impl TryFrom<u64> for Version1 {
    type Error = VersionError;

    fn try_from(number: u64) -> Result<Self, VersionError> {
        if number == 1 {
            Ok(Version1)
        } else {
            Err(VersionError)
        }
    }
}

impl From<Version1> for u64 {
    fn from(_: Version1) -> u64 {
        1
    }
}
