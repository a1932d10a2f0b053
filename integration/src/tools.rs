//! The programs that no package of Debian holds: built from their Go modules, found by the hash of
//! what pins them.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a folder that holds the programs built from Go modules: `gobgpd`, `kube-apiserver` and so on.
pub const TOOLS_VARIABLE: &str = "GINGHAM_TOOLS";

/// Where the pins are.
const PINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools");

/// The path of a program.
///
/// # Errors
/// It is not there; says what makes it.
pub fn locate(program: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os(TOOLS_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => cache()?,
    };
    let path = folder.join(program);
    if !path.is_file() {
        bail!(
            "{} is missing; `integration/tools/build.sh` makes it, and {TOOLS_VARIABLE} names another folder",
            path.display()
        );
    }
    Ok(path)
}

/// The folder that `integration/tools/build.sh` fills; it prints the name.
fn cache() -> Result<PathBuf> {
    let script = Path::new(PINS).join("build.sh");
    let output = Command::new(&script)
        .arg("--print-folder")
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    let folder = String::from_utf8(output.stdout).context("the folder's name")?;
    Ok(PathBuf::from(folder.trim()))
}
