//! The agent's own image: its files are put together by the script that the Dockerfile calls too.

use super::archive::{Config, Image};
use super::tree::Tree;
use crate::binaries::Gingham;
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const ASSEMBLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/image/assemble.sh");
/// As in the Dockerfile.
const ENTRYPOINT: &str = "/usr/local/bin/gingham-agent";
const PATH: &str = "/usr/local/bin:/usr/sbin";

/// The image of these executables, named `reference`. `folder` is an empty one, and must stay until the image
/// is kept.
pub(super) fn image(gingham: &Gingham, reference: &str, folder: &Path) -> Result<Image> {
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).context("a folder of programs")?;
    for (name, file) in [
        ("gingham-agent", &gingham.agent),
        ("gingham", &gingham.plugin),
    ] {
        symlink(file, programs.join(name)).with_context(|| file.display().to_string())?;
    }
    let others = tools::locate("portmap")?;
    let root = folder.join("root");
    let output = Command::new(ASSEMBLE)
        .arg(&root)
        .env("GINGHAM_BIN", &programs)
        .env(
            "GINGHAM_TOOLS",
            others.parent().context("a folder of programs")?,
        )
        .output()
        .context(ASSEMBLE)?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{ASSEMBLE}: {error}");
    Ok(Image {
        references: vec![reference.to_owned()],
        config: Config::new(&[ENTRYPOINT], &[], PATH),
        tree: Tree::of_root(&root)?,
    })
}
