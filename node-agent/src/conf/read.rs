//! Reads the configuration that is to be kept.

use super::Wanted;
use std::fs;
use std::path::{Path, PathBuf};

/// Why a configuration cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("--cni-conf {}: {reason}", path.display())]
pub struct Unfit {
    path: PathBuf,
    reason: String,
}

/// Reads a configuration as it is to be kept, under its own name.
///
/// # Errors
/// It cannot be read, or is unfit: [`Wanted::parse`].
pub fn read(path: &Path) -> Result<Wanted, Unfit> {
    let unfit = |reason: String| Unfit {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| unfit(error.to_string()))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| unfit("no file name".to_owned()))?;
    Wanted::parse(name, text).map_err(unfit)
}
