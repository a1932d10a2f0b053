//! Configuration files in sections, and the folders they lie in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders that hold a program's configuration, the strongest first.
const PLACES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];

/// A `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The section it stands in, without brackets.
    pub(super) section: String,
    /// Its key, with the `+` or `-` of NetworkManager's `key+=value` for a part of it.
    pub(super) key: String,
    /// Its value.
    pub(super) value: String,
}

/// The lines of a file, in their order. Comments and what is no entry are passed over, as the
/// programs do.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=') {
            entries.push(Entry {
                section: section.to_owned(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            });
        }
    }
    entries
}

/// Whether a value says yes, as systemd and GLib read it.
pub(super) fn is_yes(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a value says no.
pub(super) fn is_no(value: &str) -> bool {
    ["0", "no", "n", "false", "f", "off"].contains(&value.to_ascii_lowercase().as_str())
}

/// The texts of the files `<place>/<folder>/*.<ending>` below `root`, in the order of their names,
/// with their paths as on the host. Of two with the same name the one in the stronger place counts.
pub(super) fn drop_ins(root: &Path, folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for place in PLACES {
        for name in names(&root.join(place).join(folder), ending) {
            let path = Path::new(place).join(folder).join(&name);
            files.entry(name).or_insert(path);
        }
    }
    let files = files.into_values();
    files
        .map(|path| (format!("/{}", path.display()), text(&root.join(path))))
        .collect()
}

/// The text of `<place>/<file>` in the strongest place that has one.
pub(super) fn main(root: &Path, file: &str) -> String {
    let paths = PLACES.iter().map(|place| root.join(place).join(file));
    let found = paths.into_iter().find(|path| path.exists());
    found.map(|path| text(&path)).unwrap_or_default()
}

/// The names of the files of a folder with this ending, in order; none where it cannot be read.
pub(super) fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == ending))
        .collect();
    names.sort();
    names
}

/// What stands in a file; nothing where it cannot be read, as for the program itself.
pub(super) fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
