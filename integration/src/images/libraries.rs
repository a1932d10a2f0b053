//! The shared libraries of a program: an image that holds the program must hold them too.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The paths under which the program's loader looks for them, the loader itself among them. A static
/// program has none.
pub(super) fn of(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let named = || format!("ldd {}", program.display());
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .with_context(named)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            error.contains("not a dynamic executable"),
            "{}: {error}",
            named()
        );
    }
    ensure!(!said.contains("not found"), "{}: {said}", named());
    Ok(paths(&said))
}

/// Of each line the path: what comes after the arrow, or all there is.
fn paths(said: &str) -> BTreeSet<PathBuf> {
    let words = said.split_whitespace();
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_has_a_loader_and_a_c_library() {
        let found = of(Path::new("/bin/sh")).unwrap();
        let has = |part: &str| {
            found
                .iter()
                .any(|path| path.display().to_string().contains(part))
        };
        assert!(has("libc.so") && has("/ld-"), "{found:?}");
        assert!(found.iter().all(|path| path.is_file()), "{found:?}");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = of(Path::new("/nowhere/program")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/program"), "{error}");
    }
}
