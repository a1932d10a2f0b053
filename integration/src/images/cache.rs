//! Where archives are kept from one test to the next: a file each, named by all it holds. It appears
//! whole or not at all, so any number of tests may ask at once.

use super::archive::Image;
use anyhow::{Context, Result};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// One that no test asked for in this time goes when its successor comes.
const KEPT: Duration = Duration::from_hours(24);
const BUFFER: usize = 1 << 20;

/// The archive of the image, made if it is not there yet. `name` is for people, and says whose successor
/// it is.
pub(super) fn kept(name: &str, image: &Image) -> Result<PathBuf> {
    kept_in(&folder()?, name, image).with_context(|| format!("image {name}"))
}

fn kept_in(folder: &Path, name: &str, image: &Image) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let measured = image.measure()?;
    let path = folder.join(format!("{name}-{}.tar", measured.key()));
    if touch(&path) {
        return Ok(path);
    }
    let mut file = NamedTempFile::new_in(folder).with_context(|| folder.display().to_string())?;
    let mut buffer = BufWriter::with_capacity(BUFFER, &mut file);
    measured.write(&mut buffer)?;
    buffer.flush().context("writing")?;
    drop(buffer);
    file.persist(&path)
        .with_context(|| path.display().to_string())?;
    remove_predecessors(folder, name);
    Ok(path)
}

/// Marks the file as used just now; `false` if there is none.
fn touch(path: &Path) -> bool {
    let now = std::time::SystemTime::now();
    fs::File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(now))
        .is_ok()
}

/// Room is all they cost: one that cannot be removed now is removed next time.
fn remove_predecessors(folder: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let stem = file.to_str().and_then(|file| file.rsplit_once('-'));
        let age = entry.metadata().and_then(|meta| meta.modified());
        let old = age.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > KEPT));
        if old && stem.is_some_and(|(of, _)| of == name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Beside the programs that are built from Go modules.
fn folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || variable("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache
        .or_else(home)
        .context("neither HOME nor XDG_CACHE_HOME is set")?;
    Ok(cache.join("gingham/images"))
}

#[cfg(test)]
mod tests {
    use super::super::archive::Config;
    use super::super::tree::Tree;
    use super::*;

    fn image(text: &str) -> Image {
        Image {
            references: vec!["localhost/a:1".into()],
            config: Config::new(&["/a"], &[], "/bin"),
            tree: Tree::default().text("/text", text),
        }
    }

    fn kept_files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn an_archive_is_made_once_and_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept_in(folder.path(), "a", &image("x")).unwrap();
        let made = fs::metadata(&first).unwrap().ino();
        assert_eq!(kept_in(folder.path(), "a", &image("x")).unwrap(), first);
        assert_eq!(fs::metadata(&first).unwrap().ino(), made);
        assert_ne!(kept_in(folder.path(), "a", &image("y")).unwrap(), first);
        assert_eq!(kept_files(folder.path()), 2);
    }

    #[test]
    fn one_of_yesterday_goes_with_its_successor_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let yesterday = std::time::SystemTime::now() - 2 * KEPT;
        for name in ["a", "a-b"] {
            let path = kept_in(folder.path(), name, &image("x")).unwrap();
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_modified(yesterday).unwrap();
        }
        kept_in(folder.path(), "a", &image("y")).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.rsplit_once('-').unwrap().0.to_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["a", "a-b"]);
    }

    use std::os::unix::fs::MetadataExt;
}
