//! Puts a file where somebody watches for it, whole and at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The ending of a file on its way: runtimes take none of that name for a configuration.
pub const DRAFT_ENDING: &str = ".gingham-new";

/// Replaces the file `name` in `folder`: written beside it, synced, renamed, the folder synced. Then the
/// file is written once more in place, the same bytes: containerd's watcher looks at WRITE and RENAME and not
/// at the CREATE that a rename is to it, and it reads a file that is whole either way.
///
/// # Errors
/// The folder cannot be made, or does not take the file. What was there before stays.
pub fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (path, draft) = (
        folder.join(name),
        folder.join(format!("{name}{DRAFT_ENDING}")),
    );
    let written = draw_up(&draft, text).and_then(|()| fs::rename(&draft, &path));
    if written.is_err() {
        // Nobody reads it; the next one replaces it.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()?;
    OpenOptions::new()
        .write(true)
        .open(&path)?
        .write_all(text.as_bytes())
}

fn draw_up(draft: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
